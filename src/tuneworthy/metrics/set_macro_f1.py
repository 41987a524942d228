"""Macro-F1 of label sets: every label counts the same, however rare."""

from collections.abc import Sequence

import numpy as np

from tuneworthy.core.prediction import Prediction
from tuneworthy.metrics import Metric, Parts
from tuneworthy.metrics._confusion import ratio
from tuneworthy.metrics._records import record_parts, split_records
from tuneworthy.metrics._sets import as_record, labels_of, with_record


class SetMacroF1:
    """Mean over the labels that occur in targets or answers of 2tp / (2tp + fp + fn).

    Worked example: targets `late; rude` and `late`, answers `late` twice: late 1, rude 0, mean 1/2.

    >>> from tuneworthy.metrics import worked_texts
    >>> worked_texts(PLUGIN, targets=["late; rude", "late"], answers=["late", "late"])
    0.5
    """

    name = "set_macro_f1"
    title = "macro-F1 of labels"
    best = 1.0
    worst = 0.0
    binary = False
    open = True

    def parts(
        self, predictions: Sequence[Prediction], targets: Sequence[str], labels: Sequence[str]
    ) -> Parts:
        """Shape [rows, 3 (K + 1)]; see `_records`. Raises ValueError on empty or unpaired input."""
        known = tuple(labels) or tuple(sorted({n for t in targets for n in labels_of(t)}))
        given = [with_record(prediction) for prediction in predictions]
        return record_parts(given, [as_record(target) for target in targets], known)

    def value(self, sums: Parts) -> Parts:
        """Macro-F1 from summed parts, shape [..., 3 (K + 1)] -> [...]."""
        tp, fp, fn = split_records(sums)
        occurs = (tp + fp + fn) > 0
        each = ratio(2 * tp, 2 * tp + fp + fn) * occurs
        return ratio(each.sum(-1), occurs.sum(-1).astype(np.float64), undefined=1.0)

    def per_label(self, sums: Parts, labels: Sequence[str]) -> dict[str, Parts]:
        """Empty: `set_micro_f1` has them."""
        return {}


PLUGIN: Metric = SetMacroF1()
