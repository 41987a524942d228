"""A comparison that was looked at while it went on: sequential p values, repeated confidence intervals."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import sqrt

import numpy as np
from scipy.stats import norm

from tuneworthy.core.evidence import Comparison
from tuneworthy.core.example import Example
from tuneworthy.core.prediction import Prediction
from tuneworthy.evaluation.bootstrap import FEWEST_UNITS, swapped_sums
from tuneworthy.evaluation.paired import compare
from tuneworthy.evaluation.rows import Rows, rows_of
from tuneworthy.evaluation.seeds import (
    parts_by_seed,
    seeds_side_by_side,
    side_by_side,
    swapped_difference,
)
from tuneworthy.evaluation.sequential import Paths, chance_to_cross, exact_p, level_at, permuted_p
from tuneworthy.metrics import Metric, Parts

Answered = Sequence[Prediction]
HOPE = 0.975  # one-sided confidence of the difference that a futile arm is not even hoped to have


@dataclass(frozen=True)
class Looks:
    """When an arm's rows were seen.

    Attributes:
        rows: ids that each look added.
        planned: rows that the last look was to have seen, declared before the first.
    """

    rows: tuple[frozenset[str], ...]
    planned: int

    @property
    def shares(self) -> tuple[float, ...]:
        """Of the planned rows, all up to each look."""
        return tuple(float(n) / self.planned for n in np.cumsum([len(one) for one in self.rows]))

    def on(self, ids: frozenset[str]) -> "Looks":
        """The looks at these rows alone: another arm, which had ended before, may not have answered them all.

        No more is spent than was planned, since they are a smaller share of it.
        """
        own = (one & ids for one in self.rows)
        return replace(self, rows=tuple(one for one in own if one))


def compare_looks(
    looks: Looks,
    metric: Metric,
    a: Answered,
    b: Answered,
    examples: Sequence[Example],
    labels: Sequence[str],
    *,
    method: str,
    against: str,
    repeats: tuple[Sequence[Answered], Sequence[Answered]] = ((), ()),
    confidence: float = 0.95,
    resamples: int = 10_000,
    seed: int = 0,
) -> Comparison:
    """`a` minus `b` as `compare` has it, at the level that this look is allowed.

    p values hold over all looks: exact for right-or-wrong rows, by permutation of whole paths for any other
    metric, rows that share groups and means over seeds. The interval is a repeated confidence interval; a
    bootstrap has none where fewer than five resamples would lie beyond its ends. Both
    claim no more than they would without looks if there was one, at all rows.

    Args:
        looks: rows seen so far, all of them; the others are as for `compare`.
    """
    tail = level_at((1 - confidence) / 2, looks.shares)
    found = compare(
        metric,
        a,
        b,
        examples,
        labels,
        method=method,
        against=against,
        repeats=repeats,
        confidence=1 - 2 * tail,
        resamples=resamples,
        seed=seed,
    )
    if found.test == "mcnemar_exact":
        rows = rows_of(examples)
        ours, theirs = (_right(metric, rows, given, labels) for given in (a, b))
        wins, losses = (
            tuple(int(n) for n in np.cumsum([len(only & own) for own in looks.rows]))
            for only in (ours - theirs, theirs - ours)
        )
        discordant = tuple(won + lost for won, lost in zip(wins, losses, strict=True))
        greater = exact_p(wins, discordant, looks.shares)
        less = exact_p(losses, discordant, looks.shares)
    else:
        if found.low is not None and tail * resamples < FEWEST_UNITS:
            reason = f"{resamples:,} resamples do not show what so early a look is allowed to say"
            found = found.model_copy(update={"low": None, "high": None, "interval": "", "reason": reason})
        paths = _paths(looks, metric, a, b, examples, labels, repeats, resamples, seed)
        greater, less = permuted_p(paths, looks.shares), permuted_p(-paths, looks.shares)
    return found.model_copy(
        update={
            "p_greater": greater,
            "p_two_sided": min(1.0, 2 * min(greater, less)),
            "test": f"sequential_{found.test}",
        }
    )


def chance_to_win(
    found: Comparison, looks: Looks, alpha: float, final: Sequence[float], error: bool
) -> float:
    """Probability that the last look shows the first arm better, were it as good as can be hoped by now.

    Hoped for is the upper end of an ordinary 95% interval of the difference. Without an interval nothing is
    ruled out, and it is 1.

    Args:
        found: the comparison at this look.
        looks: rows seen so far.
        alpha: one-sided error rate over all looks.
        final: shares of the rows at all looks, those to come among them.
        error: whether the lower is the better.
    """
    end = found.low if error else found.high
    share = looks.shares[-1]
    if end is None or share >= 1:
        return 1.0
    width = abs(end - found.difference) / norm.ppf((1 + found.confidence) / 2)
    if width <= 0:
        return 1.0
    z = (-found.difference if error else found.difference) / width
    hoped = (z + norm.ppf(HOPE)) / sqrt(share)
    return chance_to_cross(z, hoped, share, level_at(alpha, tuple(final)))


def _right(metric: Metric, rows: Rows, given: Answered, labels: Sequence[str]) -> set[str]:
    """Ids of the rows that an arm has right."""
    parts = parts_by_seed(metric, rows, given, (), labels)[0]
    return {row for row, own in zip(rows.ids, parts, strict=True) if own[0] > 0}


def _paths(
    looks: Looks,
    metric: Metric,
    a: Answered,
    b: Answered,
    examples: Sequence[Example],
    labels: Sequence[str],
    repeats: tuple[Sequence[Answered], Sequence[Answered]],
    resamples: int,
    seed: int,
) -> Paths:
    """The difference in favour of `a` at each look, as seen and with random swaps, shape [1 + R, looks].

    Whole groups are swapped, and a group lies within a fold: no look cuts one.
    """
    rows = rows_of(examples)
    units = (
        np.stack([rows.by_unit(one) for one in parts_by_seed(metric, rows, given, more, labels)])
        for given, more in ((a, repeats[0]), (b, repeats[1]))
    )
    ours, theirs = seeds_side_by_side(metric, *units)
    pairs, _, width = ours.shape
    added = {row: look for look, ids in enumerate(looks.rows) for row in ids}
    look_of = np.zeros(rows.units, dtype=np.int64)
    for unit, row in zip(rows.unit, rows.ids, strict=True):
        look_of[unit] = added[row]
    crossed: Parts = np.zeros((1 + resamples, pairs, width))
    found = []
    for look in range(len(looks.rows)):
        own, seen = look_of == look, look_of <= look
        swapped = swapped_sums(side_by_side((ours - theirs)[:, own]), resamples, seed + look)
        crossed[1:] += swapped.reshape(resamples, pairs, width)
        sums = ours[:, seen].sum(axis=1), theirs[:, seen].sum(axis=1)
        found.append(swapped_difference(metric, *sums, crossed))
    return np.stack(found, axis=1)
