"""Runs one unit in several processes of this machine, which hold its model together.

The process that was given the unit computes nothing: it starts the others, passes on what the first of them
tells, and when one fails or is killed it ends all, at once, whatever they wait for. Its own death ends them
too, as they read its pipe.
"""

import contextlib
import json
import os
import queue
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tuneworthy.core.ending import EXIT_CODE, GRACE_S, Ended
from tuneworthy.core.errors import ModelError, RunFolderError
from tuneworthy.core.unit import ModelRole, Unit
from tuneworthy.runfolder.unit_output import is_finished, remove_leftovers_of
from tuneworthy.units.executors.lines import raise_failure

LAST_WORDS_S = 5.0  # for the others, when one has failed: the reason may be theirs
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
# glibc keeps freed memory of its heap for later; larger pieces, as layers that come and go, are given back.
AT_ONCE = {"MALLOC_MMAP_THRESHOLD_": str(2**20)}

Report = Callable[[int, int, dict[str, float]], None]
Message = dict[str, Any]


def threads_each(unit: Unit) -> int:
    """Threads of each process: the unit's are shared out."""
    return max(1, unit.threads // unit.processes)


def run_in_processes(unit: Unit, run: Path, models: dict[ModelRole, Path], report: Report) -> None:
    """Returns when the unit has its output.

    Raises:
        TuneworthyError: what a process refused, under its own class; a lack of memory is its cause.
        RunFolderError: a process was killed.
        RuntimeError: a bug, with the traceback.
        Ended: a process was asked to end.
    """
    _require_devices(unit)
    with tempfile.TemporaryDirectory(prefix="tuneworthy-meeting-") as meeting:
        request = {
            "unit": unit.model_dump(mode="json"),
            "run": str(run),
            "models": {role: str(folder) for role, folder in models.items()},
            "meeting": meeting,
        }
        try:
            with _started(unit, run, request) as processes:
                _listen(processes, unit, report)
        finally:
            remove_leftovers_of(run / "units", [unit.address])
    if not is_finished(run / "units" / unit.address):
        raise RunFolderError(f"'{unit.title}' left no output: run the same command again.")


def _require_devices(unit: Unit) -> None:
    """Raises ModelError where a process would have no GPU of its own; frees what this process has on one."""
    import torch

    from tuneworthy.models.decoder import let_go

    let_go()
    if not torch.cuda.is_available():
        return
    torch.cuda.empty_cache()
    if (there := torch.cuda.device_count()) < unit.processes:
        raise ModelError(
            f"'{unit.title}' is split over {unit.processes} processes, each with a GPU of its own, and "
            f"{there} can be seen here: set {unit.method}.processes={there} or less."
        )


@contextmanager
def _started(unit: Unit, run: Path, request: Message) -> Iterator[list[subprocess.Popen[str]]]:
    """The processes, with their request; ended with the block, those that train with time to say where."""
    threads = dict.fromkeys(THREADS, str(threads_each(unit)))
    processes: list[subprocess.Popen[str]] = []
    grace_s = 0.0
    with (run / "workers.log").open("ab") as log:
        try:
            for rank in range(unit.processes):
                one = subprocess.Popen(
                    [sys.executable, "-m", "tuneworthy.units.executors.process"],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=log,
                    text=True,
                    encoding="utf-8",
                    env=AT_ONCE | os.environ | threads,
                )
                processes.append(one)
                assert one.stdin is not None
                with contextlib.suppress(OSError):  # its end is told by its pipe
                    one.stdin.write(json.dumps({**request, "rank": rank}) + "\n")
                    one.stdin.flush()
            yield processes
        except (Ended, KeyboardInterrupt):
            grace_s = GRACE_S
            raise
        finally:
            _dismiss(processes, grace_s)


def _dismiss(processes: Sequence[subprocess.Popen[str]], grace_s: float) -> None:
    deadline = time.monotonic() + grace_s
    for process in processes if grace_s else ():
        process.terminate()
    for process in processes:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(max(0.0, deadline - time.monotonic()))
    for process in processes:
        process.kill()
    for process in processes:
        process.wait()


def _listen(processes: Sequence[subprocess.Popen[str]], unit: Unit, report: Report) -> None:
    """Until every process has had its last word, or one has failed and the others had time for theirs."""
    messages: queue.Queue[tuple[int, Message]] = queue.Queue()
    for rank, process in enumerate(processes):
        threading.Thread(target=_hear, args=(rank, process, messages), daemon=True).start()
    last: dict[int, Message] = {}
    deadline: float | None = None
    while len(last) < len(processes):
        wait_s = None if deadline is None else max(0.0, deadline - time.monotonic())
        try:
            rank, message = messages.get(timeout=wait_s)
        except queue.Empty:
            break
        if message["kind"] != "progress":
            last[rank] = message
            if rank == 0 or message["kind"] != "finished":
                deadline = deadline or time.monotonic() + LAST_WORDS_S
        elif rank == 0:
            report(message["done"], message["total"], message["facts"])
    if last.get(0, {}).get("kind") != "finished":
        _raise(list(last.values()), unit)


def _hear(rank: int, process: subprocess.Popen[str], messages: "queue.Queue[tuple[int, Message]]") -> None:
    """Passes on what a process says, up to its last word."""
    assert process.stdout is not None
    with contextlib.suppress(OSError, ValueError):
        for line in process.stdout:
            message = json.loads(line)
            messages.put((rank, message))
            if message["kind"] != "progress":
                return
    messages.put((rank, {"kind": "died", "code": process.wait()}))


def _raise(last: Sequence[Message], unit: Unit) -> None:
    """Raises what is most likely the reason: a mistake, then a death, then an error that may follow."""
    for message in (said for said in last if said["kind"] == "refused"):
        try:
            raise_failure(message, "")
        except ModelError as error:
            if message["memory"]:
                raise error from MemoryError(str(error))
            raise
    for code in (said["code"] for said in last if said["kind"] == "died"):
        if code == EXIT_CODE:
            raise Ended(f"a process of '{unit.title}' was stopped")
        raise RunFolderError(
            f"one of the {unit.processes} processes of '{unit.title}' ended (code {code}, no memory left?), "
            "and so did the others: finished units are kept, and the same command goes on from its last "
            "checkpoint."
        )
    for message in last:
        raise_failure(message, f"a process of '{unit.title}'")
    raise RunFolderError(f"the processes of '{unit.title}' ended without a word: run the same command again.")
