"""Log-loss: how surprised the probabilities are by the right labels."""

from collections.abc import Sequence

import numpy as np

from tuneworthy.core.prediction import Prediction
from tuneworthy.metrics import Metric, Parts
from tuneworthy.metrics._probabilities import LEAST, table
from tuneworthy.metrics._traits import MeanOverRows


class LogLoss(MeanOverRows):
    """Mean over rows of -log p(right label), in nats; no probability counts as less than 1e-6.

    Worked example: p of the right label 0.5 and 0.25: (0.6931 + 1.3863) / 2.

    >>> from tuneworthy.metrics import worked_probabilities
    >>> worked_probabilities(PLUGIN, targets="a b", shares=[(0.5, 0.5), (0.75, 0.25)])
    1.0397
    """

    name = "log_loss"
    title = "log-loss"
    best = 0.0
    worst = -float(np.log(LEAST))
    binary = False
    open = False
    needs_probabilities = True

    def parts(
        self, predictions: Sequence[Prediction], targets: Sequence[str], labels: Sequence[str]
    ) -> Parts:
        """Shape [rows, 2]: -log p, and 1. Raises ValueError as `_probabilities.table` does."""
        found, truth = table(predictions, targets, labels)
        right = np.clip(found[np.arange(len(truth)), truth], LEAST, 1.0)
        return np.column_stack([-np.log(right), np.ones(len(truth))])


PLUGIN: Metric = LogLoss()
