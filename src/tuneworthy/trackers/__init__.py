"""Trackers: one file each. They mirror a run folder for other people's dashboards and are never the truth.

A tracker is handed what a run folder says, in an order that every replay repeats: `open` with the parameters,
`log` with one point of a training curve after another, `finish` with the results. It runs in a process of its
own (`tuneworthy.tracking`), so it may be slow, raise or hang. No row's text, target or answer reaches it.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from tuneworthy.core.evidence import Estimate
from tuneworthy.core.registry import Registry

Scalar = str | int | float | bool


@dataclass(frozen=True, slots=True)
class Tracked:
    """A run as a tracker is told of it when it begins.

    Attributes:
        id: of this run and no other: the folder's name and when the run first began.
        project: what it is compared with: the data set's name.
        place: a folder of the workspace that is the tracker's own.
        started: seconds since 1970, of the first event.
        parameters: every field of the job by its dotted name.
        tags: the task, and the fingerprint of the data.
    """

    id: str
    project: str
    place: Path
    started: float
    parameters: dict[str, Scalar]
    tags: dict[str, str]


@dataclass(frozen=True, slots=True)
class Point:
    """What one unit reported at one step.

    Attributes:
        unit: which unit, such as `lora/fold-1`.
        step: of its training, 1-based.
        values: by name: `loss`, `learning_rate`, `validation_accuracy`.
        time: seconds since 1970.
    """

    unit: str
    step: int
    values: dict[str, float]
    time: float

    @property
    def named(self) -> dict[str, float]:
        """The values by a name that is unique in the run, such as `lora/fold-1/loss`."""
        return {f"{self.unit}/{name}": value for name, value in self.values.items()}


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended.

    Attributes:
        parameters: those of the job again, and each method's own, with what its first fit settled on.
        estimates: every metric of every arm on the test rows, with its interval.
        primary: the metric that decides.
        tags: those of `Tracked`, and the verdict's.
        headline: the verdict in a sentence.
        files: the report without its rows, and model cards.
        ended: seconds since 1970, of the last event.
    """

    parameters: dict[str, Scalar]
    estimates: tuple[Estimate, ...]
    primary: str
    tags: dict[str, str]
    headline: str
    files: tuple[Path, ...]
    ended: float

    @property
    def scores(self) -> dict[str, float]:
        """Values and ends of intervals, such as `test/lora/accuracy` and `test/lora/accuracy_low`."""
        found: dict[str, float] = {}
        for one in self.estimates:
            name = f"test/{one.method}/{one.metric}"
            ends = {name: one.value, f"{name}_low": one.low, f"{name}_high": one.high}
            found |= {key: value for key, value in ends.items() if value is not None}
        return found


class Session(Protocol):
    """A run that a tracker is being told of.

    `held` says how many points the tracker has of this run already: the first ones of every replay, which are
    then left out, so that a second replay adds nothing.
    """

    held: int

    def log(self, point: Point) -> None:
        """Takes one point."""

    def finish(self, outcome: Outcome | None) -> None:
        """Takes the results, or None for a run that was stopped before it had any, and lets go of the run."""


class Tracker(Protocol):
    """What a file in `trackers/` offers as its PLUGIN.

    Attributes:
        name: the file's name.
        title: what a sentence calls it.
        needs: modules that have to be installed.
        extra: what `pip install` is told when one is missing.
    """

    name: str
    title: str
    needs: tuple[str, ...]
    extra: str

    def open(self, run: Tracked) -> Session:
        """Begins a run, or takes it up again."""

    def look(self, run: Tracked) -> str:
        """Where the run is to be seen, in a clause."""


TRACKERS: Registry[Tracker] = Registry("trackers", "tracker")
