"""Runs one unit, here and now: rows in, predictions and measurements out."""

import contextlib
import json
import statistics
import sys
import time
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

from tuneworthy.core.errors import ModelError, RunFolderError
from tuneworthy.core.example import Example
from tuneworthy.core.prediction import Prediction
from tuneworthy.core.unit import ModelRole, Unit
from tuneworthy.methods import METHODS, Adapting, Fitted, Setting
from tuneworthy.metrics import METRICS
from tuneworthy.metrics._own import bring_own
from tuneworthy.runfolder.disk import as_unwritable, writing
from tuneworthy.runfolder.folder import RunFolder
from tuneworthy.runfolder.unit_output import UnitWriter
from tuneworthy.tasks import TASKS, as_answered
from tuneworthy.tasks._prompted import with_prompt
from tuneworthy.units.adaptation import starting_models, told
from tuneworthy.units.executors.processes import run_in_processes, threads_each
from tuneworthy.units.failures import failure, raise_for_memory
from tuneworthy.units.forgetting import measured
from tuneworthy.units.plan import NOTHING

Report = Callable[[int, int, dict[str, float]], None]
LATENCY_ROWS = 3
OWN_METRIC = "metric.py"  # the user's own metric, in the run folder
ASKED = ("requests", "prompt_tokens", "completion_tokens")  # what an endpoint counted, for its price


def setting_of(unit: Unit, models: dict[ModelRole, Path], checkpoint: Path | None, report: Report) -> Setting:
    """The `Setting` a unit's description stands for."""
    return Setting(
        task=with_prompt(TASKS.get(unit.task), unit.prompt, unit.labels),
        labels=unit.labels,
        instruction=unit.instruction,
        metric=METRICS.get(unit.metric),
        seed=unit.seed,
        dtype=unit.dtype,
        models={role: models[role] for role in unit.models},
        checkpoint=checkpoint,
        report=report,
        json_schema=unit.json_schema,
        constrain=unit.constrain,
        until=unit.until,
    )


def execute(
    unit: Unit,
    run: Path,
    models: dict[ModelRole, Path],
    report: Report,
    output: Path | None = None,
) -> None:
    """Fits, predicts and writes `units/<address>/`, whole or not at all.

    A unit of several processes is run by those, each of which comes here again.

    Args:
        unit: what to run.
        run: the run folder.
        models: folders of base models by role.
        report: told done, total and facts.
        output: in place of the unit's folder, for a process whose output nobody needs.

    Raises:
        TuneworthyError: the user's mistake, or no space.
    """
    import torch

    from tuneworthy.models.process_group import joined

    if unit.processes > 1 and joined() is None:
        _spread(unit, run, models, report)
        return
    torch.set_num_threads(threads_each(unit))
    reset_peak_memory()
    with writing(run), UnitWriter(output or run / "units" / unit.address) as writer:
        try:
            (_measure if unit.purpose == "forgetting" else _fit)(unit, run, models, report, writer)
        except Exception as error:
            facts = None if _is_full(run, error) else failure(unit, error)
            if facts is None:
                raise_for_memory(unit, error)
                raise
            writer.finish(unit, [], {"cost": {}, "facts": facts})


def _spread(unit: Unit, run: Path, models: dict[ModelRole, Path], report: Report) -> None:
    """Has the unit's processes run it; keeps why it failed where the one that writes could not."""
    try:
        run_in_processes(unit, run, models, report)
    except ModelError as error:
        if (facts := failure(unit, error)) is None:
            raise
        with writing(run), UnitWriter(run / "units" / unit.address) as writer:
            writer.finish(unit, [], {"cost": {}, "facts": facts})


def _is_full(run: Path, error: Exception) -> bool:
    """Whether it is the disk: no result of a fit, or it would not be made when there is space."""
    return isinstance(error, RunFolderError) or as_unwritable(run, error) is not None


def _fit(unit: Unit, run: Path, models: dict[ModelRole, Path], report: Report, writer: UnitWriter) -> None:
    """Fits and predicts; the rows to predict come without their targets."""
    from threadpoolctl import threadpool_limits

    from tuneworthy.models.embedder import remembered_embeddings
    from tuneworthy.models.process_group import leads

    rows, row_sets = run_rows(str(run))
    checkpoint = run / "checkpoints" / unit.model_copy(update={"until": 1.0}).address
    method = METHODS.get(unit.method)
    quiet = False

    def tell(done: int, total: int, facts: dict[str, float]) -> None:
        if not quiet:
            report(done, total, facts)

    described = unit
    if (run / OWN_METRIC).exists():
        task = TASKS.get(unit.task)
        if unit.purpose == "refit":  # nothing is scored in it, and code that came with a folder is not run
            described = unit.model_copy(update={"metric": task.metrics[0]})
        else:
            bring_own(f"{OWN_METRIC}:{unit.metric}", task.open, run, as_answered(task, unit.labels))
    setting = setting_of(described, starting_models(unit, run, models), checkpoint, tell)
    parameters = method.Parameters.model_validate(unit.parameters)
    fit_rows = [rows[row] for row in row_sets[unit.fit]]
    validation = [rows[row] for row in row_sets[unit.validation]]
    asked = [rows[row].without_target() for row in row_sets[unit.predict]]
    frozen = unit.purpose == "curve" and method.kind == "classifier"
    reused = remembered_embeddings(models.get("embedder") if frozen else None)
    with threadpool_limits(limits=threads_each(unit)), reused:
        started = time.perf_counter()
        if unit.purpose == "adapt":
            assert isinstance(method, Adapting)
            fitted = method.adapt(setting, parameters, fit_rows)
        else:
            fitted = method.fit(setting, parameters, fit_rows, validation)
        fit_s = time.perf_counter() - started + fitted.facts.get("seconds_before_resume", 0.0)
        started = time.perf_counter()
        predictions = fitted.predict(asked)
        predict_s = time.perf_counter() - started + fitted.facts.pop("seconds_answered_before", 0.0)
        quiet = True  # timing single rows is no progress
        timed = [] if unit.purpose == "curve" else asked
        latency_s = fitted.facts.get("seconds_per_request") or _latency(fitted, timed)
        if unit.purpose in ("refit", "adapt") or (method.kind == "tuned" and unit.purpose == "evaluate"):
            (writer.folder / "model").mkdir()
            fitted.save(writer.folder / "model")
    if unit.start is not None:
        fitted.facts["unlabelled_text"] = told(unit.start, run)
    cost = {
        "fit_s": round(fit_s, 4),
        "predict_s": round(predict_s, 4),
        "rows_predicted": len(predictions),
        "latency_s": latency_s,
        "peak_memory_gib": peak_memory_gib(),
        "threads": unit.threads,
        **{key: fitted.facts[key] for key in ASKED if key in fitted.facts},
    }
    writer.finish(unit, predictions, {"cost": cost, "facts": fitted.facts | _free_validity(predictions)})
    if unit.until == 1.0 and leads():
        _remove(checkpoint)


def _measure(
    unit: Unit, run: Path, models: dict[ModelRole, Path], report: Report, writer: UnitWriter
) -> None:
    """Runs a unit that measures what a model can do besides the task; no row of the run has a part in it."""
    from threadpoolctl import threadpool_limits

    with threadpool_limits(limits=threads_each(unit)):
        predictions, seconds = measured(unit, run, models, report)
    cost = {
        "predict_s": round(seconds, 4),
        "rows_predicted": len(predictions),
        "peak_memory_gib": peak_memory_gib(),
        "threads": unit.threads,
    }
    writer.finish(unit, predictions, {"cost": cost, "facts": {}})


@lru_cache(maxsize=2)
def run_rows(run: str) -> tuple[dict[str, Example], dict[str, tuple[str, ...]]]:
    """The run's rows by id and its row sets by address; raises RunFolderError where they are damaged."""
    folder = RunFolder(Path(run))
    rows: dict[str, Example] = {}
    for line in folder.text("rows.jsonl").split("\n"):
        if line:
            record: dict[str, Any] = json.loads(line)
            record.pop("part", None)
            rows[record["id"]] = Example.model_validate(record)
    split = folder.read("split.json")
    sets = {address: tuple(ids) for address, ids in split["row_sets"].items()}
    return rows, {**sets, NOTHING: ()}


def _free_validity(predictions: list[Prediction]) -> dict[str, float]:
    """The share of answers that followed their JSON Schema as first written, where they are held to one."""
    free = [p.valid_without_constraint for p in predictions if p.valid_without_constraint is not None]
    return {"valid_without_constraint": round(statistics.mean(free), 4)} if free else {}


def _latency(fitted: Fitted, asked: list[Example]) -> float:
    """Median seconds for one row on its own, over up to three rows; 0 when nothing is predicted."""
    times = []
    for row in asked[:LATENCY_ROWS]:
        started = time.perf_counter()
        fitted.predict([row])
        times.append(time.perf_counter() - started)
    return round(statistics.median(times), 5) if times else 0.0


def reset_peak_memory() -> None:
    """Starts the peak of this process anew, where the system allows it (Linux)."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def peak_memory_gib() -> float:
    """Peak resident memory in GiB since the last reset; of the whole process where there is no reset."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines():
            if line.startswith("VmHWM:"):
                return round(int(line.split()[1]) / 2**20, 3)
    try:
        import resource  # Unix alone has it
    except ModuleNotFoundError:
        return 0.0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak / (2**30 if sys.platform == "darwin" else 2**20), 3)


def _remove(folder: Path) -> None:
    import shutil

    shutil.rmtree(folder, ignore_errors=True)
