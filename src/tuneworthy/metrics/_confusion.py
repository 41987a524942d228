"""True positives, false positives and false negatives per label: the parts of every macro metric.

Layout of the parts, K labels: columns [0, K) true positives, [K, 2K) false positives, [2K, 3K) false
negatives, each in the order of `labels`. An answer that is unparseable, failed, or no known label is a false
negative of its true label and no false positive of any other.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from tuneworthy.core.prediction import Prediction
from tuneworthy.metrics import Parts, check_lengths, columns_of

FEWEST_TRUE = 5  # rows of a label below which a resample has too often none of them


def confusion_parts(
    predictions: Sequence[Prediction], targets: Sequence[str], labels: Sequence[str]
) -> Parts:
    """Shape [rows, 3K], zeros and ones.

    Raises:
        ValueError: empty or unpaired input, a label given twice, or a target that is not among `labels`.
    """
    check_lengths(predictions, targets)
    column, count = columns_of(labels, targets), len(labels)
    parts = np.zeros((len(targets), 3 * count))
    for row, (prediction, target) in enumerate(zip(predictions, targets, strict=True)):
        answer = prediction.value if prediction.status == "parsed" else None
        if answer == target:
            parts[row, column[target]] = 1.0
            continue
        parts[row, 2 * count + column[target]] = 1.0
        if answer is not None and answer in column:
            parts[row, count + column[answer]] = 1.0
    return parts


def split_sums(sums: Parts) -> tuple[Parts, Parts, Parts]:
    """Summed parts [..., 3K] as true positives, false positives, false negatives, each [..., K]."""
    count = sums.shape[-1] // 3
    return sums[..., :count], sums[..., count : 2 * count], sums[..., 2 * count :]


def ratio(over: Parts, under: Parts, undefined: float = 0.0) -> Parts:
    """`over / under`, and `undefined` where `under` is zero."""
    result: Parts = np.divide(over, under, out=np.full(over.shape, undefined), where=under > 0)
    return result


def precision_of(sums: Parts, undefined: float = 0.0) -> Parts:
    """tp / (tp + fp) per label, shape [..., 3K] -> [..., K]."""
    tp, fp, _ = split_sums(sums)
    return ratio(tp, tp + fp, undefined)


def recall_of(sums: Parts, undefined: float = 0.0) -> Parts:
    """tp / (tp + fn) per label, shape [..., 3K] -> [..., K]."""
    tp, _, fn = split_sums(sums)
    return ratio(tp, tp + fn, undefined)


def f1_of(sums: Parts, undefined: float = 0.0) -> Parts:
    """2tp / (2tp + fp + fn) per label, shape [..., 3K] -> [..., K]."""
    tp, fp, fn = split_sums(sums)
    return ratio(2 * tp, 2 * tp + fp + fn, undefined)


def macro(per_label: Parts, sums: Parts) -> Parts:
    """The plain mean over the labels that occur in targets or answers, shape [..., K] -> [...].

    That is scikit-learn's macro average with `zero_division=0`: a label that occurs in neither is left out,
    one that occurs counts as 0 where its ratio is 0/0. A resample is scored by the same rule, over the labels
    that occur *in the resample*: the bootstrap applies the statistic itself to each resample. Scoring an
    absent label as 0 would punish an arm for rows that were not drawn (docs/statistics.md has the coverage
    of both).
    """
    tp, fp, fn = split_sums(sums)
    occurs = (tp + fp + fn) > 0
    return ratio((per_label * occurs).sum(axis=-1), occurs.sum(axis=-1).astype(np.float64))


def rare_label(sums: Parts, labels: Sequence[str], constant: bool) -> str | None:
    """Why some label is too rare for a mean over labels to be resampled, from sums [3K]; else None."""
    tp, _, fn = split_sums(sums)
    rare = [label for label, true in zip(labels, tp + fn, strict=True) if true < FEWEST_TRUE]
    if rare:
        return f"label '{rare[0]}' has fewer than {FEWEST_TRUE} true rows"
    missed = [label for label, right in zip(labels, tp, strict=True) if not right]
    return f"label '{missed[0]}' was never answered rightly" if missed and not constant else None


@dataclass(frozen=True, slots=True)
class Macro:
    """The mean over labels of a ratio of each, as scikit-learn averages with `zero_division=0`.

    Attributes:
        name, title: as every metric has them.
        of: the ratio, from summed parts [..., 3K] to [..., K].
    """

    name: str
    title: str
    of: Callable[[Parts], Parts]
    best: float = 1.0
    worst: float = 0.0
    binary: bool = False
    open: bool = False

    def parts(
        self, predictions: Sequence[Prediction], targets: Sequence[str], labels: Sequence[str]
    ) -> Parts:
        """True positives, false positives, false negatives per label, shape [rows, 3K].

        Raises ValueError on empty or unpaired input, and on a target that is not among `labels`.
        """
        return confusion_parts(predictions, targets, labels)

    def value(self, sums: Parts) -> Parts:
        """The macro average from summed parts, shape [..., 3K] -> [...]."""
        return macro(self.of(sums), sums)

    def too_rare(self, sums: Parts, labels: Sequence[str], constant: bool) -> str | None:
        """A label with fewer than five true rows, or one that is never answered rightly: in all resamples its
        part of the score is 0, however good the arm is at it. Of a constant answer it is 0 in truth.
        """
        return rare_label(sums, labels, constant)

    def per_label(self, sums: Parts, labels: Sequence[str]) -> dict[str, Parts]:
        """Each label's own value, 0 where it is 0/0; shape [..., 3K] -> [...] per label."""
        values = self.of(sums)
        return {label: values[..., index] for index, label in enumerate(labels)}
