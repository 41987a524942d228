"""The plan: every unit a job needs, in stages, before anything runs.

Untuned arms come first: they are cheap, they may already meet the target score, and the disagreement between
them says how large a difference the rows can show.
"""

from collections.abc import Sequence
from statistics import median, median_low
from typing import Any

from tuneworthy.core.errors import JobError
from tuneworthy.core.frozen import Frozen
from tuneworthy.core.hashing import address
from tuneworthy.core.job import Job
from tuneworthy.core.registry import did_you_mean
from tuneworthy.core.unit import ModelRef, ModelRole, Unit
from tuneworthy.data.splits import Split
from tuneworthy.methods import METHODS, Adapting, Method, Unsteady
from tuneworthy.units.implementation import implementation

NOTHING = "nothing"  # address of the empty row set, which a refit validates on and predicts
SEEDS_APART = 1000  # between two fits of one arm and fold: more than there are folds
SEEDS_AFTER_SEARCH = 3
UNTUNED_SIDE_BY_SIDE = 4  # untuned arms of a holdout that share the cores


class Question(Frozen):
    """What every unit of a run is asked: the same task, labels, words, metric and form of the answers."""

    task: str
    labels: tuple[str, ...]
    instruction: str
    metric: str
    json_schema: dict[str, Any] | None = None
    constrain: bool = True
    prompt: str | None = None


class Stage(Frozen):
    """Units that may run side by side."""

    name: str
    units: tuple[Unit, ...]


class Plan(Frozen):
    """The stages in order."""

    stages: tuple[Stage, ...]

    @property
    def address(self) -> str:
        """Identifies the frozen plan to the lockbox."""
        return address([unit.address for stage in self.stages for unit in stage.units])

    @property
    def tuned_methods(self) -> tuple[str, ...]:
        """The fine-tuned arms, each once."""
        return tuple(dict.fromkeys(unit.method for unit in self.stage("tuned").units))

    def stage(self, name: str) -> Stage:
        """One stage by name; an empty one when the plan has none of that name."""
        found = [stage for stage in self.stages if stage.name == name]
        return found[0] if found else Stage(name=name, units=())


def validated_parameters(method: Method, job: Job) -> dict[str, Any]:
    """The method's section of the job with defaults written out.

    Raises:
        JobError: an unknown or impossible parameter, with the nearest name.
    """
    from pydantic import ValidationError

    given = job.methods.get(method.name, {})
    try:
        return method.Parameters.model_validate(given).model_dump(mode="json")
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        if first["type"] == "extra_forbidden":
            known = sorted(method.Parameters.model_fields)
            raise JobError(f"{method.name} has no parameter '{key}': {did_you_mean(key, known)}") from error
        message = first["msg"][0].lower() + first["msg"][1:]
        raise JobError(f"{method.name}.{key} = {repr(first['input'])[:60]}: {message}.") from error


def method_of(arm: str, job: Job) -> Method:
    """The method of an arm, and where it hands over to another, the one that the job names."""
    method = METHODS.get(arm)
    if not isinstance(method, Adapting):
        return method
    return method.bound(method.Parameters.model_validate(validated_parameters(method, job)))


def needed_roles(job: Job) -> list[ModelRole]:
    """The base models the arms need, each once."""
    return list(dict.fromkeys(role for arm in job.arms for role in method_of(arm, job).models))


def make_plan(
    job: Job, split: Split, question: Question, refs: dict[ModelRole, ModelRef], dtype: str, cores: int
) -> Plan:
    """Units for every arm and fold; raises JobError for an impossible parameter or an unknown arm."""
    stages = []
    for name, tuned in (("untuned", False), ("tuned", True)):
        arms = [arm for arm in job.arms if (METHODS.get(arm).kind == "tuned") == tuned]
        arms.reverse()  # each rung of the ladder costs more than the last: long units first, no idle core
        threads = job.threads or _threads(cores, split, tuned)
        units = tuple(
            _unit(job, question, refs, dtype, threads, method_of(arm, job), fold, split, repeat)
            for arm in arms
            for fold in range(len(split.folds))
            for repeat in range(seeds_of(job, method_of(arm, job), split.protocol))
        )
        if units:
            stages.append(Stage(name=name, units=units))
    return Plan(stages=tuple(stages))


def seeds_of(job: Job, method: Method, protocol: str) -> int:
    """Fits of an arm in each fold, whose mean is reported.

    Settings that were searched are not judged by one lucky seed, nor is a method whose seeds differ much. A
    crossfit fits each fold on a seed of its own, so there one fit a fold is several already.
    """
    if method.kind != "tuned":
        return 1
    usual = method.usual_seeds if isinstance(method, Unsteady) and protocol == "holdout" else 1
    return job.seeds or max(usual, SEEDS_AFTER_SEARCH if job.search.trials else 1)


def _threads(cores: int, split: Split, tuned: bool) -> int:
    """Threads per unit: what is left of the cores when the units of a stage run side by side.

    It depends on the machine and the protocol, never on how many arms the job names, so that adding an arm
    leaves the other units' addresses, and their finished output, as they are.
    """
    side_by_side = len(split.folds) if split.protocol == "crossfit" else 1 if tuned else UNTUNED_SIDE_BY_SIDE
    return max(1, cores // side_by_side)


def _unit(
    job: Job,
    question: Question,
    refs: dict[ModelRole, ModelRef],
    dtype: str,
    threads: int,
    method: Method,
    fold: int,
    split: Split,
    repeat: int,
) -> Unit:
    rows = split.folds[fold]
    return Unit(
        method=method.name,
        parameters=validated_parameters(method, job),
        **question.model_dump(),
        fold=fold if split.protocol == "crossfit" else None,
        seed=job.seed + fold + SEEDS_APART * repeat,
        fit=rows.fit,
        validation=rows.validation,
        predict=rows.predict,
        models={role: refs[role] for role in method.models},
        dtype=dtype if method.kind == "tuned" else "float32",
        threads=threads,
        implementation=implementation(method.name, question.task, question.metric),
    )


def announced(plan: Plan, split: Split) -> list[dict[str, Any]]:
    """The plan with its arithmetic, as a run keeps it: every stage's units, and how many rows each has."""

    def count(rows: str) -> int:
        return 0 if rows == NOTHING else len(split.rows(rows))

    return [
        {
            "name": stage.name,
            "units": [
                {
                    "address": unit.address,
                    "title": unit.title,
                    "method": unit.method,
                    "fold": unit.fold,
                    "threads": unit.threads,
                    "fit_rows": count(unit.fit),
                    "predict_rows": count(unit.predict),
                }
                for unit in stage.units
            ],
        }
        for stage in plan.stages
    ]


def refit_unit(units: Sequence[Unit], facts: Sequence[dict[str, Any]], split: Split, threads: int) -> Unit:
    """The final fit of one method on all rows, with the settings its folds chose and nothing searched again.

    Args:
        units: the method's evaluated units, one per fold.
        facts: their facts, in the same order.
        split: of the run.
        threads: of the refit, which runs alone.
    """
    method = METHODS.get(units[0].method)
    units, facts = _alike(units, facts)
    parameters = method.Parameters.model_validate(units[0].parameters)
    rows = [len(split.rows(unit.fit)) for unit in units]
    frozen = method.freeze(parameters, facts, rows, len(split.rows(split.everything)))
    return units[0].model_copy(
        update={
            "purpose": "refit",
            "parameters": frozen.model_dump(mode="json"),
            "fold": None,
            "seed": round(median(unit.seed for unit in units)) if len(units) > 1 else units[0].seed,
            "fit": split.everything,
            "validation": NOTHING,
            "predict": NOTHING,
            "threads": threads,
        }
    )


def _alike(
    units: Sequence[Unit], facts: Sequence[dict[str, Any]]
) -> tuple[Sequence[Unit], Sequence[dict[str, Any]]]:
    """The units that ran with the settings of the refit, with their facts; all where nothing was searched.

    After a search each fold has its own. Settings are never mixed, since a rate that suits one rank need not
    suit another: taken is the setting whose learning rate is the (lower) median, or that of most units.
    """
    settings = [address([unit.parameters, unit.instruction]) for unit in units]
    chosen = max(settings, key=settings.count)
    if len(set(settings)) > 1 and all("learning_rate" in fact for fact in facts):
        rates = [fact["learning_rate"] for fact in facts]
        chosen = settings[rates.index(median_low(rates))]
    places = [place for place, one in enumerate(settings) if one == chosen]
    return [units[place] for place in places], [facts[place] for place in places]
