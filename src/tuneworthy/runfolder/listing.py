"""The runs of a folder, each in a line, read from their small files: ten thousand of them take seconds.

Nothing is cached. Of `events.jsonl` only the lines at which the run began and ended are parsed.
"""

import json
import os
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal

from filelock import FileLock, Timeout

from tuneworthy.runfolder import checksums
from tuneworthy.runfolder.events import read_event

State = Literal["finished", "stopped", "running", "damaged"]
STARTED, FINISHED = b'"event": "run_started"', "run_finished"
ENDED = f'"event": "{FINISHED}"'.encode()


@dataclass(frozen=True, slots=True)
class RunSummary:
    """One run folder.

    Attributes:
        folder, name: where it is, and its last part.
        when: the last time it was started, ISO 8601 in UTC.
        minutes: it ran for, pauses between a stop and the next start left out.
        state: "finished", "stopped", "running" or "damaged".
        units, planned: how many units have their output, and how many the plan has; of unfinished runs alone.
        data, fingerprint, rows, task: of its data; None where it was stopped before that was written.
        decision, method, metric, value, low, high: the verdict, and the score of the arm it recommends.
        damaged: a file that is not what the run wrote, so that nothing it says is shown.
    """

    folder: str
    name: str
    when: str
    minutes: float
    state: State
    units: int | None = None
    planned: int | None = None
    data: str | None = None
    fingerprint: str | None = None
    rows: int | None = None
    task: str | None = None
    decision: str | None = None
    method: str | None = None
    metric: str | None = None
    value: float | None = None
    low: float | None = None
    high: float | None = None
    damaged: str | None = None


def list_runs(folder: Path) -> list[RunSummary]:
    """Every run right below `folder`, or `folder` itself where it is one; the latest first.

    Folders that hold no run are passed over.
    """
    if (folder / "events.jsonl").exists():
        return [one for one in (_summary(str(folder), folder.name),) if one is not None]
    try:
        with os.scandir(folder) as entries:
            found = [_summary(entry.path, entry.name) for entry in entries]
    except OSError:
        return []
    return sorted(
        (one for one in found if one is not None), key=lambda one: (one.when, one.name), reverse=True
    )


def _summary(path: str, name: str) -> RunSummary | None:
    """None for what is no run folder."""
    try:
        with open(f"{path}/events.jsonl", "rb") as file:  # noqa: PTH123 - this is read ten thousand times
            events = file.read()
    except OSError:
        return None
    try:
        first, last, seconds = _times(events)
    except (ValueError, KeyError, TypeError):
        return _damaged(path, name, {}, "events.jsonl") if STARTED in events else None
    about: dict[str, Any] = {
        "folder": path,
        "name": name,
        "when": first["time"],
        "minutes": round(seconds / 60, 2),
    }
    looked_at = "dataset.json"
    try:
        sums = _content(f"{path}/{checksums.FILE}") or b""
        data = _read(path, looked_at, sums) or {}
        about |= {key: data.get(key) for key in ("fingerprint", "rows", "task")} | {"data": data.get("name")}
        if last["event"] != FINISHED:
            looked_at = "plan.json"
            units, planned = _progress(path, sums)
            state: State = "running" if _is_held(f"{path}/.lock") else "stopped"
            return RunSummary(**about, state=state, units=units, planned=planned)
        looked_at = "evidence.json"
        method = last["recommended_method"]
        arms = (_read(path, looked_at, sums) or {}).get("arms", ())
        score: dict[str, Any] = next((arm["estimate"] for arm in arms if arm["method"] == method), {})
        about |= {key: score.get(key) for key in ("metric", "value", "low", "high")}
        return RunSummary(**about, state="finished", decision=last["decision"], method=method)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return _damaged(path, name, about, looked_at)


def _damaged(path: str, name: str, about: dict[str, Any], file: str) -> RunSummary:
    """A run of which a file is not what was written: nothing of that file is shown."""
    when = datetime.fromtimestamp(os.path.getmtime(f"{path}/{file}"), UTC).isoformat(timespec="milliseconds")  # noqa: PTH204
    known: dict[str, Any] = {"folder": path, "name": name, "when": when, "minutes": 0.0} | about
    return RunSummary(**known, state="damaged", damaged=file)


def _times(events: bytes) -> tuple[dict[str, Any], dict[str, Any], float]:
    """The event of the last start, the last one of that run, and the seconds from each start to its end."""
    starts: list[int] = []
    place = events.find(STARTED)
    while place >= 0:
        starts.append(events.rfind(b"\n", 0, place) + 1)
        place = events.find(STARTED, place + 1)
    ends = [*starts[1:], events.rfind(b"\n") + 1]  # what follows the last line's end is being written
    seconds = 0.0
    first: dict[str, Any] = {}
    last: dict[str, Any] = {}
    for start, end in zip(starts, ends, strict=True):
        first = read_event(events[start : events.index(b"\n", start)])
        done = events.rfind(ENDED, start, end)
        if done >= 0:  # what follows is no part of the run: a fit that an export made, say
            end = events.index(b"\n", done) + 1
        last = read_event(events[max(start, events.rfind(b"\n", start, end - 1) + 1) : end])
        began, ended = (datetime.fromisoformat(event["time"]) for event in (first, last))
        seconds += max(0.0, (ended - began).total_seconds())  # a clock may have been set back
    return first, last, seconds


def _progress(path: str, sums: bytes) -> tuple[int, int | None]:
    """Planned units that have their output, and planned units; None where there is no plan yet."""
    plan = _read(path, "plan.json", sums)
    if plan is None:
        return 0, None
    planned = {unit["address"] for stage in plan["stages"] for unit in stage["units"]}
    done = sum(os.path.exists(f"{path}/units/{one}/checksums.json") for one in planned)  # noqa: PTH110
    return done, len(planned)


def _is_held(lock: str) -> bool:
    """Whether a process is writing the run."""
    if not os.path.exists(lock):  # noqa: PTH110
        return False
    try:
        with FileLock(lock, timeout=0):
            return False
    except Timeout:
        return True


def _read(path: str, name: str, sums: bytes) -> Any:
    """A JSON file of a run; None where it is not there. Raises ValueError when it is not what was written."""
    content = _content(f"{path}/{name}")
    if content is None:
        return None
    if f'"{name}"'.encode() in sums and sha256(content).hexdigest().encode() not in sums:
        raise ValueError(f"{name} is damaged")
    return json.loads(content)


def _content(file: str) -> bytes | None:
    try:
        with open(file, "rb") as opened:  # noqa: PTH123
            return opened.read()
    except FileNotFoundError:
        return None
