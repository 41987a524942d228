"""What a user sees while a job runs, and the verdict at its end."""

import os
import sys
import time
from types import TracebackType
from typing import Any, Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from tuneworthy.core.unit import PURPOSES

BRIEF = PURPOSES["curve"]  # how the titles of units end that are dozens and take seconds
WIDE = 140  # columns of a table that is piped or kept in a file, where no terminal folds it (ours)


def _width() -> int | None:
    return None if sys.stdout.isatty() or "COLUMNS" in os.environ else WIDE


console = Console(highlight=False, width=_width())
err = Console(stderr=True, highlight=False)
PLAIN_EVERY_S = 20.0  # without a terminal: at most one progress line per unit in this many seconds


class Display:
    """Listens to a run's events: a live table in a terminal, plain lines elsewhere."""

    def __init__(self, quiet: bool = False) -> None:
        self._quiet = quiet
        self._live = sys.stderr.isatty() and not quiet
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TextColumn("{task.fields[facts]}"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(elapsed_when_finished=False),
            console=err,
            transient=True,
        )
        self._tasks: dict[str, TaskID] = {}
        self._all: TaskID | None = None
        self._said: dict[str, float] = {}
        self._started: dict[str, float] = {}

    def __enter__(self) -> Self:
        if self._live:
            self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live:
            self._progress.stop()

    def __call__(self, event: dict[str, Any]) -> None:
        if self._quiet:
            return
        handler = getattr(self, f"_on_{event['event']}", None)
        if handler is not None:
            handler(event)

    def _say(self, text: str) -> None:
        err.print(text, markup=False, soft_wrap=True)

    def _on_run_started(self, event: dict[str, Any]) -> None:
        labels = f"{event['labels']} labels, " if event["labels"] else ""
        self._say(f"{event['run']}: {event['rows']} rows, {labels}protocol {event['protocol']}")

    def _on_note(self, event: dict[str, Any]) -> None:
        self._say(f"  {event['text']}")

    def _on_power(self, event: dict[str, Any]) -> None:
        self._say(f"  {event['text']}")

    def _on_planned(self, event: dict[str, Any]) -> None:
        parts = [f"{len(units)} {name}" for name, units in event["stages"].items()]
        self._say(f"  Plan: {' + '.join(parts)} units, then one final fit on all rows.")

    def _on_stage_started(self, event: dict[str, Any]) -> None:
        if self._live and event["units"]:
            for task in self._tasks.values():
                self._progress.remove_task(task)
            self._tasks.clear()
            if self._all is not None:
                self._progress.remove_task(self._all)
            self._all = self._progress.add_task(
                f"[bold]{event['stage']}", total=len(event["units"]), facts="units"
            )

    def _on_unit_started(self, event: dict[str, Any]) -> None:
        self._started[event["unit"]] = time.monotonic()
        if self._live:
            self._tasks[event["unit"]] = self._progress.add_task(f"  {event['title']}", total=None, facts="")

    def _on_unit_progress(self, event: dict[str, Any]) -> None:
        if event["title"].endswith(BRIEF) and not self._live:
            return
        facts = ""
        if "loss" in event:
            facts = f"loss {event['loss']:.3f}, {event['tokens_per_s']:.0f} tokens/s"
        if self._live and event["unit"] in self._tasks:
            self._progress.update(
                self._tasks[event["unit"]], completed=event["done"], total=event["total"], facts=facts
            )
        elif time.monotonic() - self._said.get(event["unit"], -PLAIN_EVERY_S) >= PLAIN_EVERY_S:
            self._said[event["unit"]] = time.monotonic()
            spent = time.monotonic() - self._started.get(event["unit"], time.monotonic())
            left = spent / event["done"] * (event["total"] - event["done"]) if event["done"] else 0
            self._say(f"  {event['title']}: {event['done']}/{event['total']} {facts} about {left:.0f} s left")

    def _on_unit_finished(self, event: dict[str, Any]) -> None:
        spent = time.monotonic() - self._started.get(event["unit"], time.monotonic())
        if not event["title"].endswith(BRIEF):
            self._say(f"  done: {event['title']} ({spent:.0f} s)")
        self._advance(event["unit"])

    def _on_unit_reused(self, event: dict[str, Any]) -> None:
        if not event["title"].endswith(BRIEF):
            self._say(f"  kept: {event['title']} (finished before, in {event['source']})")
        self._advance(event["unit"])

    def _advance(self, unit: str) -> None:
        if self._live:
            if unit in self._tasks:
                self._progress.remove_task(self._tasks.pop(unit))
            if self._all is not None:
                self._progress.advance(self._all)


class Bar:
    """A progress bar for one long call; silent without a terminal."""

    def __init__(self, title: str) -> None:
        self._progress = Progress(
            TextColumn(title),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=err,
            transient=True,
        )
        self._task: TaskID | None = None

    def __enter__(self) -> Self:
        if sys.stderr.isatty():
            self._progress.start()
            self._task = self._progress.add_task("", total=None)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def __call__(self, done: int, total: int, facts: dict[str, float]) -> None:
        if self._task is not None:
            self._progress.update(self._task, completed=done, total=total)
