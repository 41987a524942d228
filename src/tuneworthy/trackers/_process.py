"""The process that tells one tracker of one run: `python -m tuneworthy.trackers._process RUN TRACKER`.

It reads `events.jsonl` as it grows. A line on standard input says that the run has ended, and where the
report is that may be shown; the answer on standard output says where to look, or what went wrong.
"""

import json
import os
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from tuneworthy.core.errors import RunFolderError
from tuneworthy.runfolder.events import Event
from tuneworthy.trackers import TRACKERS, Session, Tracked, Tracker
from tuneworthy.trackers._events import EventFile, Points
from tuneworthy.trackers._facts import outcome, tracked

END = "end "
POLL_S = 0.5
WAIT_S = 10.0  # once the run is over, or was killed and so said nothing
SECRET = ("KEY", "TOKEN", "SECRET", "PASSWORD")


class Ending:
    """Whether the run has ended, and the report that it left."""

    def __init__(self) -> None:
        self.over = threading.Event()
        self.report: Path | None = None

    def listen(self, source: IO[str]) -> None:
        """Waits for the line; without one, since the run was killed, there is not much time."""
        line = source.readline().removesuffix("\n")
        if not line.startswith(END):
            threading.Timer(WAIT_S, _give_up).start()
        elif path := line.removeprefix(END):
            self.report = Path(path)
        self.over.set()


def main() -> None:
    """Follows a run folder until the run ends, answers, and is gone."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8", buffering=1)
    os.dup2(2, 1)  # what a library prints goes to trackers.log
    if hasattr(os, "nice"):
        os.nice(5)
    ending = Ending()
    threading.Thread(target=ending.listen, args=(sys.stdin,), daemon=True).start()
    try:
        answer = {"look": follow(Path(sys.argv[1]), TRACKERS.get(sys.argv[2]), ending)}
    except BaseException as error:
        answer = {"failed": without_secrets(f"failed ({type(error).__name__}: {error})")}
    answers.write(json.dumps(answer) + "\n")
    answers.flush()
    os._exit(0)  # whatever a library still means to wait for


def _give_up() -> None:
    if hasattr(os, "killpg"):
        os.killpg(0, signal.SIGKILL)
    os._exit(1)


def without_secrets(text: str, longest: int = 250) -> str:
    """A text on one line, without the keys and passwords of this environment."""
    for key, value in os.environ.items():
        if len(value) > 5 and any(word in key.upper() for word in SECRET):
            text = text.replace(value, "***")
    text = " ".join(text.split())
    return text if len(text) <= longest else text[: longest - 4].rstrip() + " ...)"


def follow(run: Path, tracker: Tracker, ending: Ending) -> str:
    """Mirrors the run to the tracker until it has ended; returns where to look.

    Raises:
        RunFolderError: the folder holds no run.
    """
    told: tuple[Tracked, Session] | None = None
    points, last, number = Points(run), Event(), 0
    for event in _until(ending.over, EventFile(run)):
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
    files = () if ending.report is None else (ending.report,)
    session.finish(outcome(run, about, last, files) if last["event"] == "run_finished" else None)
    return tracker.look(about)


def _until(over: threading.Event, events: EventFile) -> Iterator[Event]:
    """Events as they are written; after the end, those that are left."""
    while True:
        ended = over.is_set()  # asked before reading, so that no event is missed
        yield from events.new()
        if ended:
            return
        over.wait(POLL_S)


if __name__ == "__main__":
    main()
