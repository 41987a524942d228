"""What a job leaves out to end in time: the clock, and a record of every decision.

Work is offered in items, each decided when its turn comes: by then what ran before has told how fast this
machine is. A decision is kept in `budget.json` and never taken again, so that a run that was stopped goes on
as it had begun. `docs/decisions/0050` has the order and its reasons.
"""

import math
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from tuneworthy.core.duration import brief, seconds_of
from tuneworthy.core.job import Job
from tuneworthy.core.unit import Unit
from tuneworthy.methods import METHODS
from tuneworthy.runfolder.events import Event
from tuneworthy.runfolder.folder import RunFolder
from tuneworthy.runfolder.unit_output import is_finished, read_metrics
from tuneworthy.sacrifice import FINAL, FORGETTING, Item, given_up, grouped
from tuneworthy.units.forgetting import capability_unit, tunes_decoder
from tuneworthy.units.seconds_ahead import Foresight

FILE = "budget.json"
REPORT_S = 15.0  # intervals, tests, verdict and report at the end (a few seconds; as many arms as there are)
KEPT_EVERY_S = 30.0  # how much of the time spent a killed run may lose
START_S = 5.0  # until worker processes stand ready for an item
OTHERS = (0.5, 3.0)  # how far another model's pace may change what is foreseen (ours)


@dataclass
class Budget:
    """The time that a run may take, what is left of it, and what was decided.

    Attributes:
        seconds: in all.
        foresight: what units take before anything ran.
        folder: of the run, where decisions are kept.
        cores, workers: of the machine and the job: how many units run side by side.
        started: `clock()` when this process began.
        before_s: what the run had taken before it was stopped.
        decisions: by item: whether it is run, and what it was foreseen to take.
        measured, known: seconds of finished units, and the units, by address.
        there: addresses of units whose output is known to be whole.
        rounds: of folds, as the first start of the run has cut them: the items are named after them.
        threads: that the job gives a unit; what runs alone in the end has all cores without.
        forgetting: whether the best fine-tune is measured on general texts in the end.
        kept_s: `spent()` when it was last written down.
    """

    seconds: float
    foresight: Foresight
    folder: RunFolder
    cores: int
    workers: int | None
    started: float
    before_s: float = 0.0
    decisions: dict[str, dict[str, Any]] = field(default_factory=dict)
    measured: dict[str, float] = field(default_factory=dict)
    known: dict[str, Unit] = field(default_factory=dict)
    there: set[str] = field(default_factory=set)
    rounds: list[tuple[int, ...]] = field(default_factory=list)
    threads: int | None = None
    forgetting: bool = False
    kept_s: float = 0.0

    def spent(self) -> float:
        """Seconds that the run has taken, those before it was stopped among them."""
        return self.before_s + clock() - self.started

    def offer(self, item: Item, later: Sequence[Item]) -> bool:
        """Whether an item is done, decided once and kept.

        Args:
            item: whose turn it is.
            later: what is not decided yet and comes after it.
        """
        known = self.decisions.get(item.name)
        if known is not None:
            return bool(known["kept"])
        offered = [item, *later, *self.endings([item, *later])]
        seconds = {one.name: self.of_item(one) for one in offered}
        gone = given_up(offered, seconds, self.left(), bool(self._measured()))
        kept = item not in gone
        self.decisions[item.name] = {"kept": kept, "foreseen_s": round(seconds[item.name], 1)}
        self.write()
        return kept

    def ends_with(self, name: str, seconds: float) -> bool:
        """Whether a run comes to this ending, decided when its turn has come, by the clock, and kept."""
        self._keep(Item("ending", name, "", (), seconds=seconds), seconds <= max(0.0, self.left()))
        self.write()
        return bool(self.decisions[name]["kept"])

    def refuse(self, item: Item) -> None:
        """Leaves an item out, unless that was decided before."""
        self._keep(item, False)
        self.write()

    def _keep(self, item: Item, kept: bool) -> None:
        self.decisions.setdefault(item.name, {"kept": kept, "foreseen_s": round(self.of_item(item), 1)})

    def foreseen(self, items: Sequence[Item]) -> float:
        """Seconds that items were foreseen to take when they were decided."""
        return sum(float(self.decisions[item.name]["foreseen_s"]) for item in items)

    def left(self) -> float:
        """Seconds left for items: not the report, which comes after them all."""
        return self.seconds - self.spent() - REPORT_S

    def endings(self, items: Sequence[Item]) -> list[Item]:
        """The fit on all rows, should a fine-tune win, and what it has forgotten: the dearest's of each.

        Args:
            items: not run yet; with what has run, they say which fine-tunes there are.
        """
        units = [unit for item in items if item.kind == "fold" for unit in item.units[:1]]
        tuned = {unit.method: unit for unit in [*units, *self._measured()]}.values()
        threads = self.threads or self.cores
        finals = [self.foresight.on_all_rows(unit, threads) for unit in tuned]
        final = max((self.of_unit(unit) for unit in finals), default=0.0)
        forgetting = max((self._forgetting(unit, threads) for unit in tuned), default=0.0)
        found = {FINAL: final, FORGETTING: forgetting}
        return [Item("ending", name, "", (), seconds=seconds) for name, seconds in found.items() if seconds]

    def _measured(self) -> list[Unit]:
        """Fits of fine-tunes that have run."""
        known = (unit for unit in self.known.values() if unit.purpose == "evaluate")
        return [unit for unit in known if METHODS.get(unit.method).kind == "tuned"]

    def _forgetting(self, fit: Unit, threads: int) -> float:
        """Seconds of measuring a fine-tune, and its base model where no run has."""
        if not self.forgetting or not tunes_decoder(fit):
            return 0.0
        base = fit.models["decoder"]
        tuned = capability_unit(base, threads, fit.method, fit.address)
        untuned = capability_unit(base, threads, processes=fit.processes)  # takes as long
        return self.of_unit(tuned) * sum(not self._at_hand(unit) for unit in (untuned, tuned))

    def missing(self, unit: Unit) -> float:
        """Seconds of a unit that is to be run; none where its output is at hand."""
        return 0.0 if self._at_hand(unit) else self.of_unit(unit)

    def forecast(self, items: Sequence[Item]) -> tuple[float, list[Item]]:
        """Seconds that all items would take, and which of them would have to go as things stand now."""
        items = [*items, *self.endings(items)]
        seconds = {item.name: self.of_item(item) for item in items}
        undecided = [item for item in items if item.name not in self.decisions]
        gone = given_up(undecided, seconds, self.left(), bool(self._measured()))
        gone += [item for item in items if not self.decisions.get(item.name, {"kept": True})["kept"]]
        return sum(seconds.values()), gone

    def of_item(self, item: Item) -> float:
        """Seconds of an item, its units side by side after what they start from."""
        if item.kind == "ending":
            return item.seconds
        before = sum(self.of_unit(unit) for unit in item.first if not self._at_hand(unit))
        searched = item.kind == "search" or item.fits > 1  # with settings that nobody knows yet
        missing = [unit for unit in item.units if searched or not self._at_hand(unit)]
        if not missing:
            return before
        together = self.workers or max(1, self.cores // max(unit.threads for unit in missing))
        waves = math.ceil(len(missing) / together)
        each = sum(self.of_unit(unit) for unit in missing) / len(missing)
        return before + START_S * (waves < len(missing)) + waves * each * item.fits

    def of_unit(self, unit: Unit) -> float:
        """Seconds of a unit: as foreseen, put right by what units of its arm, or of its model, have taken.

        What another model took says how busy the machine is, and little more: it counts within bounds.
        """
        foreseen = self.foresight.seconds(unit)
        own = [one for one in self.known.values() if one.method == unit.method]
        if own:
            return foreseen * self._slower(own)
        same = [one for one in self.known.values() if one.models and _model(one) == _model(unit)]
        if same:
            return foreseen * self._slower(same)
        others = [one for one in self.known.values() if one.models] if unit.models else []
        return foreseen * (min(OTHERS[1], max(OTHERS[0], self._slower(others))) if others else 1.0)

    def _slower(self, units: Sequence[Unit]) -> float:
        """How many times what was foreseen these units have taken, the median: other work comes and goes."""
        times = [
            self.measured[one.address] / foreseen
            for one in units
            if (foreseen := self.foresight.seconds(one) * one.until) > 0  # a trial may stop on the way
        ]
        return statistics.median(times) if times else 1.0

    def learn(self, units: Sequence[Unit]) -> None:
        """Reads what finished units took, which corrects what is foreseen of the others."""
        for unit in units:
            cost = read_metrics(self.folder.path / "units" / unit.address)["cost"]
            if cost:
                self.known[unit.address] = unit
                self.measured[unit.address] = float(cost["fit_s"]) + float(cost["predict_s"])
        self.write()

    def write(self) -> None:
        """Keeps the decisions, the rounds of folds they are about, and the time spent."""
        self.kept_s = self.spent()
        stored = {
            "budget_s": self.seconds,
            "spent_s": round(self.kept_s, 1),
            "rounds": self.rounds,
            "decisions": self.decisions,
        }
        self.folder.write(FILE, stored)

    def heard(self, event: Event) -> None:
        """Keeps the time spent as the run goes on: a unit that is cut off has taken its time too."""
        if self.spent() - self.kept_s >= KEPT_EVERY_S:
            self.write()

    def _at_hand(self, unit: Unit) -> bool:
        """Whether a unit's output is there, or can be taken over from another run."""
        places = (
            self.folder.path / "units" / unit.address,
            *self.folder.path.parent.glob(f"*/units/{unit.address}"),
        )
        if unit.address not in self.there and any(is_finished(place) for place in places):
            self.there.add(unit.address)
        return unit.address in self.there


def _model(unit: Unit) -> str | None:
    """The weights that decide a unit's pace: a prompter and a decoder may be the same."""
    role = next(iter(METHODS.get(unit.method).models), None)
    return None if role is None else unit.models[role].digest


def asks_a_base_model(method: str) -> bool:
    """Whether an untuned arm reads every row with a base model: a prompt, or a probe of its states."""
    found = METHODS.get(method)
    return found.kind == "prompt" or "decoder" in found.models


def clock() -> float:
    """Seconds of a clock that never goes back."""
    return time.monotonic()


def budget_of(job: Job, foresight: Foresight, folder: RunFolder, cores: int, started: float) -> Budget:
    """The job's budget, with what an earlier start of this run has decided and spent."""
    stored = folder.read(FILE) if folder.exists(FILE) else {}
    assert job.budget is not None
    found = Budget(
        seconds=seconds_of(job.budget),
        foresight=foresight,
        folder=folder,
        cores=cores,
        workers=job.at_a_time,
        started=started,
        before_s=float(stored.get("spent_s", 0.0)),
        decisions=dict(stored.get("decisions", {})),
        rounds=[tuple(folds) for folds in stored.get("rounds", ())],
        threads=job.threads,
        forgetting=job.forgetting,
        kept_s=float(stored.get("spent_s", 0.0)),
    )
    folder.listen(found.heard)
    return found


def told_forecast(
    budget: Budget, total: float, gone: Sequence[Item], so_far: str, folds: int, needed: float = 0.0
) -> str:
    """What would have to go, in a sentence.

    Args:
        budget: of the run.
        total: seconds of all that is asked for.
        gone: what would go.
        so_far: what the forecast rests on.
        folds: of the run.
        needed: seconds of what is never left out.
    """
    head = f"Budget {brief(budget.seconds)}: what is asked for takes about {brief(total)} more ({so_far})"
    if needed > budget.left():
        head += f", {brief(needed)} of it, which is more than there is, for arms that are never left out"
    if not gone:
        return f"{head}; nothing has to be left out."
    names = "; ".join(
        f"{name} ({brief(sum(budget.of_item(item) for item in items))})"
        for name, items in grouped(gone, folds).items()
    )
    return f"{head}. To be left out, if it goes on like that: {names}."
