"""From a run's events to the points of its curves, in an order that every replay repeats."""

import math
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from tuneworthy.runfolder.events import Event, read_event
from tuneworthy.runfolder.unit_output import read_metrics
from tuneworthy.trackers import Point

NO_VALUES = {"time", "event", "unit", "title", "done", "total", "step"}


def seconds(event: Event) -> float:
    """When it happened, in seconds since 1970."""
    return datetime.fromisoformat(event["time"]).timestamp()


class EventFile:
    """`events.jsonl`, which its run may still be writing: each call reads the new lines that are whole."""

    def __init__(self, run: Path) -> None:
        self._path = run / "events.jsonl"
        self._read = 0

    def new(self) -> Iterator[Event]:
        """The events since the last call."""
        try:
            with self._path.open("rb") as file:
                file.seek(self._read)
                for line in file:
                    if not line.endswith(b"\n"):
                        return  # being written
                    self._read += len(line)
                    if line.strip():
                        with suppress(ValueError):  # torn by a full disk, or edited: the others are told
                            yield read_event(line)
        except FileNotFoundError:
            return


class Points:
    """Turns events into points: training steps as they come, and at a unit's end what its output adds."""

    def __init__(self, run: Path) -> None:
        self._run = run
        self._names: dict[str, str] = {}
        self._seen: dict[str, set[int]] = {}
        self._ended: set[str] = set()

    def of(self, event: Event) -> list[Point]:
        """The points that an event brings."""
        match event["event"]:
            case "unit_progress":
                return self._of_step(event)
            case "unit_finished" | "unit_reused":
                return self._of_output(event)
            case _:
                return []

    def _of_step(self, event: Event) -> list[Point]:
        """A training step; a score on validation rows waits for the unit's end, which names its metric."""
        if "validation" in event:
            return []
        step = int(event["step"] if "step" in event else event["done"])
        values = {name: value for name, value in event.items() if name not in NO_VALUES}
        self._seen.setdefault(event["unit"], set()).add(step)
        return _point(self._name(event), step, values, seconds(event))

    def _of_output(self, event: Event) -> list[Point]:
        """Steps that no event told, of a unit that another run had fitted, and scores on validation rows."""
        address, time = event["unit"], seconds(event)
        if address in self._ended:
            return []
        self._ended.add(address)
        try:
            facts = read_metrics(self._run / "units" / address)["facts"]
        except (OSError, ValueError, KeyError):
            return []
        name, told = self._name(event), self._seen.get(address, set())
        points = []
        for one in facts.get("train") or ():
            if one["step"] not in told:
                points += _point(name, one["step"], one, time)
        metric = facts.get("metric", "score")
        for one in facts.get("validation") or ():
            scores = {metric: one.get("score"), "log_loss": one.get("log_loss")}
            points += _point(name, one["step"], {f"validation_{k}": v for k, v in scores.items()}, time)
        return points

    def _name(self, event: Event) -> str:
        """`lora fold 1 (final)` becomes `lora/fold-1/final`; further fits of the same title are numbered."""
        if event["unit"] not in self._names:
            title = event["title"].replace(" fold ", "/fold-").replace(" (", "/").replace(")", "")
            name = title.replace(" ", "-")
            count = 1 + sum(
                taken == name or taken.startswith(f"{name}/fit-") for taken in self._names.values()
            )
            self._names[event["unit"]] = name if count == 1 else f"{name}/fit-{count}"
        return self._names[event["unit"]]


def _point(unit: str, step: int, values: Mapping[str, Any], time: float) -> list[Point]:
    """One point of the values that are finite numbers; none where there is no such value."""
    numbers = {
        name: float(value)
        for name, value in values.items()
        if name != "step" and isinstance(value, int | float) and math.isfinite(value)
    }
    return [Point(unit, step, numbers, time)] if numbers else []
