"""Regression: from a text to a number, or to a step of an ordered scale."""

from collections.abc import Sequence

from tuneworthy.core.errors import DataError
from tuneworthy.core.example import Example
from tuneworthy.metrics._numbers import number_of, written
from tuneworthy.tasks import Message
from tuneworthy.tasks._turns import chat, enough


class Regression:
    """A target is a number; models write it. The labels are the ends of the range that the targets have."""

    name = "regression"
    title = "regression"
    metrics = ("mae", "spearman", "quadratic_kappa")
    arms = ("constant", "tfidf_ridge", "probe_ridge", "zero_shot", "few_shot", "knn_shot", "lora")
    open = True

    def check_examples(self, examples: Sequence[Example]) -> None:
        """Raises DataError when there are too few rows, a target is no number, or all are the same."""
        enough(examples)
        for row in examples:
            try:
                float(str(row.target))
            except ValueError:
                raise DataError(
                    f"row {row.row}: the target '{str(row.target)[:60]}' is no number such as 3.5: "
                    "check --target."
                ) from None
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
