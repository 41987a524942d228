"""LogME: how well a linear model on frozen features explains the labels, its weights integrated out.

You et al. 2021, "LogME: Practical Assessment of Pre-trained Models for Transfer Learning" (ICML), after
MacKay 1992. For one label, with y = 1 for its rows and 0 for the others,

    w ~ N(0, I / alpha),  y | w ~ N(F w, I / beta),

    log p(y | F, alpha, beta) = n/2 log beta + D/2 log alpha - n/2 log 2 pi
                                - beta/2 |F m - y|^2 - alpha/2 |m|^2 - 1/2 log |A|,

    A = alpha I + beta F'F,  m = beta A^-1 F'y.

Alpha and beta maximise it by MacKay's fixed point, in the coordinates of F's singular vectors, where each
round costs a handful of operations on vectors. The features are standardised, so that no layer counts more
because its numbers are larger, and y is centred: an intercept without a prior, which takes one of the n rows.
m is a ridge regression whose penalty alpha / beta the evidence chose, without a row held out: the probe.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]
ROUNDS = 200
STILL = 1e-6  # relative change of alpha / beta at which the fixed point is reached
LEAST = 1e-12


@dataclass(frozen=True)
class Linear:
    """The model with the highest evidence.

    Attributes:
        evidence: its log marginal likelihood in nats per row, mean over labels: LogME.
        centre, scale: of the features, shape [D].
        weights: shape [D, K].
        offset: shape [K].
    """

    evidence: float
    centre: Matrix
    scale: Matrix
    weights: Matrix
    offset: Matrix

    def scores(self, features: NDArray[np.float32]) -> Matrix:
        """A score per label, [n, D] -> [n, K]; the highest is the answer."""
        return np.asarray((features - self.centre) / self.scale @ self.weights + self.offset)


def fit_linear(features: NDArray[np.float32], members: Matrix) -> Linear:
    """The linear model of highest evidence.

    Args:
        features: frozen features of the rows, shape [n, D].
        members: 1 where a row has a label, else 0, shape [n, K]. A label of none or all of the rows has
            nothing to explain and is left out of the mean.
    """
    x = np.asarray(features, dtype=np.float64)
    centre, spread = x.mean(0), x.std(0)
    scale = np.where(spread > LEAST, spread, 1.0)
    u, s, vt = np.linalg.svd((x - centre) / scale, full_matrices=False)
    offset = members.mean(0)
    weights, values = np.zeros((x.shape[1], members.shape[1])), []
    for label in range(members.shape[1]):
        y = members[:, label] - offset[label]
        if not y.any():
            continue
        z, yy, n = u.T @ y, float(y @ y), len(y) - 1
        alpha, beta = best_precisions(s, z, yy, n)
        values.append(log_evidence(s, z, yy, n, x.shape[1], alpha, beta) / len(y))
        weights[:, label] = vt.T @ (beta * s * z / (alpha + beta * s**2))
    return Linear(float(np.mean(values)) if values else -math.inf, centre, scale, weights, offset)


def best_precisions(s: Matrix, z: Matrix, yy: float, n: int) -> tuple[float, float]:
    """Alpha and beta of highest evidence.

    Args:
        s: singular values of the features.
        z: the target in the coordinates of their left singular vectors.
        yy: the target's squared length.
        n: rows, less one for the intercept.
    """
    alpha, beta = 1.0, 1.0
    for _ in range(ROUNDS):
        gamma = float((beta * s**2 / (alpha + beta * s**2)).sum())
        mm, residual = _lengths(s, z, yy, alpha, beta)
        before = alpha / beta
        alpha = max(gamma / max(mm, LEAST), LEAST)  # features that are constant leave it nothing to go by
        beta = max(n - gamma, LEAST) / max(residual, LEAST)
        if abs(alpha / beta - before) <= STILL * before:
            break
    return alpha, beta


def log_evidence(
    s: Matrix, z: Matrix, yy: float, n: int, dimensions: int, alpha: float, beta: float
) -> float:
    """The formula above; arguments as in `best_precisions`."""
    mm, residual = _lengths(s, z, yy, alpha, beta)
    log_a = float(np.log(alpha + beta * s**2).sum()) + (dimensions - len(s)) * math.log(alpha)
    return 0.5 * (
        n * math.log(beta)
        + dimensions * math.log(alpha)
        - n * math.log(2 * math.pi)
        - beta * residual
        - alpha * mm
        - log_a
    )


def _lengths(s: Matrix, z: Matrix, yy: float, alpha: float, beta: float) -> tuple[float, float]:
    """Squared lengths of m and of F m - y."""
    shrunk = alpha + beta * s**2
    mm = float(((beta * s * z / shrunk) ** 2).sum())
    residual = float(((alpha * z / shrunk) ** 2).sum()) + max(0.0, yy - float(z @ z))
    return mm, residual
