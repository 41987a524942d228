"""Splits: stratified by label, whole groups on one side, exact duplicates never apart.

`holdout` sets one part aside; `crossfit` predicts every row once, by a model that never saw it. Which rows a
unit may fit, validate on and predict is decided here, once, and stored.
"""

import warnings
from collections import Counter
from collections.abc import Sequence
from typing import Literal

import numpy as np
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

from tuneworthy.core.errors import DataError
from tuneworthy.core.example import Example, RowSet
from tuneworthy.core.frozen import Frozen
from tuneworthy.data.repeats import group_keys

UNEVEN = 0.25  # of a part's even size, by which it may be off
CROSSFIT_BELOW = 1000  # rows; from here on a hold-out part is large enough to settle most questions


class Fold(Frozen):
    """The three row sets of one fold, by address."""

    fit: str
    validation: str
    predict: str


class Split(Frozen):
    """Every row set of a run.

    Attributes:
        protocol: "holdout" (one fold) or "crossfit".
        folds: one under holdout.
        row_sets: ids by address.
        everything: address of the rows the final refit uses.
    """

    protocol: Literal["holdout", "crossfit"]
    folds: tuple[Fold, ...]
    row_sets: dict[str, tuple[str, ...]]
    everything: str

    def rows(self, address: str) -> tuple[str, ...]:
        """The ids of one row set."""
        return self.row_sets[address]

    @property
    def test_ids(self) -> tuple[str, ...]:
        """Every predicted row, once, in fold order."""
        return tuple(row for fold in self.folds for row in self.row_sets[fold.predict])


def choose_protocol(
    asked: Literal["auto", "holdout", "crossfit"], rows: int, has_test_file: bool
) -> Literal["holdout", "crossfit"]:
    """`auto`: holdout with a test file or from 1,000 rows on, else crossfit (80/20 of 300 settles little).

    Raises:
        DataError: crossfit was asked for together with a test file.
    """
    if asked == "crossfit" and has_test_file:
        raise DataError("a test file and protocol crossfit exclude each other: drop one of the two.")
    if asked != "auto":
        return asked
    return "holdout" if has_test_file or rows >= CROSSFIT_BELOW else "crossfit"


def make_split(
    examples: Sequence[Example],
    protocol: Literal["holdout", "crossfit"],
    folds: int,
    test_fraction: float,
    validation_fraction: float,
    seed: int,
    test: Sequence[Example] = (),
) -> Split:
    """Draws the split; the same rows and seed give the same split.

    Args:
        examples: the labelled table.
        protocol: holdout or crossfit.
        folds: folds of a crossfit.
        test_fraction: held out under holdout, when no test rows are given.
        validation_fraction: share of each training part that chooses checkpoints.
        seed: of every draw.
        test: rows of the user's own test file.

    Raises:
        DataError: there are fewer groups than folds.
    """
    row_sets: dict[str, tuple[str, ...]] = {}

    def keep(rows: Sequence[Example]) -> str:
        chosen = RowSet.of(rows)
        row_sets[chosen.address] = chosen.ids
        return chosen.address

    def fold(training: Sequence[Example], predicted: Sequence[Example], number: int) -> Fold:
        held = _share(training, validation_fraction, seed + 1000 + number)
        return Fold(
            fit=keep([row for i, row in enumerate(training) if i not in held]),
            validation=keep([row for i, row in enumerate(training) if i in held]),
            predict=keep(predicted),
        )

    if test:
        made = [fold(examples, test, 0)]
    else:
        if protocol == "crossfit":
            wanted = folds_of(examples, folds, seed)
        else:
            wanted = [_share(examples, test_fraction, seed)]
        made = [
            fold(
                [row for i, row in enumerate(examples) if i not in held],
                [row for i, row in enumerate(examples) if i in held],
                number,
            )
            for number, held in enumerate(wanted)
        ]
    return Split(protocol=protocol, folds=tuple(made), row_sets=row_sets, everything=keep(examples))


def folds_of(examples: Sequence[Example], folds: int, seed: int) -> list[set[int]]:
    """Row numbers of each fold: groups and exact duplicates kept whole, stratified by labels that repeat.

    Raises:
        DataError: there are fewer groups than folds.
    """
    return _partition(examples, group_keys(examples), folds, seed)


def _share(examples: Sequence[Example], fraction: float, seed: int) -> set[int]:
    """Row numbers of `fraction` of the rows: n of d equal parts, n/d within one point of it.

    Few large parts keep a rare label on both sides, so d is as small as it can be. Where there are fewer
    groups than that, every group is a part.
    """
    near = (d for d in range(2, 101) if 0 < round(d * fraction) < d)
    wanted = next(d for d in near if abs(round(d * fraction) / d - fraction) < 0.01)
    groups = group_keys(examples)
    parts = min(wanted, len(set(groups)))
    if parts < 2:
        raise DataError("all rows are one group, so none can be held out: name another --group column.")
    even = len(examples) / parts
    # A group larger than a part makes one that is all its own, and the splitter lists it first: held out it
    # would leave little to learn from, whatever the seed. Parts of about the even size come first instead.
    found = sorted(
        _partition(examples, groups, parts, seed),
        key=lambda held: max(0.0, abs(len(held) - even) - UNEVEN * even),
    )
    return set().union(*found[: min(parts - 1, max(1, round(parts * fraction)))])


def _partition(examples: Sequence[Example], groups: Sequence[int], parts: int, seed: int) -> list[set[int]]:
    """Row numbers of each of `parts` parts: groups and exact duplicates kept whole, stratified by label where
    labels repeat.
    """
    distinct = len(set(groups))
    if distinct < parts:
        raise DataError(
            f"{distinct} groups cannot be split into {parts} folds: name another --group column or fewer "
            "folds."
        )
    targets = np.array([str(row.target) for row in examples])
    if max(Counter(targets).values()) < parts:
        targets = np.zeros(len(examples), dtype=int)  # answers of their own: nothing to stratify by
    blank = np.zeros(len(examples))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a label with fewer rows than parts: said by a check
        if distinct == len(examples) and max(Counter(targets).values()) >= parts:
            splitter = StratifiedKFold(parts, shuffle=True, random_state=seed)
            found = [set(map(int, held)) for _, held in splitter.split(blank, targets)]
        else:
            grouped = StratifiedGroupKFold(parts, shuffle=True, random_state=seed)
            found = [set(map(int, held)) for _, held in grouped.split(blank, targets, groups)]
    return [held for held in found if held]
