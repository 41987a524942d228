"""Entity F1: how many entities are found with the right words and the right type, over all rows."""

from collections.abc import Sequence

from tuneworthy.core.prediction import Prediction
from tuneworthy.metrics import Metric, Parts, check_lengths
from tuneworthy.metrics._confusion import ratio
from tuneworthy.metrics._entities import as_record
from tuneworthy.metrics._records import record_parts, split_records


class EntityF1:
    """2tp / (2tp + fp + fn) over all entities: words and type must be right, case and white space aside.

    Where every entity's words occur once in a text this is seqeval's micro-F1 of whole entities; it does not
    see which of two equal mentions was meant.

    Worked example: target city Rome, person Ada; answer city Rome, city Ada: tp 1, fp 1, fn 1, F1 1/2.

    >>> from tuneworthy.metrics import worked_texts
    >>> worked_texts(PLUGIN, targets=["city: Rome; person: Ada"], answers=["city: Rome; city: Ada"])
    0.5
    """

    name = "entity_f1"
    title = "F1 of entities"
    best = 1.0
    worst = 0.0
    binary = False
    open = True

    def parts(
        self, predictions: Sequence[Prediction], targets: Sequence[str], labels: Sequence[str]
    ) -> Parts:
        """Shape [rows, 3 (K + 1)] for K types; see `_records`.

        Raises ValueError on empty or unpaired input and on a target that is no list of entities.
        """
        check_lengths(predictions, targets)
        wanted = [as_record(target) for target in targets]
        for target, record in zip(targets, wanted, strict=True):
            if record is None:
                raise ValueError(f"target '{target[:40]}' is no list of entities")
        given = [
            p.model_copy(update={"value": as_record(p.value) if p.value is not None else None})
            for p in predictions
        ]
        return record_parts(given, [str(record) for record in wanted], labels)

    def value(self, sums: Parts) -> Parts:
        """Micro-F1 from summed parts, shape [..., 3 (K + 1)] -> [...]; 1 where nothing is wanted or given."""
        tp, fp, fn = (part.sum(-1) for part in split_records(sums))
        return ratio(2 * tp, 2 * tp + fp + fn, undefined=1.0)

    def per_label(self, sums: Parts, labels: Sequence[str]) -> dict[str, Parts]:
        """Each type's F1, shape [..., 3 (K + 1)] -> [...] per type."""
        tp, fp, fn = split_records(sums)
        values = ratio(2 * tp, 2 * tp + fp + fn)
        return {kind: values[..., index] for index, kind in enumerate(labels)}


PLUGIN: Metric = EntityF1()
