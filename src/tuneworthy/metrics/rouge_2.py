"""ROUGE-2: overlap with a reference summary (Lin 2004), as the rouge-score package computes it."""

from collections.abc import Sequence

from tuneworthy.core.prediction import Prediction
from tuneworthy.metrics import Metric, Parts
from tuneworthy.metrics._answers import mean_parts, mean_value
from tuneworthy.metrics._rouge import rouge


class Rouge2:
    """F1 without stemming; mean over rows of the best reference.

    Worked example: target `the cat sat`, answer `the cat ran`: one of two pairs of words shared: F1 1/2.

    >>> from tuneworthy.metrics import worked_texts
    >>> worked_texts(PLUGIN, targets=["the cat sat"], answers=["the cat ran"])
    0.5
    """

    name = "rouge_2"
    title = "ROUGE-2"
    best = 1.0
    worst = 0.0
    binary = False
    open = True

    def parts(
        self, predictions: Sequence[Prediction], targets: Sequence[str], labels: Sequence[str]
    ) -> Parts:
        """Shape [rows, 2]: the score, and 1 for the row. Raises ValueError on empty or unpaired input."""
        return mean_parts(predictions, targets, rouge("rouge2"))

    def value(self, sums: Parts) -> Parts:
        """Mean over rows, shape [..., 2] -> [...]."""
        return mean_value(sums)

    def per_label(self, sums: Parts, labels: Sequence[str]) -> dict[str, Parts]:
        """Empty: answers are no labels."""
        return {}


PLUGIN: Metric = Rouge2()
