"""Records as bags of (field, value) pairs: the parts of the metrics of structured extraction.

Layout of the parts, K fields: columns [0, K] true positives, then false positives, then false negatives, each
in the order of the fields, and one more for fields that are not among them.
"""

import json
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from tuneworthy.core.prediction import Prediction
from tuneworthy.metrics import Parts, check_lengths

Pairs = Counter[tuple[str, str]]


def canonical(record: dict[str, Any]) -> str:
    """A record as text: fields in alphabetical order, so that equal records are equal texts."""
    return json.dumps(record, ensure_ascii=False, sort_keys=True)


def record_of(text: str) -> dict[str, Any] | None:
    """The JSON object that a text is, or None."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def pairs_of(record: dict[str, Any]) -> Pairs:
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


def record_parts(predictions: Sequence[Prediction], targets: Sequence[str], fields: Sequence[str]) -> Parts:
    """Shape [rows, 3 (K + 1)]; an answer that is no record has every pair of its target missing.

    Raises:
        ValueError: empty or unpaired input, or a target that is no JSON object.
    """
    check_lengths(predictions, targets)
    width = len(fields) + 1
    column = {field: i for i, field in enumerate(fields)}
    parts = np.zeros((len(targets), 3 * width))
    for row, (prediction, target) in enumerate(zip(predictions, targets, strict=True)):
        wanted = record_of(target)
        if wanted is None:
            raise ValueError(f"target '{target[:40]}' is no JSON object")
        given = record_of(prediction.value) if prediction.status == "parsed" and prediction.value else None
        ours, theirs = pairs_of(given or {}), pairs_of(wanted)
        for offset, found in ((0, ours & theirs), (width, ours - theirs), (2 * width, theirs - ours)):
            for (field, _), count in found.items():
                parts[row, offset + column.get(field, len(fields))] += count
    return parts


def split_records(sums: Parts) -> tuple[Parts, Parts, Parts]:
    """Sums [..., 3 (K + 1)] as true positives, false positives, false negatives, each [..., K + 1]."""
    width = sums.shape[-1] // 3
    return sums[..., :width], sums[..., width : 2 * width], sums[..., 2 * width :]
