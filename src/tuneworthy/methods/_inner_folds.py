"""The folds on which the cheap arms choose their settings: rows of one group or one text are never apart.

Else a setting is chosen for how well it recalls a row's twin, which the rows to be scored have none of.
"""

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import GroupKFold, KFold

from tuneworthy.core.example import Example
from tuneworthy.data.repeats import group_keys
from tuneworthy.data.splits import folds_of

FOLDS = 5
Fold = tuple[NDArray[np.intp], NDArray[np.intp]]  # numbers of the rows to fit, and of those to answer


def stratified_folds(rows: Sequence[Example], seed: int) -> list[Fold]:
    """Up to five folds in which every label has its share; fewer where a label has fewer groups than that.

    Rows that are all one group are told apart all the same: there is no other way to choose on them.
    """
    groups = group_keys(rows)
    if len(set(groups)) < 2:
        rows = [row.model_copy(update={"group": None, "input": row.id}) for row in rows]
        groups = group_keys(rows)
    pairs = {(str(row.target), group) for row, group in zip(rows, groups, strict=True)}
    folds = max(2, min(FOLDS, min(Counter(label for label, _ in pairs).values())))
    everything = np.arange(len(rows))
    held = [np.array(sorted(part)) for part in folds_of(rows, folds, seed)]
    return [(np.setdiff1d(everything, part), part) for part in held]


def plain_folds(rows: Sequence[Example], seed: int) -> list[Fold]:
    """Up to five folds, where answers are nothing to stratify by."""
    groups = group_keys(rows)
    distinct = len(set(groups))
    if distinct == len(rows) or distinct < 2:
        return list(KFold(min(FOLDS, len(rows)), shuffle=True, random_state=seed).split(groups))
    grouped = GroupKFold(min(FOLDS, distinct), shuffle=True, random_state=seed)
    return list(grouped.split(groups, groups=groups))
