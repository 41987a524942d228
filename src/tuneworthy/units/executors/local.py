"""Runs units on this machine: in this process, or in worker processes side by side.

Workers are plain `python -m` processes that speak JSON lines, so a script that calls `tuneworthy.run` needs
no `if __name__ == "__main__"`, and a dead parent takes them along.
"""

import contextlib
import json
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from tuneworthy.core.counting import counted
from tuneworthy.core.ending import EXIT_CODE, GRACE_S, Ended
from tuneworthy.core.errors import RunFolderError
from tuneworthy.core.unit import ModelRole, Unit
from tuneworthy.runfolder.folder import RunFolder
from tuneworthy.runfolder.unit_output import adopt, damaged_file, remove_leftovers_of
from tuneworthy.units.executors.giving_back import give_back_memory
from tuneworthy.units.executors.lines import raise_failure
from tuneworthy.units.failures import forget_lack_of_memory, keep_killed

Message = tuple[Unit, dict[str, Any]]


class Executor(Protocol):
    """Anything that brings units to their output."""

    def run(self, units: Sequence[Unit], folder: RunFolder, models: dict[ModelRole, Path]) -> None:
        """Returns when every unit has its output in the run folder; finished ones are not run again."""


class LocalExecutor:
    """Runs units in the order given, as many at a time as their threads leave room for on `cores`.

    And as memory holds: `least_gib` is what a fit of an arm takes at least. A GPU is for one unit at a time.
    A job that names `workers` has said how many.
    """

    def __init__(
        self, cores: int, workers: int | None = None, least_gib: Mapping[str, float] | None = None
    ) -> None:
        self._cores = cores
        self._workers = workers
        self._least_gib = least_gib or {}

    def run(self, units: Sequence[Unit], folder: RunFolder, models: dict[ModelRole, Path]) -> None:
        """Runs what is missing; raises the first error after stopping the others."""
        waiting = missing(units, folder)
        if not waiting:
            return
        room = self._workers or self._room(waiting, folder)
        side_by_side, threads = min(room, len(waiting)), max(unit.threads for unit in waiting)
        if side_by_side > 1 and threads > (each := max(1, self._cores // side_by_side)):
            folder.emit(
                "note",
                text=f"{side_by_side} units of {threads} threads each share {self._cores} cores, which slows "
                f"them all; threads: {each} in the job gives each its own.",
            )
        if side_by_side == 1:
            for unit in waiting:
                self._run_here(unit, folder, models)
        else:
            _Pool(side_by_side, folder, models).run(waiting)

    def _room(self, units: Sequence[Unit], folder: RunFolder) -> int:
        """How many units there are cores and memory for."""
        room = max(1, self._cores // max(max(unit.threads, unit.processes) for unit in units))
        if room == 1 or not any(unit.models for unit in units):
            return room
        from tuneworthy.models.hardware import device, free_memory
        from tuneworthy.models.memory import GIB

        where = device()
        if where.type == "cuda":
            return 1
        method = max((unit.method for unit in units), key=lambda name: self._least_gib.get(name, 0.0))
        least = self._least_gib.get(method, 0.0)
        held = max(1, int(free_memory(where) / GIB // least)) if least else room
        if held < min(room, len(units)):
            folder.emit(
                "note",
                text=f"Memory holds {counted(held, 'fit')} of {method} at a time ({least:.1f} GiB each), so "
                "that not every core is used; workers in the job says otherwise.",
            )
        return min(room, held)

    def _run_here(self, unit: Unit, folder: RunFolder, models: dict[ModelRole, Path]) -> None:
        from tuneworthy.units.execute import execute

        folder.emit("unit_started", unit=unit.address, title=unit.title)
        execute(
            unit, folder.path, models, lambda done, total, facts: _progress(folder, unit, done, total, facts)
        )
        give_back_memory()
        folder.emit("unit_finished", unit=unit.address, title=unit.title)


def missing(units: Sequence[Unit], folder: RunFolder) -> list[Unit]:
    """The units without an output; those that have one, or that a sibling run has, are told of as reused."""
    waiting = []
    for unit in units:
        output = folder.path / "units" / unit.address
        if unit.address not in folder.tried and forget_lack_of_memory(output):
            folder.emit("note", text=f"'{unit.title}' ran out of memory the last time: it is tried again.")
        folder.tried.add(unit.address)
        torn = damaged_file(output)
        if torn is None:
            folder.emit("unit_reused", unit=unit.address, title=unit.title, source="this run")
            continue
        if output.exists():
            what = f"units/{unit.address}/{torn} is gone, or was damaged or edited (its checksum differs)"
            folder.emit("note", text=f"{what}: '{unit.title}' is done again.")
        if adopt(unit, output, folder.path.parent):
            folder.emit("unit_reused", unit=unit.address, title=unit.title, source="another run")
        else:
            waiting.append(unit)
    return waiting


def _progress(folder: RunFolder, unit: Unit, done: int, total: int, facts: dict[str, float]) -> None:
    """Training steps are kept in `events.jsonl`; the rest only moves the display."""
    folder.emit(
        "unit_progress",
        keep=bool(facts),
        unit=unit.address,
        title=unit.title,
        done=done,
        total=total,
        **facts,
    )


class _Pool:
    """A few worker processes and the threads that talk to them."""

    def __init__(self, size: int, folder: RunFolder, models: dict[ModelRole, Path]) -> None:
        self._folder = folder
        self._models = {role: str(path) for role, path in models.items()}
        self._messages: queue.Queue[Message] = queue.Queue()
        self._units: queue.Queue[Unit] = queue.Queue()
        self._log = (folder.path / "workers.log").open("ab")
        self._processes = [self._start() for _ in range(size)]

    def _start(self) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "tuneworthy.units.executors.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            encoding="utf-8",
        )

    def run(self, units: Sequence[Unit]) -> None:
        """Runs all units; one whose process is killed is tried once more, alone, when the others are done."""
        for unit in units:
            self._units.put(unit)
        try:
            killed = []
            for process in self._processes:
                self._listen(process)
            for unit in self._ended(len(units)):
                self._folder.emit(
                    "note",
                    text=f"The process that ran '{unit.title}' was killed, most likely because memory ran "
                    "out: it is tried once more when the others are done, alone.",
                )
                killed.append(unit)
                if not self._units.empty():
                    self._processes.append(self._start())
                    self._listen(self._processes[-1])
            for unit in killed:
                self._dismiss()  # the one before has a model in its memory still
                self._units.put(unit)
                self._processes.append(self._start())
                self._listen(self._processes[-1])
                for twice in self._ended(1):
                    if not keep_killed(twice, self._folder.path, -signal.SIGKILL):
                        told(self._folder, twice, {"kind": "died", "code": -signal.SIGKILL})
                    told(self._folder, twice, {"kind": "finished"})
        except (Ended, KeyboardInterrupt):
            self._dismiss(GRACE_S)
            raise
        finally:
            self._dismiss()
            self._log.close()
            remove_leftovers_of(self._folder.path / "units", [unit.address for unit in units])

    def _listen(self, process: subprocess.Popen[str]) -> None:
        threading.Thread(target=self._talk, args=(process,), daemon=True).start()

    def _dismiss(self, grace_s: float = 0.0) -> None:
        """Ends the worker processes; those that train get the time to write a checkpoint."""
        deadline = time.monotonic() + grace_s
        for process in self._processes if grace_s else ():
            process.terminate()
        for process in self._processes:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(max(0.0, deadline - time.monotonic()))
            process.kill()
            process.wait()
        self._processes.clear()

    def _ended(self, count: int) -> Iterator[Unit]:
        """Waits for so many units; those whose process was killed from outside are yielded."""
        while count:
            unit, message = self._messages.get()
            if message["kind"] == "died" and message["code"] == EXIT_CODE:
                raise Ended("a worker process was stopped")  # a scheduler tells every process of the run
            if message["kind"] == "died" and message["code"] == -signal.SIGKILL:
                count -= 1
                yield unit
            else:
                count -= told(self._folder, unit, message)

    def _talk(self, process: subprocess.Popen[str]) -> None:
        """One worker's conversation: give it a unit, pass on what it says, until no unit is left."""
        assert process.stdin is not None and process.stdout is not None
        while True:
            try:
                unit = self._units.get_nowait()
            except queue.Empty:
                return
            self._messages.put((unit, {"kind": "started"}))
            request = {
                "unit": unit.model_dump(mode="json"),
                "run": str(self._folder.path),
                "models": self._models,
            }
            try:
                process.stdin.write(json.dumps(request) + "\n")
                process.stdin.flush()
                for line in process.stdout:
                    message = json.loads(line)
                    self._messages.put((unit, message))
                    if message["kind"] != "progress":
                        break
                else:
                    self._messages.put((unit, {"kind": "died", "code": process.wait()}))
                    return
            except (OSError, ValueError):
                self._messages.put((unit, {"kind": "died", "code": process.wait()}))
                return


def told(folder: RunFolder, unit: Unit, message: dict[str, Any]) -> bool:
    """Tells the run folder what a worker says of a unit; whether the unit is finished now.

    Raises:
        TuneworthyError: the user's mistake that the worker found, under its own class.
        RuntimeError: a bug, with the worker's traceback.
    """
    match message["kind"]:
        case "started":
            where = {"node": message["node"]} if "node" in message else {}
            folder.emit("unit_started", unit=unit.address, title=unit.title, **where)
        case "progress":
            _progress(folder, unit, message["done"], message["total"], message["facts"])
        case "finished":
            folder.emit("unit_finished", unit=unit.address, title=unit.title)
            return True
        case "died":
            raise RunFolderError(
                f"the process that ran '{unit.title}' ended (code {message['code']}, no memory left?): "
                "finished units are kept; try --set workers=1."
            )
        case _:
            raise_failure(message, f"unit '{unit.title}'")
    return False
