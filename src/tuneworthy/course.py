"""`Course`: how a run goes, and the only place from which its units are started."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tuneworthy.budgeting import Budget, told_forecast
from tuneworthy.core.example import Example
from tuneworthy.core.job import Job
from tuneworthy.core.unit import ModelRole, Unit
from tuneworthy.data.splits import Split
from tuneworthy.runfolder.folder import RunFolder
from tuneworthy.sacrifice import Item
from tuneworthy.search.settings import Values, searched
from tuneworthy.units.curve import Parts
from tuneworthy.units.executors.local import Executor
from tuneworthy.units.plan import Plan
from tuneworthy.unlabelled import read as read_texts
from tuneworthy.watching import Watch

Models = dict[ModelRole, Path]


@dataclass(frozen=True)
class _Timed:
    """An executor of a run with a budget."""

    executor: Executor
    budget: Budget

    def run(self, units: Sequence[Unit], folder: RunFolder, models: Models) -> None:
        """Runs units, and tells the budget what they took."""
        self.executor.run(units, folder, models)
        self.budget.learn(units)


@dataclass
class Course:
    """How a run goes: what it is of, where it runs, and what may end it early.

    Attributes:
        readings: the units that others start from, by address: base models that read unlabelled text.
        read: addresses of those that are done.
        dropped: what the budget has left out.
        found: what the search chose, by arm and fold: fits on further seeds share it.
    """

    job: Job
    split: Split
    rows: Sequence[Example]
    folder: RunFolder
    executor: Executor
    models: Models
    cores: int
    parts: Parts
    readings: Mapping[str, Unit] = field(default_factory=dict)
    read: set[str] = field(default_factory=set)
    budget: Budget | None = None
    watch: Watch | None = None
    dropped: list[Item] = field(default_factory=list)
    found: Values = field(default_factory=dict)

    def run(self, name: str, units: Sequence[Unit]) -> None:
        """Runs units, and tells the budget what they took."""
        if units:
            self.folder.emit("stage_started", stage=name, units=[unit.title for unit in units])
            self._watched().run(units, self.folder, self.models)

    def search(self, plan: Plan, stage: str, job: Job | None = None) -> Plan:
        """The plan with the settings that the search found for a stage, once base models have read."""
        asked = dict.fromkeys(unit.start for unit in plan.stage(stage).units)
        units = [self.readings[start] for start in asked if start is not None and start not in self.read]
        executor = self._watched()
        if units:
            read_texts(units, self.folder, executor, self.models)
            self.read |= {unit.address for unit in units}
        job = job or self.job
        return searched(
            plan, stage, job, self.split, self.rows, self.folder, executor, self.models, self.found
        )

    def _watched(self) -> Executor:
        """The executor, such that the budget learns what units took."""
        return self.executor if self.budget is None else _Timed(self.executor, self.budget)

    def wanted(self, item: Item, later: Sequence[Item]) -> bool:
        """Whether an item is run; one that is not is remembered, as is one whose start was given up."""
        if self.budget is None:
            return True
        starts = {unit.start for unit in item.units} - {None, *(unit.address for unit in item.first)}
        if item.kind in ("fold", "seed") and not starts <= self.read:
            self.budget.refuse(item)
        elif self.budget.offer(item, later):
            return True
        self.dropped.append(item)
        return False

    def tell(self, items: Sequence[Item], so_far: str) -> None:
        """Says what would have to go, as things stand."""
        if self.budget is not None:
            total, gone = self.budget.forecast(items)
            needed = sum(self.budget.of_item(item) for item in items if item.kind == "needed")
            text = told_forecast(self.budget, total, gone, so_far, len(self.split.folds), needed)
            self.folder.emit("note", text=text)
