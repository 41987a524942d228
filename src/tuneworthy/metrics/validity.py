"""Validity: the share of answers that could be read at all, right or wrong."""

from collections.abc import Sequence

import numpy as np

from tuneworthy.core.prediction import Prediction
from tuneworthy.metrics import Metric, Parts, check_lengths
from tuneworthy.metrics._answers import mean_value


class Validity:
    """Answers that the task could parse / rows: for records, those that are a JSON object.

    Worked example: every answer in this notation is readable.

    >>> from tuneworthy.metrics import worked_texts
    >>> worked_texts(PLUGIN, targets=['{"a": "1"}'], answers=['{"a": "2"}'])
    1.0
    """

    name = "validity"
    title = "validity"
    best = 1.0
    worst = 0.0
    binary = True
    open = True

    def parts(
        self, predictions: Sequence[Prediction], targets: Sequence[str], labels: Sequence[str]
    ) -> Parts:
        """Shape [rows, 2]: readable (0 or 1), and 1. Raises ValueError on empty or unpaired input."""
        check_lengths(predictions, targets)
        readable = np.array([float(p.status == "parsed" and p.value is not None) for p in predictions])
        return np.column_stack([readable, np.ones(len(readable))])

    def value(self, sums: Parts) -> Parts:
        """Readable / rows, shape [..., 2] -> [...]."""
        return mean_value(sums)

    def per_label(self, sums: Parts, labels: Sequence[str]) -> dict[str, Parts]:
        """Empty: an answer is readable as a whole."""
        return {}


PLUGIN: Metric = Validity()
