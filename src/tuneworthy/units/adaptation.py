"""A base model that reads unlabelled text: a unit of its own, from whose model an arm's fits start.

It depends on no fold and no seed of a fit, so that it is done once a run, and taken over by a later one.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tuneworthy.core.errors import RunFolderError
from tuneworthy.core.hashing import address
from tuneworthy.core.job import Job
from tuneworthy.core.unit import ModelRole, Unit
from tuneworthy.methods import METHODS, Adapting, Method
from tuneworthy.methods._adapting import ReadingParameters
from tuneworthy.runfolder.unit_output import read_metrics
from tuneworthy.units.implementation import implementation
from tuneworthy.units.plan import NOTHING, Plan, Stage, method_of, validated_parameters

STAGE = "adaptation"


def adapted(plan: Plan, job: Job, documents: str, cores: int) -> Plan:
    """The plan with the unit that adapts, and with the fits that start from its model.

    Args:
        plan: as it is without unlabelled text.
        job: what to do.
        documents: address of the unlabelled text.
        cores: threads of the unit, which runs alone, where the job names none.
    """
    stages: list[Stage] = []
    for stage in plan.stages:
        methods = {unit.method: method_of(unit.method, job) for unit in stage.units}
        first = next((unit for unit in stage.units if isinstance(methods[unit.method], Adapting)), None)
        if first is None:
            stages.append(stage)
            continue
        unit = _reading(first, job, documents, cores)
        fits = tuple(_started(fit, methods[fit.method], unit.address, job) for fit in stage.units)
        stages += [Stage(name=STAGE, units=(unit,)), Stage(name=stage.name, units=fits)]
    return Plan(stages=tuple(stages))


def _reading(fit: Unit, job: Job, documents: str, cores: int) -> Unit:
    """The unit that adapts: of the arm's parameters it has those that say how to read."""
    own = {name: fit.parameters[name] for name in ReadingParameters.model_fields}
    return fit.model_copy(
        update={
            "purpose": "adapt",
            "parameters": own,
            "fold": None,
            "seed": job.seed,
            "fit": documents,
            "validation": NOTHING,
            "predict": NOTHING,
            "threads": job.threads or cores,
        }
    )


def _started(fit: Unit, method: Method, start: str, job: Job) -> Unit:
    """A fit of an arm that adapts: the other method's, with its settings and its code."""
    if not isinstance(method, Adapting):
        return fit
    then = METHODS.get(method.then)
    given = {**job.methods.get(method.then, {}), **fit.parameters["settings"]}
    changed = job.model_copy(update={"methods": {**job.methods, method.then: given}})
    code = implementation(method.then, fit.task, fit.metric)
    return fit.model_copy(
        update={
            "start": start,
            "parameters": {"then": method.then, "settings": validated_parameters(then, changed)},
            "implementation": address([fit.implementation, code]),
        }
    )


def starting_models(unit: Unit, run: Path, models: dict[ModelRole, Path]) -> dict[ModelRole, Path]:
    """Folders of the models that a unit starts from: the base models, or what text has made of one.

    Raises:
        RunFolderError: the unit that read the text is not there; whether it kept its model is not known then.
    """
    if unit.start is None:
        return models
    folder = run / "units" / unit.start
    if not folder.exists():
        raise RunFolderError(
            f"{folder}, whose model '{unit.title}' starts from, is missing: run the same command again."
        )
    kept = (folder / "model" / "config.json").exists()
    return dict.fromkeys(unit.models, folder / "model") if kept else models


def told(start: str, run: Path) -> str:
    """What reading did to the base model, in a sentence."""
    return str(read_metrics(run / "units" / start)["facts"]["told"])


def with_adaptation(costs: Sequence[dict[str, Any]], start: str | None, run: Path) -> list[dict[str, Any]]:
    """The costs of an arm's fits, the first with what reading took before it."""
    if start is None:
        return [*costs]
    reading, (first, *rest) = read_metrics(run / "units" / start)["cost"], costs
    peak = max(first["peak_memory_gib"], reading["peak_memory_gib"])
    return [{**first, "fit_s": first["fit_s"] + reading["fit_s"], "peak_memory_gib": peak}, *rest]
