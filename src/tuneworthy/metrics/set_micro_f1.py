"""Micro-F1 of label sets: every label of every row counts once."""

from collections.abc import Sequence

from tuneworthy.core.prediction import Prediction
from tuneworthy.metrics import Metric, Parts
from tuneworthy.metrics._confusion import ratio
from tuneworthy.metrics._records import record_parts, split_records
from tuneworthy.metrics._sets import as_record, with_record


class SetMicroF1:
    """2tp / (2tp + fp + fn) over the labels of all rows: scikit-learn's micro average.

    Worked example: target `late; damaged`, answer `late; rude`: tp 1, fp 1, fn 1, F1 1/2.

    >>> from tuneworthy.metrics import worked_texts
    >>> worked_texts(PLUGIN, targets=["late; damaged"], answers=["late; rude"])
    0.5
    """

    name = "set_micro_f1"
    title = "micro-F1 of labels"
    best = 1.0
    worst = 0.0
    binary = False
    open = True

    def parts(
        self, predictions: Sequence[Prediction], targets: Sequence[str], labels: Sequence[str]
    ) -> Parts:
        """Shape [rows, 3 (K + 1)]; see `_records`. Raises ValueError on empty or unpaired input."""
        given = [with_record(prediction) for prediction in predictions]
        return record_parts(given, [as_record(target) for target in targets], labels)

    def value(self, sums: Parts) -> Parts:
        """Micro-F1 from summed parts, shape [..., 3 (K + 1)] -> [...]; 1 where nothing is wanted or given."""
        tp, fp, fn = (part.sum(-1) for part in split_records(sums))
        return ratio(2 * tp, 2 * tp + fp + fn, undefined=1.0)

    def per_label(self, sums: Parts, labels: Sequence[str]) -> dict[str, Parts]:
        """Each label's F1, shape [..., 3 (K + 1)] -> [...] per label."""
        tp, fp, fn = split_records(sums)
        values = ratio(2 * tp, 2 * tp + fp + fn)
        return {label: values[..., index] for index, label in enumerate(labels)}


PLUGIN: Metric = SetMicroF1()
