"""`PairF1` and `MacroPairF1`: records as bags of (field, value) pairs, and the F1 of those.

Layout of the parts, K fields: columns [0, K] true positives, then false positives, then false negatives, each
in the order of the fields, and one more for fields that are not among them.
"""

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tuneworthy.core.prediction import Prediction
from tuneworthy.core.strict_json import strict_json
from tuneworthy.metrics import Parts, check_lengths
from tuneworthy.metrics._confusion import f1_of, rare_label, ratio, split_sums

Pairs = Counter[tuple[str, str]]
Read = Callable[[str], Mapping[str, Any] | None]


def canonical(record: dict[str, Any]) -> str:
    """A record as text: fields in alphabetical order, so that equal records are equal texts."""
    return json.dumps(record, ensure_ascii=False, sort_keys=True)


def record_of(text: str) -> dict[str, Any] | None:
    """The JSON object that a text is, or None."""
    try:
        found = strict_json(text)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def pairs_of(record: Mapping[str, Any]) -> Pairs:
    """Every field with every value it has; empty values are no values, case and white space do not count.

    >>> sorted(pairs_of({"city": " New  York", "tags": ["a", "b"], "note": ""}))
    [('city', 'new york'), ('tags', 'a'), ('tags', 'b')]
    """
    pairs: Pairs = Counter()
    for field, value in record.items():
        for one in value if isinstance(value, list) else [value]:
            text = one if isinstance(one, str) else "" if one is None else json.dumps(one, sort_keys=True)
            plain = " ".join(text.casefold().split())
            if plain:
                pairs[field, plain] += 1
    return pairs


def wanted_record(target: str, read: Read) -> Mapping[str, Any]:
    """The target's record; raises ValueError when it has none."""
    wanted = read(target)
    if wanted is None:
        raise ValueError(f"target '{target[:40]}' cannot be read")
    return wanted


@dataclass(frozen=True, slots=True)
class PairF1:
    """2tp / (2tp + fp + fn) over the (field, value) pairs of all rows; 1 where none is wanted or given.

    Attributes:
        name, title: as every metric has them.
        read: from an answer or a target to its record; None where it has none.
    """

    name: str
    title: str
    read: Read
    best: float = 1.0
    worst: float = 0.0
    binary: bool = False
    open: bool = True

    def parts(
        self, predictions: Sequence[Prediction], targets: Sequence[str], labels: Sequence[str]
    ) -> Parts:
        """Shape [rows, 3 (K + 1)] for K fields; an answer without a record misses every pair of its target.

        Raises ValueError on empty or unpaired input and on a target that has no record.
        """
        check_lengths(predictions, targets)
        fields = tuple(labels) or tuple(sorted({f for t in targets for f in wanted_record(t, self.read)}))
        width = len(fields) + 1
        column = {field: i for i, field in enumerate(fields)}
        parts = np.zeros((len(targets), 3 * width))
        for row, (prediction, target) in enumerate(zip(predictions, targets, strict=True)):
            wanted = wanted_record(target, self.read)
            given = (
                self.read(prediction.value) if prediction.status == "parsed" and prediction.value else None
            )
            ours, theirs = pairs_of(given or {}), pairs_of(wanted)
            for offset, found in ((0, ours & theirs), (width, ours - theirs), (2 * width, theirs - ours)):
                for (field, _), count in found.items():
                    parts[row, offset + column.get(field, len(fields))] += count
        return parts

    def value(self, sums: Parts) -> Parts:
        """F1 from summed parts, shape [..., 3 (K + 1)] -> [...]."""
        tp, fp, fn = split_sums(sums)
        return ratio(2 * tp.sum(-1), (2 * tp + fp + fn).sum(-1), undefined=1.0)

    def per_label(self, sums: Parts, labels: Sequence[str]) -> dict[str, Parts]:
        """Each field's F1, shape [..., 3 (K + 1)] -> [...] per field."""
        values = f1_of(sums)
        return {field: values[..., index] for index, field in enumerate(labels)}


@dataclass(frozen=True, slots=True)
class MacroPairF1(PairF1):
    """The mean over the fields that occur, each counted alike; 1 where none is wanted or given."""

    def value(self, sums: Parts) -> Parts:
        """Mean F1 from summed parts, shape [..., 3 (K + 1)] -> [...]."""
        tp, fp, fn = split_sums(sums)
        occurs = (tp + fp + fn) > 0
        return ratio((f1_of(sums) * occurs).sum(-1), occurs.sum(-1).astype(np.float64), undefined=1.0)

    def too_rare(self, sums: Parts, labels: Sequence[str], constant: bool) -> str | None:
        """As a macro average of single labels has it; what is among no field has no say."""
        known = np.concatenate([columns[: len(labels)] for columns in split_sums(sums)])
        return rare_label(known, labels, constant)

    def per_label(self, sums: Parts, labels: Sequence[str]) -> dict[str, Parts]:
        """Empty: the average over all pairs has them."""
        return {}
