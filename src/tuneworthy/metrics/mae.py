"""Mean absolute error: how far answers are from their targets, in the targets' own unit."""

from collections.abc import Sequence

import numpy as np

from tuneworthy.core.prediction import Prediction
from tuneworthy.metrics import Metric, Parts
from tuneworthy.metrics._numbers import pairs
from tuneworthy.metrics._traits import MeanOverRows


class MeanAbsoluteError(MeanOverRows):
    """Mean over rows of |answer - target|; an answer that is no number is as wrong as the targets allow.

    Worked example: targets 3 and 5, answers 4 and 5: (1 + 0) / 2.

    >>> from tuneworthy.metrics import worked_texts
    >>> worked_texts(PLUGIN, targets=["3", "5"], answers=["4", "5"])
    0.5
    """

    name = "mae"
    title = "mean absolute error"
    best = 0.0
    worst = float("inf")
    binary = False
    open = True

    def parts(
        self, predictions: Sequence[Prediction], targets: Sequence[str], labels: Sequence[str]
    ) -> Parts:
        """Shape [rows, 2]: absolute error, and 1.

        Raises ValueError on empty or unpaired input and on a target that is no number.
        """
        given, wanted = pairs(predictions, targets, labels)
        return np.column_stack([np.abs(given - wanted), np.ones(len(given))])


PLUGIN: Metric = MeanAbsoluteError()
