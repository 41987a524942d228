"""Exact match: the share of answers that equal an acceptable one, by SQuAD's rules."""

from collections.abc import Sequence

from tuneworthy.core.prediction import Prediction
from tuneworthy.metrics import Metric, Parts
from tuneworthy.metrics._answers import exact, mean_parts, mean_value


class ExactMatch:
    """Equal after lower-casing and removing punctuation, articles and extra spaces.

    Worked example: targets `The Nile`, `42 km`; answers `nile.`, `42`: 1 of 2.

    >>> from tuneworthy.metrics import worked_texts
    >>> worked_texts(PLUGIN, targets=["The Nile", "42 km"], answers=["nile.", "42"])
    0.5
    """

    name = "exact_match"
    title = "exact match"
    best = 1.0
    worst = 0.0
    binary = True
    open = True

    def parts(
        self, predictions: Sequence[Prediction], targets: Sequence[str], labels: Sequence[str]
    ) -> Parts:
        """Shape [rows, 2]: the score, and 1 for the row. Raises ValueError on empty or unpaired input."""
        return mean_parts(predictions, targets, exact)

    def value(self, sums: Parts) -> Parts:
        """Mean over rows, shape [..., 2] -> [...]."""
        return mean_value(sums)

    def per_label(self, sums: Parts, labels: Sequence[str]) -> dict[str, Parts]:
        """Empty: answers are no labels."""
        return {}


PLUGIN: Metric = ExactMatch()
