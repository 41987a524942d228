"""The output of one unit: a folder that is there whole, with checksums, or not there.

Outputs are content-addressed, so a unit that a sibling run of the workspace has finished is taken over.
"""

import contextlib
import json
import secrets
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from tuneworthy.core.errors import RunFolderError
from tuneworthy.core.hashing import address, file_digest
from tuneworthy.core.prediction import Prediction
from tuneworthy.core.unit import Unit
from tuneworthy.runfolder.disk import unwritable
from tuneworthy.runfolder.folder import to_json, write_text

CHECKSUMS = "checksums.json"
MEMORY = "memory"  # a fact of a unit for which there was too little


def is_finished(folder: Path) -> bool:
    """True when every file the unit wrote is there and has the bytes that were written."""
    return damaged_file(folder) is None


class DamagedFileError(ValueError):
    """A file of an output is gone, or not what was written.

    Attributes:
        name: which; the sums' own file where those cannot be trusted.
    """

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} is not what was written")
        self.name = name


def damaged_file(folder: Path) -> str | None:
    """The first file of an output that is gone or not what was written; None of a whole one."""
    try:
        for name, digest in _sums(folder).items():
            _check(folder, name, digest)
    except DamagedFileError as error:
        return error.name
    return None


def checked_text(folder: Path, name: str) -> str:
    """A file of an output; raises DamagedFileError when it is not what was written.

    An output without sums, from elsewhere, is read as it is; a run does such a unit again.
    """
    if (folder / CHECKSUMS).exists():
        _check(folder, name, _sums(folder)[name])
    return (folder / name).read_text(encoding="utf-8")


def _check(folder: Path, name: str, digest: str) -> None:
    try:
        same = file_digest(folder / name) == digest
    except OSError:
        same = False
    if not same:
        raise DamagedFileError(name)


def _sums(folder: Path) -> dict[str, str]:
    """The sums of an output's files; raises DamagedFileError when they are gone or not what was written.

    Their own is the address of the others; outputs of earlier versions have none.
    """
    try:
        sums: dict[str, str] = json.loads((folder / CHECKSUMS).read_text(encoding="utf-8"))
        own = sums.pop(CHECKSUMS, None)
        if {"unit.json", "predictions.jsonl", "metrics.json"} <= sums.keys() and own in (None, address(sums)):
            return sums
    except (OSError, ValueError, AttributeError):
        pass
    raise DamagedFileError(CHECKSUMS)


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
    raise unwritable(target, reason) from reason


def ran_out_of_memory(folder: Path) -> bool:
    """Whether a finished output says that memory ran out, which it need not do again."""
    return bool(read_metrics(folder).get("facts", {}).get(MEMORY))


def adopt(unit: Unit, folder: Path, workspace: Path) -> bool:
    """Takes the unit's output over from a sibling run of the workspace, if one has it whole."""
    for sibling in sorted(workspace.glob(f"*/units/{unit.address}")):
        if sibling != folder and is_finished(sibling) and not ran_out_of_memory(sibling):
            partial = folder.with_name(f".{folder.name}.adopting")
            shutil.rmtree(partial, ignore_errors=True)
            try:
                shutil.copytree(sibling, partial)
            except OSError:  # no space, or the sibling was deleted meanwhile: the unit's own run will tell
                shutil.rmtree(partial, ignore_errors=True)
                return False
            reveal(partial, folder)
            return True
    return False


def remove_leftovers(units: Path) -> None:
    """Removes what killed runs had begun to write; only while the run folder's lock is held."""
    for partial in (*units.glob(".*.partial"), *units.glob(".*.adopting")):
        shutil.rmtree(partial, ignore_errors=True)


def remove_leftovers_of(units: Path, addresses: Iterable[str]) -> None:
    """Those of some units; others may be written by somebody else right now."""
    for one in addresses:
        for partial in units.glob(f".{one}.*.partial"):
            shutil.rmtree(partial, ignore_errors=True)


class UnitWriter:
    """Collects a unit's files in a hidden folder and reveals them at once.

    A context manager: what it has collected is removed where the block ends in an error.
    """

    def __init__(self, folder: Path) -> None:
        self._target = folder
        self.folder = folder.with_name(f".{folder.name}.{secrets.token_hex(4)}.partial")
        self.folder.mkdir(parents=True)

    def __enter__(self) -> "UnitWriter":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self.abandon()

    def finish(self, unit: Unit, predictions: Sequence[Prediction], metrics: dict[str, Any]) -> None:
        """Writes unit, predictions, metrics and checksums, then renames the folder into place."""
        write_text(self.folder / "unit.json", to_json(unit))
        lines = "".join(prediction.model_dump_json() + "\n" for prediction in predictions)
        write_text(self.folder / "predictions.jsonl", lines)
        write_text(self.folder / "metrics.json", to_json(metrics))
        files = sorted(path for path in self.folder.rglob("*") if path.is_file())
        sums = {path.relative_to(self.folder).as_posix(): file_digest(path) for path in files}
        write_text(self.folder / CHECKSUMS, to_json({**sums, CHECKSUMS: address(sums)}))
        reveal(self.folder, self._target)

    def abandon(self) -> None:
        """Removes what was collected."""
        shutil.rmtree(self.folder, ignore_errors=True)


def read_unit_file(folder: Path) -> Unit:
    """What the unit was; raises RunFolderError."""
    try:
        return Unit.model_validate_json(checked_text(folder, "unit.json"))
    except (OSError, ValueError) as error:
        raise _redo(folder, "unit.json", error) from error


def read_metrics(folder: Path) -> dict[str, Any]:
    """The unit's `metrics.json`: measured cost, and the facts of its method; raises RunFolderError."""
    try:
        metrics: dict[str, Any] = json.loads(checked_text(folder, "metrics.json"))
    except (OSError, ValueError) as error:
        raise _redo(folder, "metrics.json", error) from error
    return metrics


def read_predictions(folder: Path) -> list[Prediction]:
    """The unit's predictions.

    Raises:
        RunFolderError: they are missing or damaged.
    """
    try:
        lines = checked_text(folder, "predictions.jsonl").split("\n")
        return [Prediction.model_validate_json(line) for line in lines if line]
    except (OSError, ValueError) as error:
        raise _redo(folder, "predictions.jsonl", error) from error


def _redo(folder: Path, name: str, error: Exception) -> RunFolderError:
    file = folder / (error.name if isinstance(error, DamagedFileError) else name)
    return RunFolderError(
        f"{file} is missing, or was damaged or edited: run the job again to redo this unit alone."
    )
