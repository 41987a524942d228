"""Trackers beside a run: a process each, which follows the run folder and is never waited for while it runs.

The folder is the truth, so nothing is handed over: the process reads `events.jsonl` as it grows. A tracker that
raises, hangs or is slow costs the run a few seconds at its end and nothing else; `tuneworthy track` replays.
"""

import importlib.util
import json
import os
import shlex
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from tuneworthy.core.errors import JobError, MissingExtraError, RunFolderError, TrackingError
from tuneworthy.core.job import Job
from tuneworthy.runfolder.folder import RunFolder, write_text
from tuneworthy.trackers import TRACKERS, Session, Tracked, Tracker
from tuneworthy.trackers._events import Event, EventFile, Points
from tuneworthy.trackers._facts import job_tree, outcome, tracked

WAIT_S = 10.0  # at the end of a run, for all trackers together
WAIT_WHEN_STOPPED_S = 3.0
POLL_S = 0.5
END = "end\n"
OURS = ("TUNEWORTHY_API_KEY", "OPENAI_API_KEY")  # keys that no tracker needs
QUIET = {
    "GRADIO_ANALYTICS_ENABLED": "False",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "WANDB_SILENT": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "TF_CPP_MIN_LOG_LEVEL": "3",
}


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

    def __init__(self, names: Sequence[str], wait_s: float = WAIT_S) -> None:
        self._names = names
        self._wait_s = wait_s
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
        deadline = time.monotonic() + (self._wait_s if kind is None else WAIT_WHEN_STOPPED_S)
        for process in self._processes.values():
            _tell_the_end(process)
        for name, process in self._processes.items():
            answer = _answer(process, max(0.1, deadline - time.monotonic()))
            if self._folder is not None and kind is None:
                self._folder.emit("note", keep=False, text=self._told(name, answer))

    def _told(self, name: str, answer: dict[str, str] | None) -> str:
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
    process = _start(run, name)
    _tell_the_end(process)
    try:
        answer = _answer(process, None)
    except BaseException:
        _kill(process)
        raise
    if answer is None or "failed" in answer:
        raise TrackingError(f"{tracker.title} {'was stopped' if answer is None else answer['failed']}.")
    return answer["look"]


def _start(run: Path, name: str) -> subprocess.Popen[str]:
    """The process; in a session of its own, so that Ctrl-C is the run's alone to handle."""
    kept = {key: value for key, value in os.environ.items() if key not in OURS}
    with (run / "trackers.log").open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "tuneworthy.tracking", str(run), name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            encoding="utf-8",
            env={**QUIET, **kept},
            start_new_session=True,
        )


def _tell_the_end(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    try:
        process.stdin.write(END)
        process.stdin.close()
    except OSError:
        pass  # it has ended already
    process.stdin = None


def _answer(process: subprocess.Popen[str], wait_s: float | None) -> dict[str, str] | None:
    """What the process said last; None where it had to be stopped or said nothing."""
    try:
        said, _ = process.communicate(timeout=wait_s)
    except subprocess.TimeoutExpired:
        _kill(process)
        return None
    lines = said.strip().splitlines()
    return json.loads(lines[-1]) if lines else {"failed": f"ended with code {process.returncode}"}


def _kill(process: subprocess.Popen[str]) -> None:
    """Ends the process and what it has started."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except (AttributeError, ProcessLookupError, PermissionError):
        process.kill()
    process.wait()


# From here on: the process itself.


def main() -> None:
    """`python -m tuneworthy.tracking RUN TRACKER`: follows a run folder until standard input ends."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8", buffering=1)
    os.dup2(2, 1)  # what a library prints goes to trackers.log
    if hasattr(os, "nice"):
        os.nice(5)
    ended = threading.Event()
    threading.Thread(target=_listen, args=(sys.stdin, ended), daemon=True).start()
    run, name = Path(sys.argv[1]), sys.argv[2]
    try:
        look = follow(run, TRACKERS.get(name), ended)
        answers.write(json.dumps({"look": look}) + "\n")
    except BaseException as error:
        answers.write(json.dumps({"failed": _sentence(error)}) + "\n")
    answers.flush()
    os._exit(0)  # whatever a library still means to do at its end


def _listen(stdin: IO[str], ended: threading.Event) -> None:
    """Waits for the end of the run; a run that was killed says nothing, and then there is not much time."""
    if stdin.readline() != END:
        threading.Timer(WAIT_S, _give_up).start()
    ended.set()


def _give_up() -> None:
    if hasattr(os, "killpg"):
        os.killpg(0, signal.SIGKILL)
    os._exit(1)


def _sentence(error: BaseException) -> str:
    """The error in one line, without the secrets of this environment."""
    first = next(iter(str(error).strip().splitlines()), "") or "without a message"
    for key, value in os.environ.items():
        if len(value) > 7 and any(word in key.upper() for word in ("KEY", "TOKEN", "SECRET", "PASSWORD")):
            first = first.replace(value, "***")
    return f"failed ({type(error).__name__}: {first[:200].rstrip('.')})"


def follow(run: Path, tracker: Tracker, ended: threading.Event) -> str:
    """Mirrors the run to the tracker until it has ended; returns where to look."""
    told: tuple[Tracked, Session] | None = None
    points, last, number = Points(run), Event(), 0
    for event in _until(ended, EventFile(run)):
        if told is None:
            about = tracked(run, tracker.name, event)
            told = about, tracker.open(about)
        for point in points.of(event):
            if number >= told[1].held:
                told[1].log(point)
            number += 1
        last = event
    if told is None:
        raise RunFolderError(f"{run} has no events")
    about, session = told
    if last["event"] != "run_finished":
        session.finish(None)
        return tracker.look(about)
    with tempfile.TemporaryDirectory() as place:
        session.finish(outcome(run, about, last, (_report(run, Path(place)),)))
    return tracker.look(about)


def _until(ended: threading.Event, events: EventFile) -> Iterator[Event]:
    """Events as they are written; after the end, those that are left."""
    while True:
        over = ended.is_set()  # asked before reading, so that no event is missed
        yield from events.new()
        if over:
            return
        ended.wait(POLL_S)


def _report(run: Path, place: Path) -> Path:
    from tuneworthy.reports.contents import load_contents
    from tuneworthy.reports.html import render_html
    from tuneworthy.reports.shared import without_rows

    page = place / "report.html"
    write_text(page, render_html(without_rows(load_contents(run), job_tree(run))))
    return page


if __name__ == "__main__":
    main()
