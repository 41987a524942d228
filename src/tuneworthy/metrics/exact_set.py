"""Exact set: the share of rows whose labels are all right, none missing and none too many."""

from collections.abc import Sequence

import numpy as np

from tuneworthy.core.prediction import Prediction
from tuneworthy.metrics import Metric, Parts, check_lengths
from tuneworthy.metrics._answers import mean_value
from tuneworthy.metrics._sets import labels_of


class ExactSet:
    """Right sets / rows: scikit-learn's subset accuracy.

    Worked example: targets `late; rude` and `late`, answers `rude; late` and `none`: 1 of 2.

    >>> from tuneworthy.metrics import worked_texts
    >>> worked_texts(PLUGIN, targets=["late; rude", "late"], answers=["rude; late", "none"])
    0.5
    """

    name = "exact_set"
    title = "exact set"
    best = 1.0
    worst = 0.0
    binary = True
    open = True

    def parts(
        self, predictions: Sequence[Prediction], targets: Sequence[str], labels: Sequence[str]
    ) -> Parts:
        """Shape [rows, 2]: right (0 or 1), and 1. Raises ValueError on empty or unpaired input."""
        check_lengths(predictions, targets)
        right = [
            float(p.status == "parsed" and p.value is not None and labels_of(p.value) == labels_of(target))
            for p, target in zip(predictions, targets, strict=True)
        ]
        return np.column_stack([np.array(right), np.ones(len(right))])

    def value(self, sums: Parts) -> Parts:
        """Right / rows, shape [..., 2] -> [...]."""
        return mean_value(sums)

    def per_label(self, sums: Parts, labels: Sequence[str]) -> dict[str, Parts]:
        """Empty: a set is right as a whole."""
        return {}


PLUGIN: Metric = ExactSet()
