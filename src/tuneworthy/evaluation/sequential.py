"""Looking more than once and still erring in 5%: alpha spending, exact for right-or-wrong rows.

Fine-tuned arms are measured fold by fold, and whether one is better may be asked after each. How much of
the error rate each look may use is fixed beforehand by a spending function of the share of rows seen (Lan &
DeMets 1983), shaped as O'Brien & Fleming's (1979) boundary: next to nothing early, almost all at the end.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache
from math import sqrt

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri
from scipy.stats import binom

Paths = NDArray[np.float64]

LARGEST = 0.3  # error rate up to which what a look may use grows with it, so that p is well defined
SMALLEST = 1e-6
PRECISION = 1e-6  # of a sequential p value
FINE = 2000  # steps of the random walk that stands for a Brownian path
TIE = 1e-12


def spent(alpha: float, share: float) -> float:
    """Error rate used up once this share of the rows is seen: 2 - 2 Phi(z(1 - alpha/2) / sqrt(share)).

    >>> [round(spent(0.05, share), 4) for share in (0.2, 0.4, 0.8, 1.0)]
    [0.0, 0.0019, 0.0284, 0.05]
    """
    return float(2 * ndtr(ndtri(alpha / 2) / sqrt(share)))


@lru_cache(maxsize=65_536)
def allowed(alpha: float, shares: tuple[float, ...]) -> list[float]:
    """What each look may use: what its share of the rows allows, less what the one before allowed."""
    totals = [spent(alpha, share) for share in shares]
    return [after - before for before, after in zip([0.0, *totals], totals, strict=False)]


def exact_boundaries(alpha: float, discordant: Sequence[int], shares: tuple[float, ...]) -> list[int]:
    """Fewest wins at each look from which the exact test says "better"; one more than there are for never.

    Given on how many rows exactly one arm is right, wins are a fair random walk if the arms do not differ
    (McNemar 1947). Its distribution over paths that have not crossed before is carried from look to look, and
    the boundary is the lowest whose crossing has no more than the probability that the look may use. What a
    look leaves unused is not passed on, so that boundaries fall when `alpha` rises.

    Args:
        alpha: one-sided error rate over all looks.
        discordant: rows on which exactly one arm is right, all up to each look, ascending.
        shares: of the rows seen at each look, ascending, at most 1.
    """
    walk, before, found = np.ones(1), 0, list[int]()
    for total, level in zip(discordant, allowed(alpha, shares), strict=True):
        walk = np.convolve(walk, _steps(total - before))
        tail = np.cumsum(walk[::-1])[::-1]  # P(no crossing before, at least so many wins)
        boundary = int(np.searchsorted(-tail, -level, side="left"))
        walk[boundary:] = 0.0
        found.append(boundary)
        before = total
    return found


@lru_cache(maxsize=4096)
def _steps(count: int) -> NDArray[np.float64]:
    """Probabilities of 0 .. count wins out of so many fair rows."""
    return np.asarray(binom.pmf(np.arange(count + 1), count, 0.5), dtype=np.float64)


@lru_cache(maxsize=4096)
def exact_p(wins: tuple[int, ...], discordant: tuple[int, ...], shares: tuple[float, ...]) -> float:
    """The smallest error rate at which the exact test crosses at the last look (a sequential p value).

    However many looks there were and whatever made them stop, it is alpha or less in at most a share alpha
    of cases if the first arm is no better (Liu & Anderson 2008). With one look at all rows it is exact
    McNemar's.

    Args:
        wins: rows that only the first arm has right, all up to each look.
        discordant, shares: as for `exact_boundaries`.
    """
    plain = float(binom.sf(wins[-1] - 1, discordant[-1], 0.5)) if discordant[-1] else 1.0
    return _smallest(lambda alpha: wins[-1] >= exact_boundaries(alpha, discordant, shares)[-1], plain)


def permuted_p(paths: Paths, shares: tuple[float, ...]) -> float:
    """The same from paths of a difference: what was seen first, then what random swaps make of it.

    If the arms do not differ the paths are exchangeable, so that of R + 1 of them a look may let cross as
    many as its error rate says, counted, whatever the metric (Phipson & Smyth 2010).

    Args:
        paths: the difference in favour of the first arm at each look, shape [1 + R, looks].
        shares: of the rows seen at each look.
    """
    plain = float(np.mean(paths[:, -1] >= paths[0, -1] - TIE))

    def crosses(alpha: float) -> bool:
        running = np.ones(len(paths), dtype=bool)
        for look, level in enumerate(allowed(alpha, shares)):
            values = paths[:, look]
            most = int(level * len(paths) + TIE)
            if look == len(shares) - 1:
                return int(np.count_nonzero(running & (values >= values[0] - TIE))) <= most
            ordered = np.sort(values[running])[::-1]
            if most and most < len(ordered):  # ties with the first that may not cross do not cross either
                running &= ~(values > ordered[most] + TIE)
            elif most:
                running[:] = False
        return False

    return _smallest(crosses, plain)


def _smallest(crosses: Callable[[float], bool], plain: float) -> float:
    """The smallest error rate that crosses, by bisection; the plain p where none up to `LARGEST` does."""
    if not crosses(LARGEST):
        return max(LARGEST, plain)
    if crosses(SMALLEST):
        return SMALLEST
    low, high = SMALLEST, LARGEST
    while high - low > PRECISION * max(1.0, high / 0.01):
        middle = (low + high) / 2
        low, high = (low, middle) if crosses(middle) else (middle, high)
    return high


@lru_cache(maxsize=256)
def level_at(alpha: float, shares: tuple[float, ...]) -> float:
    """One-sided level of an ordinary test or interval at the last look, from a fair walk of many steps.

    An interval at this level is a repeated confidence interval: at whichever look it is read, all of them
    hold the truth with probability 1 - alpha (Jennison & Turnbull 1989).
    """
    walk, before, level = np.ones(1), 0, 0.0
    for share, use in zip(shares, allowed(alpha, shares), strict=True):
        steps = max(1, round(FINE * share))
        walk = np.convolve(walk, _steps(steps - before))
        tail = np.cumsum(walk[::-1])[::-1]
        boundary = int(np.searchsorted(-tail, -use, side="left"))
        # Of the paths that stand just below the boundary a part crosses, so that all is used that may be.
        part = (use - (tail[boundary] if boundary < len(tail) else 0.0)) / max(walk[boundary - 1], 1e-300)
        level = float(binom.sf(boundary - 1, steps, 0.5) + part * _steps(steps)[boundary - 1])
        walk[boundary:] = 0.0
        walk[boundary - 1] *= 1 - part
        before = steps
    return level


def chance_to_cross(z: float, drift: float, share: float, final_level: float) -> float:
    """Probability that the last look crosses, given what is seen now (Lan & Wittes 1988, the B value).

    Args:
        z: the difference so far in standard errors.
        drift: the difference that is hoped for, in standard errors of the whole.
        share: of the rows seen.
        final_level: one-sided level at the last look.

    >>> round(chance_to_cross(0.0, 0.0, 0.5, 0.025), 4)
    0.0028
    """
    left = 1 - share
    needed = -ndtri(final_level) - z * sqrt(share) - drift * left
    return float(ndtr(-needed / sqrt(left)))
