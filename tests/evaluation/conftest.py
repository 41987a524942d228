"""Small scored tables: what was true, what was answered, which rows share a group."""

from collections.abc import Callable, Sequence

import pytest

from tuneworthy.core.example import Example
from tuneworthy.core.prediction import Prediction

TableOf = Callable[..., list[Example]]
AnswersOf = Callable[[Sequence[str]], list[Prediction]]


@pytest.fixture
def table() -> TableOf:
    """`table(targets, groups)` numbers the rows r0000, r0001, ..."""

    def make(targets: Sequence[str], groups: Sequence[str] | None = None) -> list[Example]:
        return [
            Example(id=f"r{row:04d}", input="", target=target, group=groups[row] if groups else None)
            for row, target in enumerate(targets)
        ]

    return make


@pytest.fixture
def answered() -> AnswersOf:
    """`answered(values)` answers the rows of a table in order; "?" does not parse."""

    def make(values: Sequence[str]) -> list[Prediction]:
        return [
            Prediction(example_id=f"r{row:04d}", value=None, status="unparseable")
            if value == "?"
            else Prediction(example_id=f"r{row:04d}", value=value)
            for row, value in enumerate(values)
        ]

    return make
