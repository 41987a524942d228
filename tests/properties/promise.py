"""What is promised of any input, and how a case is held to it.

Never anything but a `TuneworthyError` with a readable sentence, never longer than `LONGEST_S`, never more
memory than `TIMES` the input and a fixed floor.
"""

import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import strategies as st

from tuneworthy.core.bounded import bounded
from tuneworthy.core.errors import TuneworthyError

LONGEST_S = 5.0  # of this process's own processor time: other work on the machine is not to blame
ENDLESS_S = 30.0  # of it, after which a case is stopped where Python can be stopped
FLOOR_MIB = 64.0
TIMES = 10
LONGEST_SENTENCE = 4_000  # characters: some list the columns of a table

_WARM: set[str] = set()
_STATUS, _RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")
_MEASURED = _RESET.exists()  # Linux alone tells a process's peak anew


class BrokenPromiseError(AssertionError):
    """A case took too long, took too much memory, or was refused unreadably."""


@dataclass(frozen=True)
class Target:
    """Something that is given inputs of strangers.

    Attributes:
        name: what a command calls it.
        cases: what it is given.
        run: gives it one, in an empty folder; raises TuneworthyError where the input is refused.
        size: bytes of a case.
    """

    name: str
    cases: st.SearchStrategy[Any]
    run: Callable[[Any, Path], None]
    size: Callable[[Any], int] = lambda case: len(repr(case))


@dataclass(frozen=True)
class Outcome:
    """What a case cost.

    Attributes:
        seconds: of processor time.
        mebibytes: that memory rose by at its peak.
        refused: whether it was refused, with a sentence.
    """

    seconds: float
    mebibytes: float
    refused: bool


def hold(target: Target, case: Any, folder: Path) -> Outcome:
    """Gives a target one case, in a folder that is emptied first.

    Raises:
        BrokenPromiseError: it took too long, too much memory, or was refused unreadably.
        Exception: what else the target raises but a TuneworthyError.
    """
    if target.name not in _WARM:  # what is imported at a first use is no cost of its input
        _WARM.add(target.name)
        _empty(folder)
        with suppress(TuneworthyError), bounded(ENDLESS_S):
            target.run(case, folder)
    _empty(folder)
    before, started, refused = _memory("VmRSS", reset=True), time.process_time(), False
    try:
        with bounded(ENDLESS_S):
            target.run(case, folder)
    except TuneworthyError as error:
        refused = True
        _require_readable(str(error))
    outcome = Outcome(time.process_time() - started, max(0.0, _memory("VmHWM") - before), refused)
    if outcome.seconds > LONGEST_S:
        raise BrokenPromiseError(f"{target.name}: {outcome.seconds:.1f} s")
    if outcome.mebibytes > FLOOR_MIB + TIMES * target.size(case) / 2**20:
        raise BrokenPromiseError(f"{target.name}: {outcome.mebibytes:.0f} MiB for {target.size(case)} bytes")
    return outcome


def room() -> TemporaryDirectory[str]:
    """A folder for many cases after another, in memory where there is such."""
    memory = Path("/dev/shm")
    return TemporaryDirectory(dir=memory if memory.is_dir() else None)


def _empty(folder: Path) -> None:
    for one in folder.iterdir():
        if one.is_dir() and not one.is_symlink():
            shutil.rmtree(one)
        else:
            one.unlink()


def _require_readable(sentence: str) -> None:
    if not sentence.strip() or len(sentence) > LONGEST_SENTENCE:
        raise BrokenPromiseError(f"no sentence: {len(sentence)} characters: {sentence[:200]!r}")
    sentence.encode()  # a terminal has to be able to print it


def _memory(field: str, reset: bool = False) -> float:
    """A field of this process's status in MiB, after its peak was forgotten where `reset` says so."""
    if not _MEASURED:
        return 0.0
    if reset:
        _RESET.write_text("5", encoding="ascii")
    line = next(line for line in _STATUS.read_text(encoding="ascii").splitlines() if line.startswith(field))
    return int(line.split()[1]) / 1024
