"""Resampling as matrix products: seeded, vectorised, the same draws for every arm.

A metric is a function of summed parts, so a resample is a row of weights and all resamples together are one
matrix product, weights [R, units] x parts [units, P]. Draws depend on (seed, units, resamples) only: two arms
scored on the same rows meet the same resamples, which is what pairs them.
"""

from collections.abc import Iterator
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm, t

from tuneworthy.metrics import Parts

Values = NDArray[np.float64]

CELLS = 4_000_000  # weights held at a time: 8 MB stored, 32 MB while multiplied
WHOLE_IN_FLOAT32 = 2**24  # below it every whole number has a float32
FEWEST_UNITS = 5  # below this a resample hardly varies and its spread means nothing
TIE = 1e-12  # differences this small are rounding


class Interval(NamedTuple):
    """Two ends and the name of the method, or no ends and the reason."""

    low: float | None
    high: float | None
    name: str = ""
    reason: str | None = None

    @classmethod
    def absent(cls, reason: str) -> "Interval":
        """No interval, because `reason`."""
        return cls(None, None, "", reason)


def resampled_sums(parts: Parts, resamples: int, seed: int) -> Parts:
    """Summed parts of bootstrap resamples: as many units drawn with replacement as there are (Efron 1979).

    Args:
        parts: parts per resampling unit, shape [units, P].
        resamples: how many resamples, R.
        seed: decides the draws, together with `units` and `resamples`.

    Returns:
        Shape [R, P].
    """
    own = _short(parts)
    chunks = _chunks(len(own), resamples)
    sums = [_weights(len(own), *chunk, seed).astype(own.dtype) @ own for chunk in chunks]
    return np.concatenate(sums).astype(np.float64)


def swapped_sums(difference: Parts, resamples: int, seed: int) -> Parts:
    """What crosses over when each unit's two answers are swapped with probability 1/2 (Noreen 1989).

    Args:
        difference: parts of one arm minus parts of the other per unit, shape [units, P].
        resamples: how many random swaps, R.
        seed: decides the draws.

    Returns:
        Sum of `difference` over the swapped units, shape [R, P].
    """
    own = _short(difference)
    chunks = _chunks(len(own), resamples)
    sums = [_swaps(len(own), *chunk, seed).astype(own.dtype) @ own for chunk in chunks]
    return np.concatenate(sums).astype(np.float64)


def _short(parts: Parts) -> NDArray[np.floating[Any]]:
    """Counts in half as many bytes, which takes half the time: all their sums are exact in them."""
    most = len(parts) * float(np.abs(parts).max(initial=0.0))
    exact = most < WHOLE_IN_FLOAT32 and np.array_equal(parts, np.rint(parts))
    return parts.astype(np.float32) if exact else parts


def percentile_interval(values: Values, confidence: float, name: str, units: int | None = None) -> Interval:
    """The central `confidence` share of resampled values (Efron & Tibshirani 1993, section 13.3).

    Values that are not a number (0/0 in that resample) are left out. Absent when the ends coincide or when
    fewer than half of the resamples have a value: a zero-width interval would claim certainty.

    Args:
        values: of the resamples.
        confidence: of the interval.
        name: what it is called.
        units: how many were resampled; with it the levels are those that make a mean's interval as wide as
            Student's.
    """
    defined = values[~np.isnan(values)]
    if 2 * len(defined) < len(values):
        return Interval.absent("the score is undefined in most resamples of these rows")
    tail = (1 - confidence) / 2 if units is None else float(norm.cdf(students_level(confidence, units)))
    low, high = np.quantile(defined, [tail, 1 - tail])
    if high - low <= TIE:
        return Interval.absent("nearly every resample of these rows scores the same")
    return Interval(float(low), float(high), name)


def bca_interval(values: Values, seen: float, left_out: Values, confidence: float, name: str) -> Interval:
    """The percentile interval with its levels shifted for bias and skewness, and widened for few units.

    BCa (Efron 1987; Efron & Tibshirani 1993, section 14.3), its acceleration from the jackknife, with the
    levels that make a mean's percentile interval as wide as Student's (Hesterberg 2015, section 5.3.2).
    Absent as `percentile_interval` is.

    Args:
        values: of the resamples.
        seen: the value of the rows themselves.
        left_out: the value without each unit.
        confidence: of the interval.
        name: what it is called.
    """
    defined = values[~np.isnan(values)]
    away = np.nanmean(left_out) - np.nan_to_num(left_out, nan=float(np.nanmean(left_out)))
    spread, units = float((away**2).sum()), len(left_out)
    if 2 * len(defined) < len(values) or spread == 0:
        return percentile_interval(values, confidence, name)
    below = (defined < seen).mean() + (defined == seen).mean() / 2
    shift = norm.ppf(np.clip(below, 1 / len(defined), 1 - 1 / len(defined)))
    acceleration = float((away**3).sum()) / (6 * spread**1.5)
    wide = students_level(confidence, units)
    levels = [shift + (shift + z) / (1 - acceleration * (shift + z)) for z in (wide, -wide)]
    low, high = np.quantile(defined, norm.cdf(levels))
    if high - low <= TIE:
        return Interval.absent("nearly every resample of these rows scores the same")
    return Interval(float(low), float(high), name)


def students_level(confidence: float, units: int) -> float:
    """The normal quantile at which a mean's percentile interval is as wide as Student's (Hesterberg 2015)."""
    return float(t.ppf((1 - confidence) / 2, units - 1) * np.sqrt(units / (units - 1)))


def _chunks(units: int, resamples: int) -> Iterator[tuple[int, int]]:
    """(number of the chunk, resamples in it), at most CELLS weights each."""
    size = max(1, CELLS // units)
    for number, start in enumerate(range(0, resamples, size)):
        yield number, min(size, resamples - start)


@lru_cache(maxsize=8)
def _weights(units: int, chunk: int, rows: int, seed: int) -> NDArray[np.uint16]:
    """How often each unit is drawn, shape [rows, units]; kept, because every arm meets the same draws."""
    draws = np.random.default_rng([seed, chunk, 0]).integers(0, units, size=(rows, units))
    draws += units * np.arange(rows)[:, None]
    counts = np.bincount(draws.ravel(), minlength=rows * units).astype(np.uint16).reshape(rows, units)
    counts.flags.writeable = False
    return counts


@lru_cache(maxsize=8)
def _swaps(units: int, chunk: int, rows: int, seed: int) -> NDArray[np.uint8]:
    """Which units are swapped, shape [rows, units] of 0 and 1."""
    swaps = np.random.default_rng([seed, chunk, 1]).integers(0, 2, size=(rows, units), dtype=np.uint8)
    swaps.flags.writeable = False
    return swaps
