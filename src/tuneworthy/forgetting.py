"""What the best fine-tune can no longer do: it and its base model are measured on what the package carries.

The recommended method is measured by its final fit, which is the model that is used; another one by its first
measured fit. The verdict's decision stands before this runs; it may gain a reason.
"""

from pathlib import Path

from tuneworthy.core.errors import ModelError
from tuneworthy.core.evidence import Evidence, Verdict
from tuneworthy.core.forgetting import Forgetting
from tuneworthy.core.job import Job
from tuneworthy.core.unit import ModelRef, ModelRole, Unit
from tuneworthy.evaluation.forgetting import capability_changes
from tuneworthy.runfolder.folder import RunFolder
from tuneworthy.runfolder.unit_output import read_metrics, read_predictions
from tuneworthy.units.executors.local import Executor
from tuneworthy.units.forgetting import capability_unit, tunes_decoder
from tuneworthy.units.plan import Plan
from tuneworthy.verdict.facts import best
from tuneworthy.verdict.forgetting import forgetting_sentence, with_forgetting

FILE = "forgetting.json"
STAGE = "forgetting"


def with_what_was_forgotten(
    verdict: Verdict,
    evidence: Evidence,
    plan: Plan,
    job: Job,
    refs: dict[ModelRole, ModelRef],
    folder: RunFolder,
    executor: Executor,
    models: dict[ModelRole, Path],
    threads: int,
    why_not: str | None = None,
) -> Verdict:
    """Measures, writes `forgetting.json`, and gives the verdict the reason where something became worse.

    Nothing is written where the job says so or no arm was fine-tuned; where there is a reason `why_not`, it
    is written and nothing is measured. The model that `predict` uses has to be there.
    """
    found = _measured(verdict, evidence, plan, job, refs, folder, executor, models, threads, why_not)
    if found is None:
        (folder.path / FILE).unlink(missing_ok=True)
        return verdict
    folder.write(FILE, found)
    folder.emit("note", text=forgetting_sentence(found))
    verdict = with_forgetting(verdict, found)
    folder.write("verdict.json", verdict)
    return verdict


def _measured(
    verdict: Verdict,
    evidence: Evidence,
    plan: Plan,
    job: Job,
    refs: dict[ModelRole, ModelRef],
    folder: RunFolder,
    executor: Executor,
    models: dict[ModelRole, Path],
    threads: int,
    why_not: str | None,
) -> Forgetting | None:
    fits: dict[str, Unit] = {}
    for unit in plan.stage("tuned").units:
        fits.setdefault(unit.method, unit)
    tuned = [arm for arm in evidence.arms if arm.method in fits]
    arm = best(evidence, (arm for arm in tuned if tunes_decoder(fits[arm.method]))) or best(evidence, tuned)
    if arm is None or not job.forgetting:
        return None
    known = {"method": arm.method, "base": job.base_model, "rate": job.verdict.alpha}
    fit = fits[arm.method]
    if not tunes_decoder(fit):
        return Forgetting(**known, reason="it writes no text, so it can do nothing but its task")
    if why_not is not None:
        return Forgetting(**known, reason=why_not)
    address, which = fit.address, _words_for(fit)
    used = str(folder.read("model.json")["unit"])
    if verdict.recommended_method == arm.method and used != fit.address:
        address, which = used, "its final fit on all rows"
    base = refs["decoder"]
    units = [
        capability_unit(base, threads, processes=fit.processes),
        capability_unit(base, threads, arm.method, address, fit.processes),
    ]
    folder.emit("stage_started", stage=STAGE, units=[unit.title for unit in units])
    try:
        for unit in units:  # one after the other: each has all cores
            executor.run([unit], folder, models)
    except ModelError as error:  # a chat template that refuses a bare question: what was decided stays
        return Forgetting(**known, fit=address, measured=which, reason=str(error).rstrip("."))
    outputs = [folder.path / "units" / unit.address for unit in units]
    before, after = (read_predictions(output) for output in outputs)
    seconds = [float(read_metrics(output)["cost"]["predict_s"]) for output in outputs]
    return Forgetting(
        **known,
        fit=address,
        measured=which,
        changes=capability_changes(
            before,
            after,
            method=arm.method,
            rate=job.verdict.alpha,
            confidence=job.confidence,
            resamples=job.resamples,
            seed=job.seed,
        ),
        seconds_before=seconds[0],
        seconds_after=seconds[1],
    )


def _words_for(fit: Unit) -> str:
    """Which fit of an arm its first one is."""
    return "its fit" if fit.fold is None else f"its fit of fold {fit.fold + 1}"
