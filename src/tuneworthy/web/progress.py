"""How far a run is, from the events in its folder: what is done, what runs, how long the rest may take."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from statistics import mean

from tuneworthy.runfolder.events import Event, read_event

_FOLD = re.compile(r" fold \d+")


@dataclass(frozen=True, slots=True)
class Now:
    """A unit that is running: its title, and its steps where it tells them."""

    title: str
    done: int = 0
    total: int = 0
    loss: float | None = None


@dataclass(frozen=True, slots=True)
class ArmUnits:
    """How many units of one sort an arm has (its folds, its final fit, ...), and how many are done."""

    title: str
    done: int
    total: int
    running: int


@dataclass(frozen=True, slots=True)
class Progress:
    """A run as its events tell it.

    Attributes:
        done, total: units, those that the plan announced and those that came besides.
        stage: what the run is at, empty before the first.
        now: the units that run.
        arms: units by arm and purpose, in the order of the plan.
        notes: sentences for the user, in order, each once.
        left_s: seconds that the rest will take, as far as the units so far tell; None where they do not.
        left_is_least: whether some unit to come is of a sort of which none is finished.
        decision: of the verdict; empty unless the run is finished.
        curves: of every training run under way, by unit: `train` and `validation` as a report draws them.
        damaged: whether the events are none that a run writes, so that nothing of them is told.
    """

    done: int = 0
    total: int = 0
    stage: str = ""
    now: tuple[Now, ...] = ()
    arms: tuple[ArmUnits, ...] = ()
    notes: tuple[str, ...] = ()
    left_s: float | None = None
    left_is_least: bool = False
    started: datetime | None = None
    decision: str = ""
    curves: dict[str, dict[str, list[dict[str, float]]]] = field(default_factory=dict)
    damaged: bool = False


def read_events(run: Path) -> list[Event]:
    """The events of a run folder; a last line that is half written is left for later."""
    try:
        lines = (run / "events.jsonl").read_bytes().split(b"\n")
    except OSError:
        return []
    events = []
    for line in lines:
        with suppress(ValueError):  # half written, torn or edited
            events.append(read_event(line))
    return events


def progress_of(events: Sequence[Event], now: datetime | None = None) -> Progress:
    """What the events say of the last time the run was started; curves reach back to earlier times."""
    starts = [i for i, event in enumerate(events) if event["event"] == "run_started"]
    last = events[starts[-1] :] if starts else events
    now = now or datetime.now(UTC)
    titles: dict[str, str] = {}  # of units that are known by address
    began: dict[str, datetime] = {}
    took: dict[str, list[float]] = {}  # seconds by sort of unit
    finished: dict[str, None] = {}
    steps: dict[str, Event] = {}
    planned: list[str] = []
    notes: dict[str, None] = {}
    stage, decision = "", ""
    for event in last:
        match event["event"]:
            case "planned":
                planned = [title for titles_of in event["stages"].values() for title in titles_of]
            case "stage_started":
                stage = event["stage"]
                planned += _unplanned(event["units"], planned)
            case "unit_started":
                titles[event["unit"]] = event["title"]
                began[event["unit"]] = _time(event)
            case "unit_progress":
                steps[event["unit"]] = event
            case "unit_finished" | "unit_reused":
                unit = event["unit"]
                titles[unit] = event["title"]
                if unit in began and event["event"] == "unit_finished":
                    took.setdefault(_sort(event["title"]), []).append(
                        (_time(event) - began[unit]).total_seconds()
                    )
                finished[unit] = None
            case "note" | "power":
                notes[event["text"]] = None
            case "run_finished":
                decision = event["decision"]
    running = [] if decision else [unit for unit in began if unit not in finished]
    planned += _unplanned(titles.values(), planned)
    left, least = _left(planned, titles, finished, running, began, took, steps, now)
    return Progress(
        done=len(finished),
        total=max(len(planned), len(finished)),
        stage=stage,
        now=tuple(_now(titles[unit], steps.get(unit)) for unit in running),
        arms=_arms(planned, titles, finished, running),
        notes=tuple(notes),
        left_s=None if decision else left,
        left_is_least=least,
        started=_time(last[0]) if last else None,
        decision=decision,
        curves=_curves(events),
    )


def _unplanned(titles: Iterable[str], planned: Sequence[str]) -> list[str]:
    """The units among these that the plan so far does not count; two fits may share a title."""
    return list((Counter[str](titles) - Counter[str](planned)).elements())


def _arms(
    planned: Sequence[str], titles: dict[str, str], finished: dict[str, None], running: Sequence[str]
) -> tuple[ArmUnits, ...]:
    total = Counter(map(_sort, planned))
    done = Counter(_sort(titles[unit]) for unit in finished)
    at_work = Counter(_sort(titles[unit]) for unit in running)
    return tuple(
        ArmUnits(name, done[name], max(count, done[name]), at_work[name]) for name, count in total.items()
    )


def _left(
    planned: Sequence[str],
    titles: dict[str, str],
    finished: dict[str, None],
    running: Sequence[str],
    began: dict[str, datetime],
    took: dict[str, list[float]],
    steps: dict[str, Event],
    now: datetime,
) -> tuple[float | None, bool]:
    """Seconds for the rest: each unit like the mean of its sort's, as many side by side as there are now."""
    waiting = Counter(planned) - Counter(titles[unit] for unit in [*finished, *running])
    left, unknown, known = 0.0, False, False
    for title, count in waiting.items():
        times = took.get(_sort(title))
        if times:
            left += count * mean(times)
            known = True
        else:
            unknown = True
    for unit in running:
        spent = (now - began[unit]).total_seconds()
        times, step = took.get(_sort(titles[unit])), steps.get(unit)
        if step is not None and step["done"] == step["total"]:
            unknown = True  # trained, and answering now
        elif step is not None and step["done"]:
            fit = (_time(step) - began[unit]).total_seconds() / step["done"] * step["total"]
            left += max(0.0, fit - spent)
            known = True
        elif times:
            left += max(0.0, mean(times) - spent)
            known = True
        else:
            unknown = True
    return (left / max(1, len(running)) if known else None), unknown


def _now(title: str, step: Event | None) -> Now:
    if step is None:
        return Now(title)
    return Now(title, int(step["done"]), int(step["total"]), step.get("loss"))


def _curves(events: Sequence[Event]) -> dict[str, dict[str, list[dict[str, float]]]]:
    """Loss by step and validation score by step of each unit that told them, in the order they began."""
    found: dict[str, dict[str, dict[int, dict[str, float]]]] = {}
    for event in events:
        if event["event"] != "unit_progress":
            continue
        curve = found.setdefault(event["unit"], {"train": {}, "validation": {}})
        if "loss" in event:
            curve["train"][event["done"]] = {"step": event["done"], "loss": event["loss"]}
        if "validation" in event:
            curve["validation"][event["done"]] = {"step": event["done"], "score": event["validation"]}
    return {
        unit: {kind: [points[step] for step in sorted(points)] for kind, points in curve.items()}
        for unit, curve in found.items()
    }


def _sort(title: str) -> str:
    """Units that take about as long as each other: 'lora fold 3 (trial)' -> 'lora (trial)'."""
    return _FOLD.sub("", title)


def _time(event: Event) -> datetime:
    return datetime.fromisoformat(event["time"])
