"""Better settings for an arm, found on validation rows alone: TPE proposes, successive halving drops.

A trial is a unit that fits the fold's training rows and stops after a quarter, a half or all of its steps; a
trial that goes on continues from its checkpoint. The settings the arm would have had anyway are the first
trial, are never dropped, and stay unless another is better beyond what so few validation rows leave to luck.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from tuneworthy.core.errors import JobError
from tuneworthy.core.example import Example
from tuneworthy.core.job import Job, SearchSpec
from tuneworthy.core.study import Study, Trial
from tuneworthy.core.unit import ModelRole, Unit
from tuneworthy.data.splits import Split
from tuneworthy.methods import METHODS, Adapting, Method, Range, Searchable, Space
from tuneworthy.methods._tuning import validated
from tuneworthy.metrics import METRICS, ByLabel
from tuneworthy.runfolder.folder import RunFolder
from tuneworthy.runfolder.unit_output import read_predictions
from tuneworthy.search.sampling import Sampler, importances
from tuneworthy.units.collect import unit_metrics
from tuneworthy.units.execute import setting_of
from tuneworthy.units.executors.local import Executor
from tuneworthy.units.plan import NOTHING, Plan, Stage, method_of

RUNGS = (0.25, 0.5, 1.0)  # shares of a fit's steps
KEPT = (1.0, 0.5, 0.25)  # shares of the trials that reach each rung; together 4 fits for 8 trials
AT_FIRST = 0.5  # share of the trials proposed before any has a score
FOLDER, JOURNAL = "search", "optuna.journal"
Models = dict[ModelRole, Path]
Values = dict[tuple[str, int | None], dict[str, Any]]  # by arm and fold


def searched(
    plan: Plan,
    stage: str,
    job: Job,
    split: Split,
    rows: Sequence[Example],
    folder: RunFolder,
    executor: Executor,
    models: Models,
    found: Values | None = None,
) -> Plan:
    """The plan with the settings that the search found for a stage's units; studies go to `search/`.

    Every fold has a search of its own, on its own training and validation rows: no row helps to choose the
    settings of the model that predicts it. Units that differ in their seed alone share one, so what is
    `found` already is not searched again, and what is found here is added.
    """
    by_id = {row.id: row for row in rows}
    found = {} if found is None else found
    units = plan.stage(stage).units
    if starved := [
        unit
        for unit in units
        if (unit.method, unit.fold) not in found
        and is_asked(job, unit.method)
        and len(split.rows(unit.fit)) < job.search.fewest_rows
    ]:
        arms = ", ".join(dict.fromkeys(unit.method for unit in starved))
        folder.emit(
            "note",
            text=f"No search for {arms}: a fit has fewer training rows than "
            f"search.fewest_rows = {job.search.fewest_rows}, so that validation would be luck.",
        )
    for unit in units:
        place = (unit.method, unit.fold)
        if place in found:
            continue
        search = search_of(unit, job, split, by_id, models)
        if search is None:
            found[place] = {}
            continue
        folder.emit("stage_started", stage=f"search for {unit.title}", units=[])
        study = search.run(folder, executor, models)
        fold = "" if unit.fold is None else f"-{unit.fold}"
        folder.write(f"{FOLDER}/{unit.method}{fold}.json", study)
        folder.emit("note", text=f"Search for {unit.title}: {study.because}.")
        found[place] = study.trials[study.chosen].values
    units = tuple(with_values(unit, found[unit.method, unit.fold]) for unit in plan.stage(stage).units)
    changed = {stage: Stage(name=stage, units=units)}
    return Plan(stages=tuple(changed.get(one.name, one) for one in plan.stages))


def check_search(job: Job) -> None:
    """Raises JobError for an arm that has nothing to search or is not compared, or too small a budget."""
    least = RUNGS[0] * job.search.trials + 1 - RUNGS[0]
    if job.search.budget < least:
        raise JobError(
            f"search.budget = {job.search.budget:g} fits are too few for {job.search.trials} trials: "
            f"give it {least:g}, or try fewer."
        )
    for arm in job.search.arms:
        if arm not in job.arms:
            raise JobError(f"search.arms names {arm}, which is not compared: {', '.join(job.arms)}.")
        if not isinstance(_searched(job, arm), Searchable) and not job.search.instructions:
            raise JobError(f"search.arms names {arm}, which has no settings worth a search.")


def foreseen_fits(job: Job, arm: str, rows: int) -> float:
    """Steps that a search for a fine-tuned arm's settings takes at most, in fits of its default; 0 for none.

    Args:
        job: what to do.
        arm: the method.
        rows: that one fit learns from.
    """
    spec = job.search
    if _searched(job, arm).kind != "tuned" or not is_asked(job, arm) or rows < spec.fewest_rows:
        return 0.0
    going_on = [spec.trials, *(max(2, round(kept * spec.trials)) for kept in KEPT[1:])]
    shares = [after - before for before, after in pairwise((0.0, *RUNGS))]
    return min(spec.budget, sum(count * share for count, share in zip(going_on, shares, strict=True)))


def foreseen_trials(
    unit: Unit, job: Job, split: Split, rows: Sequence[Example], models: Models
) -> tuple[Unit, int]:
    """One trial of the search for a prompting arm's settings, and how many there are at most; 0 for none."""
    search = search_of(unit, job, split, {row.id: row for row in rows}, models)
    if search is None or search.trains:
        return unit, 0
    sizes = [math.inf if isinstance(within, Range) else len(within) for within in search.space.values()]
    search.trials[0] = Trial(number=0, values=search.values)
    return search.trial_unit(0, 1.0), int(min(search.spec.trials, math.prod(sizes)))


def is_asked(job: Job, arm: str) -> bool:
    """Whether the job asks for a search of an arm that has something to search."""
    spec, method = job.search, _searched(job, arm)
    worded = method.kind == "prompt" and bool(spec.instructions)
    named = not spec.arms or arm in spec.arms
    return spec.trials > 1 and named and (isinstance(method, Searchable) or worded)


def _searched(job: Job, arm: str) -> Method:
    """The method whose settings an arm's search tries: where one hands over to another, the other."""
    method = method_of(arm, job)
    return METHODS.get(method.then) if isinstance(method, Adapting) else method


def _settings(unit: Unit) -> dict[str, Any]:
    """The parameters of that method."""
    settings: dict[str, Any] = unit.parameters if unit.start is None else unit.parameters["settings"]
    return settings


def with_values(unit: Unit, values: dict[str, Any]) -> Unit:
    """The unit with other settings; `instruction` is not a parameter but what is asked."""
    settings = {**_settings(unit), **{name: values[name] for name in values if name != "instruction"}}
    parameters = settings if unit.start is None else {**unit.parameters, "settings": settings}
    update: dict[str, Any] = {"parameters": parameters}
    if "instruction" in values:
        update["instruction"] = values["instruction"]
    return unit.model_copy(update=update)


def search_of(
    unit: Unit, job: Job, split: Split, rows: dict[str, Example], models: Models
) -> "Search | None":
    """The search for a unit's settings; None where none is asked for, or worth it."""
    spec, method = job.search, _searched(job, unit.method)
    count = len(split.rows(unit.fit))
    if not is_asked(job, unit.method) or count < spec.fewest_rows or not split.rows(unit.validation):
        return None
    values: dict[str, Any] = {}
    space: Space = {}
    if isinstance(method, Searchable):
        setting = setting_of(unit, models, None, lambda done, total, facts: None)
        parameters = method.Parameters.model_validate(_settings(unit))
        values, space = method.space(setting, parameters, count)
    if method.kind == "prompt" and spec.instructions:
        values["instruction"] = unit.instruction
        space["instruction"] = tuple(dict.fromkeys((unit.instruction, *spec.instructions)))
    # What the user has set is not searched.
    said = {*job.methods.get(method.name, {}), *job.methods.get(unit.method, {}).get("settings", ())}
    if _settings(unit).get("steps") is not None:
        said.add("epochs")  # which decide nothing then
    space = {
        name: within
        for name, within in space.items()
        if name not in said and (isinstance(within, Range) or len(within) > 1)
    }
    if not space:
        return None
    values = {name: values[name] for name in space}
    judged = [rows[row] for row in split.rows(unit.validation)]
    return Search(unit, method, spec, space, values, judged)


@dataclass
class Search:
    """The search for one unit's settings."""

    unit: Unit
    method: Method
    spec: SearchSpec
    space: Space
    values: dict[str, Any]
    judged: Sequence[Example]
    trials: dict[int, Trial] = field(default_factory=dict)
    steps: dict[int, int] = field(default_factory=dict)  # of a whole fit, by trial

    @property
    def trains(self) -> bool:
        """Whether there are steps to stop after."""
        return self.method.kind == "tuned"

    def run(self, folder: RunFolder, executor: Executor, models: Models) -> Study:
        """Proposes, measures, halves; the study."""
        (folder.path / FOLDER).mkdir(exist_ok=True)
        name = self.unit.address
        sampler = Sampler(folder.path / FOLDER / JOURNAL, name, self.space, self.values, self.unit.seed)
        first = max(2, round(AT_FIRST * self.spec.trials))
        share = RUNGS[0] if self.trains else 1.0
        for count in (first, self.spec.trials - first):
            asked = [sampler.ask() for _ in range(count)]
            for number, values in asked:
                self.trials[number] = Trial(number=number, values=values)
            self.measure(
                self.affordable([number for number, _ in asked], share), share, folder, executor, models
            )
            for number, _ in asked:
                sampler.tell(number, self.trials[number].score)
        if self.trains:
            for share, kept in zip(RUNGS[1:], KEPT[1:], strict=True):
                going_on = self.survivors(max(2, round(kept * self.spec.trials)), share)
                self.measure(going_on, share, folder, executor, models)
        chosen, because = self.choose()
        return Study(
            method=self.unit.method,
            fold=self.unit.fold,
            parameters=tuple(self.space),
            metric=self.unit.metric,
            validation_rows=len(self.judged),
            trials=tuple(self.trials[number] for number in sorted(self.trials)),
            chosen=chosen,
            because=because,
            fits=self.fits() if self.trains else None,
            importance=importances(sampler.study),
        )

    def affordable(self, numbers: Sequence[int], share: float) -> list[int]:
        """Those of the proposed trials that the budget takes up to `share` of their steps; others fail.

        What the first trial needs to come to its end is set aside.
        """
        if not self.trains:
            return list(numbers)
        first, going_on = self.trials[0], list[int]()
        spent = self.fits() + (1 - first.share if first.failed is None else 0)
        for number in numbers:
            more = share * self.expected(number) if number else 0
            if spent + more <= self.spec.budget + 1e-9:
                going_on.append(number)
                spent += more
            else:
                told = {"failed": f"its steps are more than search.budget = {self.spec.budget:g} leaves"}
                self.trials[number] = self.trials[number].model_copy(update=told)
        return going_on

    def expected(self, number: int) -> float:
        """Fits of the default that a trial takes to its end, at most: its epochs decide."""
        epochs = self.trials[number].values.get("epochs")
        for other, steps in self.steps.items():
            if self.trials[other].values.get("epochs") == epochs:
                return steps / self.default_steps
        ratio = 1.0 if epochs is None else epochs / self.values["epochs"]
        return math.ceil(ratio * self.default_steps) / self.default_steps if self.steps else ratio

    def survivors(self, count: int, share: float) -> list[int]:
        """The first trial and the best others, as many as the budget takes up to `share` of their steps.

        What one of them then needs to come to its end is set aside: without, trials of many steps used the
        budget up on the way, and the best of them was never trained to the end, so that it could not win.
        """
        scored = [trial for trial in self.trials.values() if trial.score is not None and trial.number]
        ranked = sorted(scored, key=lambda trial: (trial.share, trial.rank), reverse=True)
        first = self.trials[0]
        going_on = [0] if first.score is not None else []
        spent = self.fits() + (1 - first.share if going_on else 0)  # the first is paid to its end
        rest = 0.0
        for trial in ranked:
            whole = self.steps[trial.number] / self.default_steps
            more, end = (share - trial.share) * whole, (1 - share) * whole
            if len(going_on) < count and spent + more + max(rest, end) <= self.spec.budget + 1e-9:
                going_on.append(trial.number)
                spent += more
                rest = max(rest, end)
        return going_on

    def fits(self) -> float:
        """Steps taken so far over those of one default fit."""
        taken = sum(trial.share * self.steps.get(number, 0) for number, trial in self.trials.items())
        return round(taken / self.default_steps, 3)

    @property
    def default_steps(self) -> int:
        """Steps of a fit with the default settings; of any other trial where that one failed."""
        return self.steps.get(0) or next(iter(self.steps.values()), 1)

    def measure(
        self, numbers: Sequence[int], share: float, folder: RunFolder, executor: Executor, models: Models
    ) -> None:
        """Runs the trials up to a share of their steps and reads how they did."""
        units = {number: self.trial_unit(number, share) for number in numbers}
        executor.run(tuple(units.values()), folder, models)
        for number, unit in units.items():
            facts = unit_metrics(unit, folder.path)["facts"]
            update: dict[str, Any] = {"share": share}
            if "failed" in facts:
                update["failed"] = facts["failed"]
                update["score"] = None
            elif self.trains:
                self.steps[number] = int(facts["planned_steps"])
                point = next(p for p in facts["validation"] if p["step"] == facts["kept_step"])
                update |= {key: point[key] for key in ("score", "log_loss", "error")}
            else:
                given = {p.example_id: p for p in read_predictions(folder.path / "units" / unit.address)}
                answers = [given[row.id] for row in self.judged]
                targets = [str(row.target) for row in self.judged]
                found = validated(METRICS.get(unit.metric), answers, targets, unit.labels, 0.0)
                update |= {"score": found.score, "error": found.error}
            self.trials[number] = self.trials[number].model_copy(update=update)

    def trial_unit(self, number: int, share: float) -> Unit:
        """What runs: a fine-tune says itself how it does on validation rows, a prompt predicts them."""
        predicted = NOTHING if self.trains else self.unit.validation
        validation = self.unit.validation if self.trains else NOTHING
        update = {"purpose": "trial", "predict": predicted, "validation": validation, "until": share}
        return with_values(self.unit, self.trials[number].values).model_copy(update=update)

    def choose(self) -> tuple[int, str]:
        """The settings to go on with: the default's, unless another trial is better by far or in two ways.

        Better by more than one standard error of the score, or no worse by score and better by log-loss. Of a
        mean over labels log-loss is no witness: it falls when a rare label is given up.
        """
        by_rows = not isinstance(METRICS.get(self.unit.metric), ByLabel)
        whole = [trial for trial in self.trials.values() if trial.share == 1.0 and trial.score is not None]
        first = self.trials[0]
        if not whole:
            return 0, "no trial came to an end: the default settings stay"
        best = max(whole, key=lambda trial: trial.rank)
        if first.score is None:
            return best.number, f"the default settings failed ({first.failed})"
        gain = (best.score or 0.0) - first.score
        if best.number and gain > first.error:
            return best.number, (
                f"better than the default settings by {gain:.3f}, more than one standard error "
                f"({first.error:.3f})"
            )
        losses = best.log_loss, first.log_loss
        if (
            by_rows
            and best.number
            and losses[0] is not None
            and losses[1] is not None
            and losses[0] < losses[1]
        ):
            return best.number, (
                f"no worse than the default settings ({gain:+.3f}), and with a lower log-loss "
                f"({losses[0]:.3f}, not {losses[1]:.3f})"
            )
        return 0, "no other settings were better beyond what so few validation rows leave to luck"
