"""Exact record: the share of rows whose every field is right, none missing and none too many."""

from collections.abc import Sequence

import numpy as np

from tuneworthy.core.prediction import Prediction
from tuneworthy.metrics import Metric, Parts
from tuneworthy.metrics._answers import mean_value
from tuneworthy.metrics._records import record_parts, split_records


class ExactRecord:
    """Right records / rows, case and white space aside.

    Worked example: two rows, one with every field right, one with a wrong day: 1 of 2.

    >>> from tuneworthy.metrics import worked_texts
    >>> rome, monday = '{"city": "Rome"}', '{"day": "Monday"}'
    >>> worked_texts(PLUGIN, targets=[rome, monday], answers=['{"city": "ROME"}', '{"day": "Sunday"}'])
    0.5
    """

    name = "exact_record"
    title = "exact record"
    best = 1.0
    worst = 0.0
    binary = True
    open = True

    def parts(
        self, predictions: Sequence[Prediction], targets: Sequence[str], labels: Sequence[str]
    ) -> Parts:
        """Shape [rows, 2]: right (0 or 1), and 1 for the row.

        Raises ValueError on empty or unpaired input and on a target that is no JSON object.
        """
        _, wrong, missing = split_records(record_parts(predictions, targets, labels))
        whole = np.array([p.status == "parsed" and p.value is not None for p in predictions])
        right = whole & (wrong.sum(-1) + missing.sum(-1) == 0)
        return np.column_stack([right.astype(np.float64), np.ones(len(right))])

    def value(self, sums: Parts) -> Parts:
        """Right / rows, shape [..., 2] -> [...]."""
        return mean_value(sums)

    def per_label(self, sums: Parts, labels: Sequence[str]) -> dict[str, Parts]:
        """Empty: a record is right as a whole."""
        return {}


PLUGIN: Metric = ExactRecord()
