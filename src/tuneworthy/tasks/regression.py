"""Regression: from a text to a number, or to a step of an ordered scale."""

import math
from collections.abc import Sequence

from tuneworthy.core.errors import DataError
from tuneworthy.core.example import Example
from tuneworthy.core.outline import outline
from tuneworthy.data.forms import Cells, Form, Read
from tuneworthy.metrics._numbers import number_of, written
from tuneworthy.tasks import Message
from tuneworthy.tasks._turns import chat, enough


def is_number(text: str) -> bool:
    """Whether a target is a finite number as Python writes one.

    >>> is_number("-3.5"), is_number("12 EUR"), is_number("nan")
    (True, False, False)
    """
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def read_number(cells: Cells) -> Read:
    """The two texts. Raises DataError when the target is no number."""
    if cells.target is not None and not is_number(cells.target):
        raise DataError(f"the target {outline(cells.target)} is no number such as 3.5: check --target.")
    return Read(cells.input, cells.target)


class Regression:
    """A target is a number; models write it. The labels are the ends of the range that the targets have."""

    name = "regression"
    title = "regression"
    metrics = ("mae", "spearman", "quadratic_kappa")
    arms = ("constant", "tfidf_ridge", "probe_ridge", "zero_shot", "few_shot", "knn_shot", "lora")
    open = True
    form = Form(read=read_number, holds_target=is_number, as_json=float, target="number")

    def check_examples(self, examples: Sequence[Example]) -> None:
        """Raises DataError when there are too few rows, or all targets are the same."""
        enough(examples)
        if len({float(str(row.target)) for row in examples}) == 1:
            raise DataError(f"every row has the same target {examples[0].target}: there is nothing to learn.")

    def labels(self, examples: Sequence[Example]) -> tuple[str, ...]:
        """The lowest and the highest target."""
        numbers = [float(str(row.target)) for row in examples]
        return written(min(numbers)), written(max(numbers))

    def primary_metric(self, examples: Sequence[Example]) -> str:
        """The mean absolute error: it is in the user's own unit."""
        return "mae"

    def instruction(self, labels: Sequence[str]) -> str:
        """One sentence with the range: shared by every row, so the engine computes it once."""
        return (
            f"Rate the text with one number from {labels[0]} to {labels[-1]}. Answer with the number alone."
        )

    def messages(self, instruction: str, input: str, demonstrations: Sequence[Example] = ()) -> list[Message]:
        """System turn with the instruction, demonstrations as earlier turns, then the text."""
        shown = [(d.input, self.format(d.target or "0")) for d in demonstrations]
        return chat(instruction, input, shown)

    def format(self, target: str) -> str:
        """The number, four decimals at most."""
        number = number_of(target)
        return target if number is None else written(number)

    def parse(self, text: str, labels: Sequence[str]) -> str | None:
        """The first number in the text."""
        number = number_of(text)
        return None if number is None else written(number)


PLUGIN = Regression()
