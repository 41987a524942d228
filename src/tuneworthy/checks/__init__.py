"""The data doctor: one file per check; the main job runs them before it spends compute."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from tuneworthy.core.example import Example
from tuneworthy.core.finding import Finding
from tuneworthy.core.registry import Registry


@dataclass(frozen=True, slots=True)
class Examined:
    """What a check may look at: the labelled table, the user's test rows, and how the rows will be split."""

    examples: Sequence[Example]
    test: Sequence[Example]
    folds: int


class Check(Protocol):
    """The contract of a file in `checks/`: fires on a bad table, silent on a clean one, deterministic."""

    code: str
    title: str

    def examine(self, data: Examined) -> Finding:
        """The check's one finding."""


CHECKS: Registry[Check] = Registry("checks", "check")


def run_checks(data: Examined) -> list[Finding]:
    """Every check's finding, in the order of their codes."""
    return sorted((CHECKS.get(name).examine(data) for name in CHECKS.names()), key=lambda found: found.code)
