"""Field F1: how many (field, value) pairs of the records are right, over all rows."""

from collections.abc import Sequence

from tuneworthy.core.prediction import Prediction
from tuneworthy.metrics import Metric, Parts
from tuneworthy.metrics._confusion import ratio
from tuneworthy.metrics._records import record_parts, split_records


class FieldF1:
    """2tp / (2tp + fp + fn) over the pairs of all rows; a list's items are pairs of their own.

    Case and white space do not count; nothing wanted and nothing given is right.

    Worked example: target city Rome, day Monday; answer city Rome, day Sunday: tp 1, fp 1, fn 1, F1 1/2.

    >>> from tuneworthy.metrics import worked_texts
    >>> target, answer = '{"city": "Rome", "day": "Monday"}', '{"city": "rome", "day": "Sunday"}'
    >>> worked_texts(PLUGIN, targets=[target], answers=[answer])
    0.5
    """

    name = "field_f1"
    title = "F1 of fields"
    best = 1.0
    worst = 0.0
    binary = False
    open = True

    def parts(
        self, predictions: Sequence[Prediction], targets: Sequence[str], labels: Sequence[str]
    ) -> Parts:
        """Shape [rows, 3 (K + 1)] for K fields; see `_records`.

        Raises ValueError on empty or unpaired input and on a target that is no JSON object.
        """
        return record_parts(predictions, targets, labels)

    def value(self, sums: Parts) -> Parts:
        """Micro-F1 from summed parts, shape [..., 3 (K + 1)] -> [...]."""
        tp, fp, fn = (part.sum(-1) for part in split_records(sums))
        return ratio(2 * tp, 2 * tp + fp + fn, undefined=1.0)

    def per_label(self, sums: Parts, labels: Sequence[str]) -> dict[str, Parts]:
        """Each field's F1, shape [..., 3 (K + 1)] -> [...] per field."""
        tp, fp, fn = split_records(sums)
        values = ratio(2 * tp, 2 * tp + fp + fn)
        return {field: values[..., index] for index, field in enumerate(labels)}


PLUGIN: Metric = FieldF1()
