"""How large a difference these rows can find, and how many rows would find a given one.

Everything is computed, nothing simulated: the number of rows on which the arms disagree is binomial, and
given that number the exact McNemar test rejects from a known count of wins on.
"""

from collections.abc import Sequence
from functools import lru_cache
from math import ceil, sqrt

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom, norm

from tuneworthy.core.evidence import Power

ASSUMED_DISAGREEMENTS = (0.15, 0.25)
ASSUMED_SPREADS = (0.2, 0.35)  # standard deviations over rows of a difference of scores between 0 and 1
SPREAD = 8.0  # standard deviations of the number of disagreements that are summed over
PROBES = 48  # sizes looked at beyond the first one that is large enough


def mcnemar_power(n: int, difference: float, disagreement: float, alpha: float = 0.05) -> float:
    """The chance that the exact two-sided McNemar test finds a true difference, in its true direction.

    Sums over m, the number of rows on which exactly one arm is right: m ~ Binomial(n, disagreement), wins
    given m ~ Binomial(m, (1 + difference / disagreement) / 2), and the test rejects from `_critical(m)` wins
    on (Duffy 1984, Biometrics 40: the exact power of McNemar's test).

    Args:
        n: rows, at least 1.
        difference: true difference, in (0, disagreement].
        disagreement: probability that exactly one of the two arms is right, in (0, 1].
        alpha: two-sided level of the test.
    """
    spread = SPREAD * sqrt(n * disagreement * (1 - disagreement)) + SPREAD
    first = max(0, int(n * disagreement - spread))
    last = min(n, ceil(n * disagreement + spread))
    discordant = np.arange(first, last + 1)
    needed = _critical(_table_size(last), alpha)[first : last + 1]
    found = binom.sf(needed - 1, discordant, (1 + difference / disagreement) / 2)
    return float(np.sum(binom.pmf(discordant, n, disagreement) * found))


def minimum_detectable_difference(
    n: int, disagreement: float, power: float = 0.8, alpha: float = 0.05
) -> float | None:
    """The smallest true difference that `n` rows find with probability `power`; None if there is none.

    At a fixed `n` power rises strictly with the difference, so the answer is unique and found by bisection,
    to 1e-9; the saw-tooth of exact tests is along `n` only. A difference cannot exceed the disagreement: when
    not even winning every disagreement is found often enough, the answer is None.

    Raises:
        ValueError: n below 1, or disagreement, power or alpha outside (0, 1].
    """
    _check(n=n, disagreement=disagreement, power=power, alpha=alpha)
    if mcnemar_power(n, disagreement, disagreement, alpha) < power:
        return None
    low, high = 0.0, disagreement
    while high - low > 1e-9:
        middle = (low + high) / 2
        if mcnemar_power(n, middle, disagreement, alpha) >= power:
            high = middle
        else:
            low = middle
    return high


def rows_to_settle(
    difference: float,
    disagreement: float,
    power: float = 0.8,
    alpha: float = 0.05,
    at_most: int = 100_000,
) -> int | None:
    """How many rows find a true `difference` with probability `power`; None above `at_most` rows, or for 0.

    Power along `n` is saw-toothed: one row more can lower it. The answer is the end of the last dip, so that
    more rows do not make it false: doubling and bisection find a size that is large enough, then up to 48
    sizes over the next two teeth (2 * 2 * sqrt(n / disagreement) rows) are looked at and the answer lies
    beyond the last one that falls short. The sign of `difference` is ignored; a disagreement below the
    difference is impossible and is raised to it.

    Raises:
        ValueError: disagreement, power or alpha outside (0, 1], a difference beyond 1, or at_most below 1.
    """
    difference = abs(difference)
    disagreement = max(disagreement, difference)
    if difference == 0:
        return None
    _check(n=at_most, disagreement=disagreement, power=power, alpha=alpha)

    def enough(n: int) -> bool:
        return mcnemar_power(n, difference, disagreement, alpha) >= power

    low, high = 0, 1
    while high < at_most and not enough(high):
        low, high = high, min(2 * high, at_most)
    if not enough(high):
        return None
    while high - low > 1:
        middle = (low + high) // 2
        if enough(middle):
            high = middle
        else:
            low = middle
    window = ceil(4 * sqrt(high / disagreement))
    step = ceil(window / PROBES)
    answer = high
    for n in range(high + step, min(high + window, at_most) + 1, step):
        if not enough(n):
            answer = min(n + step, at_most)
    return answer


def power_table(
    n: int, observed_disagreement: float | None = None, power: float = 0.8, alpha: float = 0.05
) -> tuple[Power, ...]:
    """The minimum detectable difference at 15%, at 25% and at the observed rate of disagreement.

    No observed rate, or one of 0, which says nothing about differences, is left out.
    """
    rates = [(rate, "assumed") for rate in ASSUMED_DISAGREEMENTS]
    if observed_disagreement:
        rates.append((observed_disagreement, "observed"))
    return tuple(
        Power(
            n=n,
            disagreement=rate,
            minimum_detectable_difference=minimum_detectable_difference(n, rate, power, alpha),
            power=power,
            alpha=alpha,
            source=source,
        )
        for rate, source in rates
    )


def spread_table(
    n: int,
    observed_spread: float | None = None,
    assumed: Sequence[float] = ASSUMED_SPREADS,
    power: float = 0.8,
    alpha: float = 0.05,
) -> tuple[Power, ...]:
    """The minimum detectable difference of two means over the same rows, by the normal approximation.

    (z(1 - alpha/2) + z(power)) x spread / sqrt(n); at the assumed spreads, and at the observed one, if any.
    """
    spreads = [(spread, "assumed") for spread in assumed]
    if observed_spread:
        spreads.append((observed_spread, "observed"))
    return tuple(
        Power(
            n=n,
            spread=spread,
            minimum_detectable_difference=_quantiles(power, alpha) * spread / sqrt(n),
            power=power,
            alpha=alpha,
            source=source,
        )
        for spread, source in spreads
    )


def rows_to_settle_means(
    difference: float, spread: float, power: float = 0.8, alpha: float = 0.05, at_most: int = 100_000
) -> int | None:
    """How many rows find a true difference of two means; None above `at_most` rows, or for no difference."""
    if difference == 0 or spread == 0:
        return None
    rows = ceil((_quantiles(power, alpha) * spread / difference) ** 2)
    return rows if rows <= at_most else None


def rows_for(distance: float, spread: float, quantile: float) -> float:
    """How many rows a mean of so large a spread needs to lie so far from a bound, in standard errors."""
    return float((quantile * spread / distance) ** 2)


def _quantiles(power: float, alpha: float) -> float:
    return float(norm.ppf(1 - alpha / 2) + norm.ppf(power))


def _check(n: int, **shares: float) -> None:
    """Raises ValueError on fewer than one row or a share outside (0, 1]."""
    if n < 1:
        raise ValueError(f"power needs at least one row, got {n}")
    for name, share in shares.items():
        if not 0 < share <= 1:
            raise ValueError(f"{name} must lie in (0, 1], got {share}")


def _table_size(last: int) -> int:
    """The next power of two above `last`, so that few tables are ever made."""
    return 1 << max(8, (last + 1).bit_length())


@lru_cache(maxsize=16)
def _critical(size: int, alpha: float) -> NDArray[np.float64]:
    """Fewest wins out of m disagreements, m = 0 .. size - 1, at which two-sided McNemar gives p <= alpha."""
    discordant = np.arange(size)
    return np.asarray(binom.isf(alpha / 2, discordant, 0.5) + 1, dtype=np.float64)
