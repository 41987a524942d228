"""Trackers beside a run: a process each, which follows the run folder and is never waited for while it runs.

The folder is the truth, so nothing is handed over but the end. A tracker that raises, hangs or is slow costs
the run a few seconds after its verdict is written, and `tuneworthy track` sends everything again.
"""

import importlib.util
import json
import os
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from tuneworthy.core.errors import JobError, MissingExtraError, RunFolderError, TrackingError
from tuneworthy.core.job import Job
from tuneworthy.runfolder.folder import RunFolder, write_text
from tuneworthy.trackers import TRACKERS, Tracker
from tuneworthy.trackers._facts import job_tree
from tuneworthy.trackers._process import END, WAIT_S

WAIT_WHEN_STOPPED_S = 3.0
OURS = ("TUNEWORTHY_API_KEY", "OPENAI_API_KEY")  # keys that no tracker needs
QUIET = {
    "WANDB_SILENT": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "TF_CPP_MIN_LOG_LEVEL": "3",
}
Answer = dict[str, str] | None


def check_tracking(job: Job) -> None:
    """Raises JobError for a tracker that there is not, before anything is written."""
    for name in job.tracking:
        TRACKERS.get(name)
    if len(set(job.tracking)) < len(job.tracking):
        raise JobError(f"tracking names a tracker twice: {', '.join(job.tracking)}.")


def missing(tracker: Tracker) -> str:
    """Why it cannot be used here, with the line that mends it; empty when it can."""
    absent = [name for name in tracker.needs if importlib.util.find_spec(name) is None]
    if not absent:
        return ""
    return f"{tracker.title} needs {', '.join(absent)}: pip install 'tuneworthy[{tracker.extra}]'."


class Trackers:
    """The trackers of one run. A context manager: leaving it waits for them, not longer than `wait_s`."""

    def __init__(self, names: Sequence[str], wait_s: float | None = None) -> None:
        self._names = names
        self._wait_s = WAIT_S if wait_s is None else wait_s
        self._processes: dict[str, subprocess.Popen[str]] = {}
        self._folder: RunFolder | None = None

    def __enter__(self) -> Self:
        return self

    def follow(self, folder: RunFolder) -> None:
        """Starts the processes; those whose library is missing are told of, once, and left out."""
        self._folder = folder
        for name in self._names:
            if told := missing(TRACKERS.get(name)):
                folder.emit("note", text=f"Not tracked: {told} The run goes on without it.")
            else:
                self._processes[name] = _start(folder.path, name)

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._processes or self._folder is None:
            return
        deadline = time.monotonic() + (self._wait_s if kind is None else WAIT_WHEN_STOPPED_S)
        try:
            with _shown_report(self._folder.path) if kind is None else nullcontext() as report:
                for process in self._processes.values():
                    _tell_the_end(process, report)
                for name, process in self._processes.items():
                    answer = _answer(process, max(0.1, deadline - time.monotonic()))
                    if kind is None:
                        self._folder.emit("note", keep=False, text=self._told(name, answer))
        finally:
            for process in self._processes.values():
                _kill(process)

    def _told(self, name: str, answer: Answer) -> str:
        """What a tracker came to, in a sentence."""
        assert self._folder is not None
        title = TRACKERS.get(name).title
        if answer is not None and "look" in answer:
            return f"{title}: {answer['look']}"
        what = f"did not finish within {self._wait_s:g} s" if answer is None else answer["failed"]
        again = f"tuneworthy track {shlex.quote(str(self._folder.path))} --to {name}"
        return f"{title} {what}. Nothing is lost: {again} sends it."


def replay(run: Path, name: str) -> str:
    """Sends a run's events to a tracker, from the beginning; returns where to look.

    Raises:
        JobError: there is no such tracker.
        MissingExtraError: its library is not installed.
        RunFolderError: it is no run folder.
        TrackingError: the tracker failed.
    """
    tracker = TRACKERS.get(name)
    if told := missing(tracker):
        raise MissingExtraError(told)
    if not (run / "events.jsonl").exists():
        raise RunFolderError(f"{run} is no run folder: events.jsonl is missing.")
    with _shown_report(run) as report:
        process = _start(run, name)
        try:
            _tell_the_end(process, report)
            answer = _answer(process, None)
        finally:
            _kill(process)
    if answer is None or "failed" in answer:
        raise TrackingError(f"{tracker.title} {'was stopped' if answer is None else answer['failed']}.")
    return answer["look"]


@contextmanager
def _shown_report(run: Path) -> Iterator[Path | None]:
    """The report without its rows, while trackers copy it; None for a run that has none."""
    if not (run / "verdict.json").exists() or not (run / "report.html").exists():
        yield None
        return
    from tuneworthy.reports.contents import load_contents
    from tuneworthy.reports.html import render_html
    from tuneworthy.reports.shared import without_rows

    with tempfile.TemporaryDirectory() as place:
        page = Path(place) / "report.html"
        write_text(page, render_html(without_rows(load_contents(run), job_tree(run))))
        yield page


def _start(run: Path, name: str) -> subprocess.Popen[str]:
    """The process; in a session of its own, so that Ctrl-C is the run's alone to handle."""
    kept = {key: value for key, value in os.environ.items() if key not in OURS}
    with (run / "trackers.log").open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "tuneworthy.trackers._process", str(run), name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            encoding="utf-8",
            env={**QUIET, **kept},
            start_new_session=True,
        )


def _tell_the_end(process: subprocess.Popen[str], report: Path | None) -> None:
    assert process.stdin is not None
    with suppress(OSError):  # it has ended already
        process.stdin.write(f"{END}{report or ''}\n")
        process.stdin.close()
    process.stdin = None


def _answer(process: subprocess.Popen[str], wait_s: float | None) -> Answer:
    """What the process said last; None where it had to be stopped or said nothing."""
    try:
        said, _ = process.communicate(timeout=wait_s)
    except subprocess.TimeoutExpired:
        return None
    lines = said.strip().splitlines()
    try:
        return dict(json.loads(lines[-1]))
    except (IndexError, ValueError):
        return {"failed": f"ended with code {process.returncode}"}


def _kill(process: subprocess.Popen[str]) -> None:
    """Ends the process, where it runs still, and what it has started."""
    if process.poll() is not None:
        return
    if hasattr(os, "killpg"):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    else:
        process.kill()
    process.wait()
