"""Area under the ROC curve: how well each label's probability ranks its rows above the others."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from tuneworthy.core.prediction import Prediction
from tuneworthy.metrics import Metric, Parts
from tuneworthy.metrics._confusion import FEWEST_TRUE, ratio
from tuneworthy.metrics._probabilities import table

COLUMNS = 5  # of a label: see `placements`


class Auroc:
    """Mean over labels of the chance that a row of the label outranks a row of another; ties count half.

    One label against the rest, labels without a row left out: scikit-learn's
    `roc_auc_score(multi_class="ovr", average="macro")`. Rows keep their placements in a resample, which has
    the variance of DeLong et al. (1988).

    Worked example: p(b) 0.1 and 0.6 of rows of a, 0.4 and 0.9 of rows of b: 3 of 4 pairs in order.

    >>> from tuneworthy.metrics import worked_probabilities
    >>> shares = [(0.9, 0.1), (0.4, 0.6), (0.6, 0.4), (0.1, 0.9)]
    >>> worked_probabilities(PLUGIN, targets="a a b b", shares=shares)
    0.75
    """

    name = "auroc"
    title = "area under the ROC curve"
    best = 1.0
    worst = 0.0
    binary = False
    open = False
    needs_probabilities = True

    def parts(
        self, predictions: Sequence[Prediction], targets: Sequence[str], labels: Sequence[str]
    ) -> Parts:
        """Shape [rows, 5 K + 1]: placements per label, and 1. Raises ValueError as `table` does."""
        found, truth = table(predictions, targets, labels)
        silent = np.array([p.status != "parsed" for p in predictions])
        found[silent] = np.where(np.arange(len(labels)) == truth[silent, None], -1.0, 2.0)
        blocks = [placements(found[:, k], truth == k) for k in range(len(labels))]
        return np.hstack([*blocks, np.ones((len(truth), 1))])

    def value(self, sums: Parts) -> Parts:
        """The mean over labels from summed parts, shape [..., 5 K + 1] -> [...]; 0 without any."""
        values, known = _each(sums)
        return ratio((values * known).sum(-1), known.sum(-1).astype(np.float64))

    def too_rare(self, sums: Parts, labels: Sequence[str], constant: bool) -> str | None:
        """A label that fewer than five rows have, or have not: few placements make its area."""
        own, others = (sums[:-1].reshape(-1, COLUMNS)[:, column] for column in (1, 3))
        for label, has, has_not in zip(labels, own, others, strict=True):
            if min(has, has_not) < FEWEST_TRUE:
                which = "true" if has < has_not else "other"
                return f"label '{label}' has fewer than {FEWEST_TRUE} {which} rows"
        return None

    def per_label(self, sums: Parts, labels: Sequence[str]) -> dict[str, Parts]:
        """Each label's area, shape [..., 5 K + 1] -> [...] per label."""
        values, _ = _each(sums)
        return {label: values[..., k] for k, label in enumerate(labels)}


def placements(scores: NDArray[np.float64], own: NDArray[np.bool_]) -> Parts:
    """Of each row, [rows, 5]: for own rows the share of others below, and 1; for others the share of own rows
    above, and 1; the area over all rows, the same in every row.
    """
    count, others = int(own.sum()), int((~own).sum())
    parts = np.zeros((len(scores), COLUMNS))
    if not count or not others:
        return parts
    ranks = rankdata(scores)
    below = np.zeros(len(scores))
    below[own] = (ranks[own] - rankdata(scores[own])) / others
    below[~own] = 1 - (ranks[~own] - rankdata(scores[~own])) / count
    parts[:, 0], parts[:, 1] = below * own, own
    parts[:, 2], parts[:, 3] = below * ~own, ~own
    parts[:, 4] = below[own].mean()
    return parts


def _each(sums: Parts) -> tuple[Parts, NDArray[np.bool_]]:
    """The area of each label, [..., K], and whether rows of both sides are there."""
    blocks = sums[..., :-1].reshape(*sums.shape[:-1], -1, COLUMNS)
    known = (blocks[..., 1] > 0) & (blocks[..., 3] > 0)
    whole = blocks[..., 4] / sums[..., -1:]
    linear = ratio(blocks[..., 0], blocks[..., 1]) + ratio(blocks[..., 2], blocks[..., 3]) - whole
    return np.clip(linear, 0.0, 1.0) * known, known


PLUGIN: Metric = Auroc()
