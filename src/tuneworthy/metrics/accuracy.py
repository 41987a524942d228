"""Accuracy: the share of rows answered exactly right."""

from collections.abc import Sequence

import numpy as np

from tuneworthy.core.prediction import Prediction
from tuneworthy.metrics import Metric, Parts, check_lengths
from tuneworthy.metrics._traits import MeanOverRows


class Accuracy(MeanOverRows):
    """Right answers / rows. An answer that is unparseable or failed is wrong.

    Worked example: targets `a a b`, answers `a b` and one that could not be parsed: 1 of 3 is right, 33.3%.

    >>> from tuneworthy.metrics import worked
    >>> worked(PLUGIN, targets="a a b", answers="a b -")
    0.3333
    """

    name = "accuracy"
    title = "accuracy"
    best = 1.0
    worst = 0.0
    binary = True
    open = False

    def parts(
        self, predictions: Sequence[Prediction], targets: Sequence[str], labels: Sequence[str]
    ) -> Parts:
        """Shape [rows, 2]: right (0 or 1), and 1 for the row itself.

        The second column is the denominator: a resample of whole groups need not have as many rows as the
        sample. Raises ValueError on empty or unpaired input.
        """
        check_lengths(predictions, targets)
        right = [
            float(prediction.status == "parsed" and prediction.value == target)
            for prediction, target in zip(predictions, targets, strict=True)
        ]
        return np.column_stack([np.array(right), np.ones(len(right))])


PLUGIN: Metric = Accuracy()
