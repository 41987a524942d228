"""Spearman's rank correlation: whether answers order the rows as the targets do."""

from collections.abc import Sequence

import numpy as np
from scipy.stats import rankdata

from tuneworthy.core.prediction import Prediction
from tuneworthy.metrics import Metric, Parts
from tuneworthy.metrics._numbers import covariances, moments, pairs


class Spearman:
    """Pearson's correlation of the ranks, ties at their mean rank; 0 where all answers are the same.

    Ranks are those among all the rows: a resample keeps them.

    Worked example: targets 1 2 3, answers 10 30 20: ranks 1 2 3 and 1 3 2, correlation 1/2.

    >>> from tuneworthy.metrics import worked_texts
    >>> worked_texts(PLUGIN, targets=["1", "2", "3"], answers=["10", "30", "20"])
    0.5
    """

    name = "spearman"
    title = "Spearman's rank correlation"
    best = 1.0
    worst = -1.0
    binary = False
    open = True

    def parts(
        self, predictions: Sequence[Prediction], targets: Sequence[str], labels: Sequence[str]
    ) -> Parts:
        """Shape [rows, 6]: moments of the two ranks; see `_numbers`.

        Raises ValueError on empty or unpaired input and on a target that is no number.
        """
        given, wanted = pairs(predictions, targets, labels)
        return moments(rankdata(given), rankdata(wanted))

    def value(self, sums: Parts) -> Parts:
        """The correlation from summed moments, shape [..., 6] -> [...]."""
        given, wanted, both, _ = covariances(sums)
        scale = np.sqrt(np.maximum(given * wanted, 0.0))
        return np.divide(both, scale, out=np.zeros(np.shape(both)), where=scale > 1e-12)

    def per_label(self, sums: Parts, labels: Sequence[str]) -> dict[str, Parts]:
        """Empty: numbers are no labels."""
        return {}


PLUGIN: Metric = Spearman()
