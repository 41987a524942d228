"""The final fit of an arm: what a finished run has kept, or a new one of an arm it did not recommend."""

from collections.abc import Callable
from pathlib import Path

from tuneworthy.arms import model_names
from tuneworthy.core.errors import ModelError, NotFoundError
from tuneworthy.core.job import Job
from tuneworthy.core.registry import did_you_mean
from tuneworthy.core.unit import Unit
from tuneworthy.data.jobfile import load_job
from tuneworthy.data.splits import Split
from tuneworthy.methods import METHODS, Report
from tuneworthy.runfolder.folder import Listener, RunFolder
from tuneworthy.runfolder.unit_output import is_finished, read_unit_file
from tuneworthy.units.collect import unit_metrics
from tuneworthy.units.executors.local import LocalExecutor
from tuneworthy.units.failures import failed_arms
from tuneworthy.units.plan import refit_unit
from tuneworthy.units.refit import Refit, base_models, fits_of, read_unit, recommended

Say = Callable[[str], None]


def final_fit(
    run: Path,
    arm: str | None = None,
    say: Say = lambda text: None,
    listener: Listener | None = None,
    report: Report = lambda done, total, facts: None,
) -> Refit:
    """The fit of an arm on all rows, made now where the run has none of it.

    Args:
        run: a finished run.
        arm: one of the run's arms; the recommended one where it is None.
        say: told in a sentence that something is fitted.
        listener: told the events of that fit.
        report: told done and total while the fit predicts.

    Raises:
        RunFolderError: the run is not finished, or damaged.
        NotFoundError: the run has measured no such arm.
        ModelError: a base model is not the one the run used.
    """
    unit, folders = recommended(run)
    if arm is None or arm == unit.method:
        return Refit(run, unit, base_models(unit, folders), report)
    fits = _fits(run, arm)
    folders = {**_named_folders(run, fits[0]), **folders}
    models = base_models(fits[0], folders)
    wanted = _refit_of(run, fits)
    if not is_finished(run / "units" / wanted.address):
        say(
            f"The run recommends {unit.method} and has no {arm} on all rows: fitting it now, with the "
            "settings its folds chose."
        )
        with RunFolder(run) as folder:
            if listener is not None:
                folder.listen(listener)
            LocalExecutor(wanted.threads).run([wanted], folder, models)
    return Refit(run, read_unit(run, wanted.address), models, report)


def likeness(run: Path, arm: str | None = None) -> Refit:
    """A fit of the arm that is there already: enough to tell in which forms it could leave.

    Raises:
        RunFolderError, NotFoundError, ModelError: as `final_fit`.
    """
    unit, folders = recommended(run)
    if arm is None or arm == unit.method:
        return Refit(run, unit, base_models(unit, folders))
    fit = _fits(run, arm)[0]
    return Refit(run, fit, base_models(fit, {**_named_folders(run, fit), **folders}))


def fit_at(run: Path, address: str) -> Refit | None:
    """The run's fit of this address; None where it has none."""
    if not is_finished(run / "units" / address):
        return None
    unit = read_unit(run, address)
    final, folders = recommended(run)
    if final.address != address:
        folders = {**_named_folders(run, unit), **folders}
    return Refit(run, unit, base_models(unit, folders))


def _job(run: Path) -> Job:
    RunFolder(run).text("job.yaml")  # raises where it is damaged
    return load_job(run / "job.yaml", (), METHODS.names())


def _fits(run: Path, arm: str) -> list[Unit]:
    """The arm's evaluated fits, in the order of the plan."""
    stages = RunFolder(run).read("plan.json")["stages"]
    planned = [unit for stage in stages for unit in stage["units"]]
    folders = [run / "units" / unit["address"] for unit in planned if unit["method"] == arm]
    measured = [read_unit_file(folder) for folder in folders if folder.exists()]
    units = fits_of(measured, arm)
    if failed := failed_arms(units, run):
        raise ModelError(f"{run} has no fit of {arm}: {failed[arm]}")
    if not units:
        known = sorted({unit["method"] for unit in planned})
        if arm in known:
            raise NotFoundError(
                f"{run} has skipped {arm}: run it again with --train-anyway, then it can be exported."
            )
        raise NotFoundError(f"{run} has measured no arm '{arm}': {did_you_mean(arm, known)}")
    return units


def _refit_of(run: Path, fits: list[Unit]) -> Unit:
    """What the run would have fitted had it recommended this arm."""
    stored = RunFolder(run).read("split.json")
    split = Split.model_validate({name: stored[name] for name in Split.model_fields})
    facts = [unit_metrics(unit, run)["facts"] for unit in fits]
    from tuneworthy.models.hardware import cores

    return refit_unit(fits, facts, split, _job(run).threads or cores())


def _named_folders(run: Path, unit: Unit) -> dict[str, str]:
    """The base models' folders as the job names them; fetched when absent."""
    from tuneworthy.models.resolve import resolve

    names = model_names(_job(run))
    return {role: str(resolve(names[role])) for role in unit.models}
