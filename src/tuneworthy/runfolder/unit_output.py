"""The output of one unit: a folder that is there whole, with checksums, or not there.

Outputs are content-addressed, so a unit that a sibling run of the workspace has finished is taken over.
"""

import contextlib
import json
import secrets
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tuneworthy.core.errors import RunFolderError
from tuneworthy.core.hashing import file_digest
from tuneworthy.core.prediction import Prediction
from tuneworthy.core.unit import Unit
from tuneworthy.runfolder.folder import to_json, write_text

CHECKSUMS = "checksums.json"


def is_finished(folder: Path) -> bool:
    """True when every file the unit wrote is there and has the bytes that were written."""
    try:
        sums = json.loads((folder / CHECKSUMS).read_text(encoding="utf-8"))
        return all(file_digest(folder / name) == digest for name, digest in sums.items())
    except (OSError, ValueError, AttributeError):
        return False


def reveal(partial: Path, target: Path) -> None:
    """Gives a whole output its name. A whole one that is there already stays: it has the same content.

    Two processes may have run the same unit, also on two machines that share the folder: one that was taken
    for lost, say, and the one that took its place. No whole output is ever removed or mixed with another.

    Raises:
        RunFolderError: the folder cannot be written.
    """
    for _ in range(3):
        try:
            partial.rename(target)
            return
        except OSError as error:
            reason = error
        if is_finished(target):
            shutil.rmtree(partial, ignore_errors=True)
            return
        damaged = target.with_name(f".{target.name}.{secrets.token_hex(4)}.partial")
        with contextlib.suppress(FileNotFoundError):
            target.rename(damaged)
            shutil.rmtree(damaged, ignore_errors=True)
    raise RunFolderError(f"{target} cannot be written ({reason.strerror}): free space or rights?") from reason


def adopt(unit: Unit, folder: Path, workspace: Path) -> bool:
    """Takes the unit's output over from a sibling run of the workspace, if one has it whole."""
    for sibling in sorted(workspace.glob(f"*/units/{unit.address}")):
        if sibling != folder and is_finished(sibling):
            partial = folder.with_name(f".{folder.name}.adopting")
            shutil.rmtree(partial, ignore_errors=True)
            shutil.copytree(sibling, partial)
            reveal(partial, folder)
            return True
    return False


def remove_leftovers(units: Path) -> None:
    """Removes what killed runs had begun to write; only while the run folder's lock is held."""
    for partial in (*units.glob(".*.partial"), *units.glob(".*.adopting")):
        shutil.rmtree(partial, ignore_errors=True)


class UnitWriter:
    """Collects a unit's files in a hidden folder and reveals them at once."""

    def __init__(self, folder: Path) -> None:
        self._target = folder
        self.folder = folder.with_name(f".{folder.name}.{secrets.token_hex(4)}.partial")
        self.folder.mkdir(parents=True)

    def finish(self, unit: Unit, predictions: Sequence[Prediction], metrics: dict[str, Any]) -> None:
        """Writes unit, predictions, metrics and checksums, then renames the folder into place."""
        write_text(self.folder / "unit.json", to_json(unit))
        lines = "".join(prediction.model_dump_json() + "\n" for prediction in predictions)
        write_text(self.folder / "predictions.jsonl", lines)
        write_text(self.folder / "metrics.json", to_json(metrics))
        files = sorted(path for path in self.folder.rglob("*") if path.is_file())
        sums = {path.relative_to(self.folder).as_posix(): file_digest(path) for path in files}
        write_text(self.folder / CHECKSUMS, to_json(sums))
        reveal(self.folder, self._target)

    def abandon(self) -> None:
        """Removes what was collected."""
        shutil.rmtree(self.folder, ignore_errors=True)


def read_metrics(folder: Path) -> dict[str, Any]:
    """The unit's `metrics.json`: measured cost, and the facts of its method."""
    metrics: dict[str, Any] = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    return metrics


def read_predictions(folder: Path) -> list[Prediction]:
    """The unit's predictions.

    Raises:
        RunFolderError: they are missing or damaged.
    """
    path = folder / "predictions.jsonl"
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
        return [Prediction.model_validate_json(line) for line in lines if line]
    except (OSError, ValueError) as error:
        raise RunFolderError(f"{path} is missing or damaged: run the job again to redo this unit.") from error
