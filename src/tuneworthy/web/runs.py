"""Runs as the pages see them: what state each is in, and the verbs that start, stop and continue it."""

import json
import os
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tuneworthy.core.errors import JobError, NotFoundError, RunFolderError
from tuneworthy.core.hashing import address
from tuneworthy.data.jobfile import load_job
from tuneworthy.methods import METHODS
from tuneworthy.web.launching import is_held, last_words, launch, running, stop
from tuneworthy.web.progress import Progress, progress_of, read_events
from tuneworthy.web.workspace import KeptTable, Workspace, require_own

State = Literal["starting", "running", "finished", "stopped", "failed", "damaged"]
Verb = Literal["run", "baseline"]
VERBS: tuple[Verb, ...] = ("run", "baseline")
STATES: dict[State, str] = {
    "starting": "Starting",
    "running": "Running",
    "finished": "Finished",
    "stopped": "Stopped",
    "failed": "Failed",
    "damaged": "Damaged",
}
MOST = 200  # runs that a page lists
_WORKSPACE = "TUNEWORTHY_WORKSPACE"  # where the ledger of test rows is


@dataclass(frozen=True, slots=True)
class Run:
    """A run as a page shows it.

    Attributes:
        name: of its folder.
        folder: where it is, or will be.
        state: see `STATES`.
        ours: whether its process was started from a page, so that a page can stop it.
        progress: what its events say.
        said: what its process printed last, where it failed.
    """

    name: str
    folder: Path
    state: State
    ours: bool
    progress: Progress
    said: str = ""


class Runs:
    """The runs of a workspace."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace
        self._launched = workspace.own / "launched"
        self._logs = workspace.own / "logs"
        self._ended: dict[str, tuple[tuple[int, int], Progress]] = {}  # of runs that have ended, by name

    def names(self) -> list[str]:
        """Every run, those that have not written anything yet first, then the newest."""
        known = self.workspace.run_names()
        records = self._launched.glob("*.json") if self._launched.is_dir() else []
        waiting = sorted(path.stem for path in records if path.stem not in known)
        return [*waiting, *known]

    def read(self, name: str) -> Run:
        """One run; raises NotFoundError when no run is called so."""
        if name not in self.names():
            raise NotFoundError(f"there is no run '{name}' in {self.workspace.runs}.")
        return self._read(name)

    def latest(self, most: int = MOST) -> tuple[list[Run], int]:
        """So many runs, in the order of `names`, and how many there are besides."""
        names = self.names()
        return [self._read(name) for name in names[:most]], max(0, len(names) - most)

    def finished(self, also: Sequence[str] = (), most: int = MOST) -> list[str]:
        """Names of the finished ones among the newest runs, after those that are asked for besides."""
        names = self.workspace.run_names()
        candidates = dict.fromkeys([*(name for name in also if name in names), *names[:most]])
        return [name for name in candidates if self._read(name).state == "finished"]

    def _read(self, name: str) -> Run:
        folder = self.workspace.runs / name
        alive = running(self._record(name)) is not None
        progress = self._progress(name)
        said = ""
        state: State
        if progress.decision and (folder / "model.json").exists():
            state = "finished"
        elif alive or is_held(folder):
            state = "running" if progress.started else "starting"
        elif progress.damaged:
            state = "damaged"
        else:
            said = last_words(self._logs / f"{name}.log")
            # A process that was stopped says nothing more; a mistake is a sentence, a bug a traceback.
            failed = any(line.startswith(("error: ", "Traceback ")) for line in said.splitlines())
            state = "failed" if failed else "stopped"
        return Run(name, folder, state, alive, progress, said)

    def start(self, table: KeptTable, text: str, verb: str) -> str:
        """Starts a job on an uploaded table; the same job on the same table is the same run.

        Raises:
            JobError: it is no job, or one that a page may not start.
        """
        if verb not in VERBS:
            raise JobError(f"'{verb}' is not what a page can start: choose {' or '.join(VERBS)}.")
        path, _ = self.workspace.keep_job(table, text)
        name = f"{table.path.stem}-{address([table.id, text, verb])[:8]}"
        if name in self.names() and self.read(name).state in ("starting", "running", "finished"):
            return name
        self._launch(name, [verb, str(path), "--output", str(self.workspace.runs / name)])
        return name

    def resume(self, name: str) -> None:
        """Goes on with a run that was stopped.

        Raises:
            JobError: its job is one that a page may not start; nothing is started then.
            NotFoundError: it has no job.
            RunFolderError: it is running or finished, or its job is damaged.
        """
        run = self.read(name)
        if run.state not in ("stopped", "failed"):
            raise RunFolderError(f"{name} is {STATES[run.state].lower()}: it cannot be continued.")
        verb, job = self._asked(run)
        told = [str(self.workspace.told(path)) for path in (job, run.folder)]
        command = shlex.join(["tuneworthy", verb, told[0], "--output", told[1]])
        require_own(load_job(job, (), METHODS.names()), command)
        self._launch(name, [verb, str(job), "--output", str(run.folder)])

    def stop(self, name: str) -> None:
        """Ends a run's process; finished units stay. Raises RunFolderError when it is not ours to end."""
        self.read(name)
        if not stop(self._record(name)):
            raise RunFolderError(f"{name} was not started from this page: stop it where it was started.")

    def _progress(self, name: str) -> Progress:
        """What a run's events say; those of a run that has ended are read again once they change."""
        folder = self.workspace.runs / name
        try:
            told = (folder / "events.jsonl").stat()
        except OSError:
            return Progress()
        version = (told.st_size, told.st_mtime_ns)
        known, progress = self._ended.get(name, ((0, 0), Progress()))
        if known != version:
            try:
                progress = progress_of(read_events(folder))
            except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError):  # of any odd value
                progress = Progress(damaged=True)
            if progress.decision:
                self._ended[name] = version, progress
        return progress

    def _launch(self, name: str, arguments: Sequence[str]) -> None:
        settings = {} if _WORKSPACE in os.environ else {_WORKSPACE: str(self.workspace.runs)}
        self.workspace.own.mkdir(parents=True, exist_ok=True)
        launch(arguments, self._record(name), self._logs / f"{name}.log", settings)

    def _asked(self, run: Run) -> tuple[str, Path]:
        """The verb and the job that go on with a run: those of the page, until the run has kept its own."""
        job, record = run.folder / "job.yaml", self._record(run.name)
        if job.exists() or not record.exists():
            return "run", job
        verb, started_by, *_ = json.loads(record.read_text(encoding="utf-8"))["arguments"]
        return str(verb), Path(started_by)

    def _record(self, name: str) -> Path:
        return self._launched / f"{name}.json"
