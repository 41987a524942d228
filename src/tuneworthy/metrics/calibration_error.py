"""Expected calibration error: how far confidence is from being right as often as it says."""

from collections.abc import Sequence

import numpy as np

from tuneworthy.core.prediction import Prediction
from tuneworthy.metrics import Metric, Parts
from tuneworthy.metrics._probabilities import table
from tuneworthy.metrics._traits import OfWholeRows

BINS = 10


class CalibrationError(OfWholeRows):
    """Sum over ten equal bins of confidence of |mean confidence - share right| x the bin's share of rows.

    Confidence is the highest probability (Guo et al. 2017). With few rows it is biased upwards: a perfectly
    calibrated arm has a value above 0.

    Worked example: two rows at confidence 0.75, one right: |0.75 - 0.5|.

    >>> from tuneworthy.metrics import worked_probabilities
    >>> worked_probabilities(PLUGIN, targets="a b", shares=[(0.75, 0.25), (0.75, 0.25)])
    0.25
    """

    name = "calibration_error"
    title = "calibration error"
    best = 0.0
    worst = 1.0
    binary = False
    open = False
    needs_probabilities = True

    def parts(
        self, predictions: Sequence[Prediction], targets: Sequence[str], labels: Sequence[str]
    ) -> Parts:
        """Shape [rows, 11]: confidence less rightness in the row's bin, and 1.

        Raises ValueError as `_probabilities.table` does.
        """
        found, truth = table(predictions, targets, labels)
        silent = np.array([p.status != "parsed" for p in predictions])
        confidence = np.where(silent, 1.0, found.max(1))
        right = ~silent & (found.argmax(1) == truth)
        bins = np.minimum((confidence * BINS).astype(int), BINS - 1)
        parts = np.zeros((len(truth), BINS + 1))
        parts[np.arange(len(truth)), bins] = confidence - right
        parts[:, BINS] = 1.0
        return parts

    def value(self, sums: Parts) -> Parts:
        """The error from summed parts, shape [..., 11] -> [...]."""
        return np.asarray(np.abs(sums[..., :BINS]).sum(-1) / sums[..., BINS], dtype=np.float64)


PLUGIN: Metric = CalibrationError()
