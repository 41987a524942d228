"""What a unit needs and what it leaves, as bytes: for nodes that do not see the run folder."""

import io
import secrets
import shutil
import tarfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from tuneworthy.core.errors import RunFolderError
from tuneworthy.core.unit import Unit
from tuneworthy.runfolder.unit_output import is_finished, read_unit_file, reveal
from tuneworthy.units.execute import OWN_METRIC

INPUTS = ("rows.jsonl", "split.json", OWN_METRIC)


def packed_inputs(run: Path, units: Sequence[Unit]) -> bytes:
    """The files of the run that these units read: rows, split, own metric, and the units they start from."""
    names = [name for name in INPUTS if (run / name).exists()]
    starts = sorted({f"units/{start}" for unit in units for start in _starts(run, unit)})
    return _packed(run, [*names, *starts])


def _starts(run: Path, unit: Unit) -> Iterator[str]:
    """The unit that a unit starts from, and what that one started from itself."""
    while unit.start is not None:
        yield unit.start
        unit = read_unit_file(run / "units" / unit.start)


def packed_output(run: Path, unit: Unit) -> bytes:
    """The unit's output."""
    return _packed(run, [f"units/{unit.address}"])


def unpack_inputs(content: bytes, run: Path) -> None:
    """Lays the inputs into an empty folder, which then does for `execute`."""
    _unpack(content, run)


def unpack_output(content: bytes, run: Path, unit: Unit) -> None:
    """Puts an output that came as bytes into the run folder, whole or not at all.

    Raises:
        RunFolderError: it is not what the worker wrote.
    """
    units = run / "units"
    partial = units / f".{unit.address}.{secrets.token_hex(4)}.partial"
    partial.mkdir(parents=True)
    try:
        _unpack(content, partial)
        arrived = partial / "units" / unit.address
        if not is_finished(arrived):
            raise RunFolderError(f"the output of '{unit.title}' arrived damaged: run the same command again.")
        reveal(arrived, units / unit.address)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _packed(run: Path, names: Sequence[str]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:  # weights do not compress
        for name in names:
            archive.add(run / name, name)
    return buffer.getvalue()


def _unpack(content: bytes, folder: Path) -> None:
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        archive.extractall(folder, filter="data")
