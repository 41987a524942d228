"""The temperature of a run's final model, from what its arm answered on rows it never saw."""

from contextlib import suppress
from pathlib import Path

from tuneworthy.core.errors import RunFolderError
from tuneworthy.core.prediction import Prediction
from tuneworthy.core.unit import Unit
from tuneworthy.evaluation.calibration import Calibration, calibrate
from tuneworthy.runfolder import checksums
from tuneworthy.runfolder.folder import RunFolder
from tuneworthy.runfolder.unit_output import read_predictions, read_unit_file
from tuneworthy.units.execute import run_rows

FILE = "calibration.json"


def calibration_of(run: Path, final: Unit) -> Calibration:
    """The calibration that the run folder keeps, or a new one, which is kept there when it can be written.

    The refit was fitted on all rows, so nothing it answers is out of sample. The arm's evaluated units were
    not: under crossfit each row was predicted by a fold that had not seen it, under holdout the test rows by
    the one fit. Temperatures of the folds' fits are taken to be the refit's.

    Args:
        run: the run folder.
        final: its refit.

    Raises:
        RunFolderError: the run's own files are missing or damaged.
    """
    folder = RunFolder(run)
    damaged = FILE in checksums.damaged(run, (FILE,))  # it is worked out again
    known = folder.read(FILE) if folder.exists(FILE) and not damaged else {}
    if final.address in known:
        return Calibration.model_validate(known[final.address])
    predictions = unseen_predictions(folder, final)
    rows, _ = run_rows(str(run))
    crossfit = folder.read("split.json")["protocol"] == "crossfit"
    found = calibrate(
        predictions,
        [rows[p.example_id] for p in predictions],
        final.labels,
        "crossfit" if crossfit else "holdout",
    )
    with suppress(RunFolderError):  # a folder that is only read: the same numbers again next time
        folder.write(FILE, {**known, final.address: found})
    return found


def unseen_predictions(folder: RunFolder, final: Unit) -> list[Prediction]:
    """What the final model's arm answered when it was measured, of each fold's first fit."""
    first: dict[int | None, Unit] = {}
    for stage in folder.read("plan.json")["stages"]:
        for entry in stage["units"]:
            if entry["method"] != final.method:
                continue
            output = folder.path / "units" / entry["address"]
            if not output.exists():
                continue  # a unit that was planned and skipped
            unit = read_unit_file(output)
            if unit.purpose == "evaluate":
                first.setdefault(unit.fold, unit)
    return [p for unit in first.values() for p in read_predictions(folder.path / "units" / unit.address)]
