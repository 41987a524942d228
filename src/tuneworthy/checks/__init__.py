"""The data doctor: one file per check; the main job runs them before it spends compute."""

import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from tuneworthy.core.counting import counted
from tuneworthy.core.example import Example
from tuneworthy.core.finding import Finding, Outcome, RowNote
from tuneworthy.core.registry import Registry
from tuneworthy.tasks import TASKS

if TYPE_CHECKING:
    from tuneworthy.checks._measured import Measured

SLOW_ABOVE = 5_000  # rows: from here on a slow check runs only when asked for
ROWS_NAMED = 1_000  # a finding names so many rows at most


@dataclass
class Examined:
    """What a check may look at.

    Attributes:
        examples: the labelled table.
        test: the user's test rows, or none.
        folds: how many parts the rows will be split into.
        metric: the metric that arms will be compared by.
        columns: the table's other columns, each with a cell per example.
        group: the column the user named as the group, or none.
        models: folders of models that are at hand, by role; nothing is fetched for a check.
        slow: run slow checks whatever the number of rows.
        instruction: what the user tells the model to do, or none.
        task: the task's name.
    """

    examples: Sequence[Example]
    test: Sequence[Example]
    folds: int
    metric: str = "accuracy"
    columns: Mapping[str, Sequence[str | None]] = field(default_factory=dict)
    group: str | None = None
    models: Mapping[str, Path] = field(default_factory=dict)
    slow: bool = False
    instruction: str | None = None
    task: str = "text-classification"

    @property
    def open(self) -> bool:
        """Whether answers are texts of their own, not labels out of a closed set."""
        return TASKS.get(self.task).open

    @property
    def both(self) -> Iterator[tuple[Example, bool]]:
        """Every row, and whether it is of the test file."""
        yield from ((row, False) for row in self.examples)
        yield from ((row, True) for row in self.test)

    @cached_property
    def measured(self) -> "Measured":
        """Embeddings and out-of-fold probabilities, computed when first asked for."""
        from tuneworthy.checks._measured import Measured

        return Measured(self.examples, self.test, self.models.get("embedder"))


class Check(Protocol):
    """The contract of a file in `checks/`: fires on a bad table, silent on a clean one, deterministic.

    `slow` checks are skipped on large tables unless asked for; `needs` names the role of a model without
    which the check is skipped. `of_labels` checks look at labels of a closed set: where answers are
    texts they do not apply.
    """

    code: str
    title: str
    slow: bool
    of_labels: bool

    @property
    def needs(self) -> str | None:
        """The role of a model: "embedder", "decoder", or none."""

    def examine(self, data: Examined) -> Finding:
        """The check's one finding."""


CHECKS: Registry[Check] = Registry("checks", "check")


def run_checks(data: Examined, mute: Sequence[str] = ()) -> list[Finding]:
    """Every check's finding, in the order of their codes; muted ones are named and not run."""
    checks = sorted((CHECKS.get(name) for name in CHECKS.names()), key=lambda check: check.code)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the libraries, about labels too rare for their folds
        return [_examine(check, data, mute) for check in checks]


def completed(findings: Sequence[Finding], data: Examined) -> list[Finding]:
    """The same findings; a check that was skipped for want of a model is run where the model is there now."""

    def is_due(found: Finding) -> bool:
        return found.outcome == "skipped" and CHECKS.get(found.check).needs in data.models

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return [_examine(CHECKS.get(one.check), data, ()) if is_due(one) else one for one in findings]


def _examine(check: Check, data: Examined, mute: Sequence[str]) -> Finding:
    if check.code in mute:
        return say(check, "muted", "Muted by --mute.")
    if data.open and check.of_labels:
        return say(check, "not_applicable", "Answers are texts here, not labels.")
    if check.slow and len(data.examples) > SLOW_ABOVE and not data.slow:
        return say(check, "skipped", f"Slow on more than {SLOW_ABOVE:,} rows.", "Ask for it with --slow.")
    if check.needs is not None and check.needs not in data.models:
        return say(
            check,
            "skipped",
            f"It needs the {check.needs} model, which is not at hand.",
            "Fetch it with tuneworthy models get minilm." if check.needs == "embedder" else "",
        )
    return check.examine(data)


def say(
    check: Check,
    outcome: Outcome,
    message: str,
    advice: str = "",
    rows: Sequence[int] = (),
    notes: Sequence[RowNote] = (),
    blocking: bool = False,
    ceiling: float | None = None,
) -> Finding:
    """The finding of a check; rows are those given, or those of the notes that are of the labelled table."""
    named = tuple(rows) or tuple(dict.fromkeys(note.row for note in notes if not note.test))
    return Finding(
        code=check.code,
        check=type(check).__module__.rsplit(".", 1)[-1],
        title=check.title,
        outcome=outcome,
        message=message,
        advice=advice,
        blocking=blocking,
        rows=named,
        ceiling=ceiling,
        notes=tuple(notes)[:ROWS_NAMED],
    )


def noted(notes: Sequence[RowNote], verb: str, verbs: str) -> str:
    """ "1 row holds", "3 rows hold", "3 rows (1 of the test file) hold"."""
    held = sum(note.test for note in notes)
    of_test = f" ({held:,} of the test file)" if held else ""
    return counted(len(notes), f"row{of_test} {verb}", f"rows{of_test} {verbs}")


def names(found: Sequence[str], shown: int = 5) -> str:
    """'a', 'b' and 3 more."""
    quoted = [f"'{name if len(name) <= 40 else name[:39] + chr(0x2026)}'" for name in found[:shown]]
    more = f" and {len(found) - shown} more" if len(found) > shown else ""
    return ", ".join(quoted) + more
