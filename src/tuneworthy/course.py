"""`Course`: how a run goes, and the only place from which its units are started."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tuneworthy.budgeting import Budget, Item, told_forecast
from tuneworthy.core.example import Example
from tuneworthy.core.job import Job
from tuneworthy.core.unit import ModelRole, Unit
from tuneworthy.data.splits import Split
from tuneworthy.runfolder.folder import RunFolder
from tuneworthy.search.settings import searched
from tuneworthy.units.curve import Parts
from tuneworthy.units.executors.local import Executor
from tuneworthy.units.plan import Plan
from tuneworthy.unlabelled import read as read_texts
from tuneworthy.watching import Watch

Models = dict[ModelRole, Path]


@dataclass
class Course:
    """How a run goes: what it is of, where it runs, and what may end it early.

    Attributes:
        readings: the units that others start from, by address: base models that read unlabelled text.
        read: addresses of those that are done.
        dropped: what the budget has left out.
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

    def run(self, name: str, units: Sequence[Unit]) -> None:
        """Runs units, and tells the budget what they took."""
        if units:
            self.folder.emit("stage_started", stage=name, units=[unit.title for unit in units])
            self.executor.run(units, self.folder, self.models)
            if self.budget is not None:
                self.budget.learn(units)

    def search(self, plan: Plan, stage: str, job: Job | None = None) -> Plan:
        """The plan with the settings that the search found for a stage, once base models have read."""
        asked = dict.fromkeys(unit.start for unit in plan.stage(stage).units)
        units = [self.readings[start] for start in asked if start is not None and start not in self.read]
        if units:
            read_texts(units, self.folder, self.executor, self.models)
            self.read |= {unit.address for unit in units}
            if self.budget is not None:
                self.budget.learn(units)
        return searched(
            plan, stage, job or self.job, self.split, self.rows, self.folder, self.executor, self.models
        )

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
            text = told_forecast(self.budget, total, gone, so_far, len(self.split.folds))
            self.folder.emit("note", text=text)
