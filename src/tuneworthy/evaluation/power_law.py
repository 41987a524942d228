"""score(n) = a - b n^-c: how a score grows with the training rows, fitted to many resamples at once.

The inverse power law is the shape that measured learning curves follow most often (Viering & Loog 2023, "The
Shape of Learning Curves: a Review", IEEE TPAMI 45(6)). For a given exponent c the best a and b are those of a
weighted regression, so that c is looked for on a grid and no fit can fail to converge.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]

EXPONENTS = np.geomspace(0.1, 2.0, 61)
USUAL = 0.5  # how fast the error of an estimate falls with the rows, where nothing else is known
SPREAD = 0.7  # of the logarithm of the exponent about it (ours): 0.25 and 1 are one standard deviation away


@dataclass(frozen=True)
class PowerLaw:
    """Fits, one per resample: `top` a, `loss` b at `unit` rows, and `exponent` c, each of shape [R]."""

    top: Values
    loss: Values
    exponent: Values
    unit: float

    def at(self, rows: float) -> Values:
        """The score that so many training rows would give, shape [R]."""
        return np.asarray(self.top - self.loss * (rows / self.unit) ** -self.exponent)


def fit_power_law(sizes: Values, scores: Values, noise: Values, ceiling: float) -> PowerLaw:
    """The likeliest curve of every resample: it does not fall, and its limit is no higher than `ceiling`.

    Args:
        sizes: training rows, ascending, shape [S]; at least three.
        scores: the higher the better, shape [R, S].
        noise: standard deviation of each score, shape [S]; it weighs the points, and how far their scatter
            can speak against the usual exponent.
        ceiling: of the score: 1 for a share, 0 for the negative of an error.

    Returns:
        For every resample the curve with the least sum of squared errors, each in units of its noise, plus
        the squared distance of log c from log 0.5 in units of its spread: a few noisy points hardly
        determine an exponent, and without that pull it runs to an end of its grid.
    """
    unit = float(sizes[-1])
    weights = 1 / np.maximum(noise, 1e-6) ** 2
    best = np.full(len(scores), np.inf)
    kept = np.zeros((3, len(scores)))
    for exponent in EXPONENTS:
        shape = (sizes / unit) ** -exponent
        top, loss = _regressed(shape, scores, weights, ceiling)
        misfit = (weights * (scores - (top[:, None] - loss[:, None] * shape)) ** 2).sum(1)
        misfit += (np.log(exponent / USUAL) / SPREAD) ** 2
        better = misfit < best
        best = np.where(better, misfit, best)
        kept = np.where(better, np.stack([top, loss, np.full(len(scores), exponent)]), kept)
    return PowerLaw(kept[0], kept[1], kept[2], unit)


def _regressed(shape: Values, scores: Values, weights: Values, ceiling: float) -> tuple[Values, Values]:
    """Weighted least squares of scores = top - loss x shape with loss >= 0 and top <= ceiling, [R] each."""
    total = weights.sum()
    middle, mean = (weights * shape).sum() / total, scores @ weights / total
    across = (weights * (shape - middle) ** 2).sum()
    loss = np.maximum(0.0, -((scores - mean[:, None]) * (weights * (shape - middle))).sum(1) / across)
    top = mean + loss * middle
    held = ((ceiling - scores) * (weights * shape)).sum(1) / (weights * shape**2).sum()
    over = top > ceiling
    return np.where(over, ceiling, top), np.where(over, np.maximum(0.0, held), loss)
