"""Error rates by group: whom an arm serves worse than others."""

from collections.abc import Sequence
from typing import TypedDict

import numpy as np
from scipy.stats import PermutationMethod, binomtest, chi2_contingency

from tuneworthy.core.example import Example
from tuneworthy.core.prediction import Prediction

FEWEST = 10  # rows of a group that is named
SHUFFLES = 9_999


class GroupRow(TypedDict):
    """Errors of one group: how many of `n` rows, and the Wilson interval of the rate."""

    group: str
    n: int
    wrong: int
    low: float
    high: float


class GroupErrors(TypedDict):
    """Groups of at least ten rows, the highest error rate first; `left` rows are in smaller ones.

    `p` is that of a permutation test of independence (Pearson's chi-squared) of error and group.
    """

    groups: list[GroupRow]
    left: int
    p: float


def group_errors(
    predictions: Sequence[Prediction], examples: Sequence[Example], confidence: float, seed: int
) -> GroupErrors | None:
    """Error rates by group, or None when fewer than two groups have ten rows."""
    right = {p.example_id: p.status == "parsed" and p.value for p in predictions}
    wrong: dict[str, list[bool]] = {}
    for row in examples:
        if row.group is not None:
            wrong.setdefault(row.group, []).append(right[row.id] != row.target)
    named = {group: found for group, found in wrong.items() if len(found) >= FEWEST}
    if len(named) < 2:
        return None
    rows = []
    for group, found in named.items():
        interval = binomtest(sum(found), len(found)).proportion_ci(confidence, method="wilson")
        rows.append(
            GroupRow(
                group=group,
                n=len(found),
                wrong=sum(found),
                low=float(interval.low),
                high=float(interval.high),
            )
        )
    return GroupErrors(
        groups=sorted(rows, key=lambda row: (-row["wrong"] / row["n"], row["group"])),
        left=sum(len(found) for group, found in wrong.items() if group not in named),
        p=_independence(rows, seed),
    )


def _independence(rows: Sequence[GroupRow], seed: int) -> float:
    table = np.array([[row["wrong"], row["n"] - row["wrong"]] for row in rows])
    if not table.sum(0).all():
        return 1.0  # all wrong or all right: nothing to tell groups by
    shuffled = PermutationMethod(n_resamples=SHUFFLES, rng=np.random.default_rng(seed))
    return float(chi2_contingency(table, correction=False, method=shuffled).pvalue)
