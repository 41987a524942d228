"""An arm that was fitted on several seeds: its mean, how it is tested, an interval over rows and seeds."""

from collections.abc import Sequence
from functools import lru_cache
from math import lcm
from typing import Any, cast

import numpy as np

from tuneworthy.core.example import Example
from tuneworthy.core.prediction import Prediction
from tuneworthy.evaluation.bootstrap import Values, resampled_sums
from tuneworthy.evaluation.rows import Rows, rows_of
from tuneworthy.metrics import Metric, Parts, oriented
from tuneworthy.metrics._traits import MeanOverRows


def parts_by_seed(
    metric: Metric,
    rows: Rows,
    predictions: Sequence[Prediction],
    repeats: Sequence[Sequence[Prediction]],
    labels: Sequence[str],
) -> Parts:
    """Parts of every seed's answers, shape [seeds, rows, P]."""
    answers = (predictions, *repeats)
    return np.stack([metric.parts(rows.order(given), rows.targets, labels) for given in answers])


def mean_value(metric: Metric, parts: Parts) -> float:
    """The metric's mean over seeds, from parts [seeds, rows, P]."""
    return float(metric.value(parts.sum(axis=1)).mean())


def values_by_seed(
    metric: Metric,
    predictions: Sequence[Prediction],
    repeats: Sequence[Sequence[Prediction]],
    examples: Sequence[Example],
    labels: Sequence[str],
) -> tuple[float, ...]:
    """The metric of each seed's answers, the first one's first; nothing where there is one seed."""
    if not repeats:
        return ()
    parts = parts_by_seed(metric, rows_of(examples), predictions, repeats, labels)
    return tuple(float(value) for value in metric.value(parts.sum(axis=1)))


def variance_of_mean(by_seed: Sequence[float]) -> float:
    """Of the mean over draws of as many seeds; 0 of one seed, whose draw nothing tells of."""
    return float(np.var(by_seed, ddof=1)) / len(by_seed) if len(by_seed) > 1 else 0.0


def seeds_side_by_side(metric: Metric, a: Parts, b: Parts) -> tuple[Parts, Parts]:
    """The seeds of two arms in pairs, parts [seeds, units, P] of both; an arm of one seed stands by each.

    The mean over seeds of a mean over rows is that of each row's mean, for which one pair is enough.
    """
    if isinstance(metric, MeanOverRows):
        return a.mean(axis=0, keepdims=True), b.mean(axis=0, keepdims=True)
    count = lcm(len(a), len(b))
    return np.tile(a, (count // len(a), 1, 1)), np.tile(b, (count // len(b), 1, 1))


def swapped_difference(metric: Metric, sums_a: Parts, sums_b: Parts, crossed: Parts) -> Values:
    """The mean over pairs of seeds of the difference in favour of `a`, once some units' answers are swapped.

    Of every seed the metric is taken before the mean: that of pooled answers is another number.

    Args:
        metric: any.
        sums_a, sums_b: summed parts of each arm, shape [pairs, P].
        crossed: of `a` minus `b`, summed over the swapped units, shape [R, pairs, P].

    Returns:
        Shape [R].
    """
    found = [
        metric.value(ours - over) - metric.value(theirs + over)
        for ours, theirs, over in zip(sums_a, sums_b, crossed.transpose(1, 0, 2), strict=True)
    ]
    return np.asarray(oriented(metric, np.mean(found, axis=0)))


def side_by_side(pairs: Parts) -> Parts:
    """Parts [pairs, units, P] as [units, pairs * P], so that one product swaps the units of all pairs."""
    return pairs.transpose(1, 0, 2).reshape(pairs.shape[1], -1)


def without_each(metric: Metric, rows: Rows, parts: Parts) -> Values:
    """The mean over seeds without each resampling unit, shape [units]: the jackknife."""
    by_unit = np.stack([rows.by_unit(one) for one in parts])
    left = by_unit.sum(axis=1, keepdims=True) - by_unit
    return np.asarray(np.mean([metric.value(one) for one in left], axis=0))


def resampled_means(metric: Metric, rows: Rows, parts: Parts, resamples: int, seed: int, arm: int) -> Values:
    """The mean over seeds in each resample of rows and, independently, of seeds, shape [resamples].

    A two-level bootstrap (Davison & Hinkley 1997, section 3.8): rows are drawn as for any arm, and so many
    seeds as there are are drawn with replacement. With three seeds the spread over seeds is understated, by a
    third in variance; `arm` tells the draws of two arms apart.
    """
    by_unit = np.stack([rows.by_unit(one) for one in parts])
    values = _values(cast(Any, metric), by_unit.tobytes(), by_unit.shape, resamples, seed)
    count = len(parts)
    if count == 1:
        return np.asarray(values[:, 0])
    drawn = np.random.default_rng([seed, arm, 2]).integers(0, count, size=(resamples, count))
    return np.asarray(np.take_along_axis(values, drawn, axis=1).mean(axis=1))


@lru_cache(maxsize=64)
def _values(metric: Any, parts: bytes, shape: tuple[int, ...], resamples: int, seed: int) -> Values:
    """The metric of each seed in each resample, [resamples, seeds], from parts [seeds, units, P] as bytes.

    Kept, because an arm meets the same draws in its own interval and in every comparison it is part of; one
    product for all seeds, because a matrix is multiplied by many columns in the time of a few.
    """
    seeds, units, width = shape
    table = np.frombuffer(parts).reshape(shape).transpose(1, 0, 2).reshape(units, seeds * width)
    sums = resampled_sums(table, resamples, seed).reshape(resamples, seeds, width)
    values = np.stack([metric.value(sums[:, one]) for one in range(seeds)], axis=1)
    values.flags.writeable = False
    return values
