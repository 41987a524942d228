"""LogME equals the marginal likelihood that it abbreviates, at the precisions that maximise it."""

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.stats import multivariate_normal

from tuneworthy.search.evidence import best_precisions, fit_linear, log_evidence


def brute_force(f: np.ndarray, y: np.ndarray, alpha: float, beta: float) -> float:
    """log N(y | 0, I / beta + F F' / alpha) by the density itself, on what is left beside the intercept."""
    beside = np.linalg.svd(np.ones((1, len(y))))[2][1:]  # an orthonormal basis, shape [n - 1, n]
    covariance = beside @ (np.eye(len(y)) / beta + f @ f.T / alpha) @ beside.T
    return float(multivariate_normal(np.zeros(len(y) - 1), covariance).logpdf(beside @ y))


@pytest.fixture(params=[(40, 7), (25, 60)], ids=["more rows", "more features"])
def data(request: pytest.FixtureRequest) -> tuple[np.ndarray, np.ndarray]:
    """Features and a target that depends on some of them, centred."""
    n, d = request.param
    rng = np.random.default_rng(0)
    f = rng.normal(size=(n, d))
    f -= f.mean(0)
    y = f[:, 0] - 0.5 * f[:, 1] + 0.7 * rng.normal(size=n)
    return f, y - y.mean()


def coordinates(f: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray, float, int]:
    u, s, _ = np.linalg.svd(f, full_matrices=False)
    return s, u.T @ y, float(y @ y), len(y) - 1


@pytest.mark.parametrize(("alpha", "beta"), [(1.0, 1.0), (0.2, 3.0), (50.0, 0.1)])
def test_the_evidence_is_the_marginal_likelihood(
    data: tuple[np.ndarray, np.ndarray], alpha: float, beta: float
) -> None:
    f, y = data
    found = log_evidence(*coordinates(f, y), f.shape[1], alpha, beta)
    assert found == pytest.approx(brute_force(f, y, alpha, beta), abs=1e-8)


def test_the_fixed_point_is_where_the_marginal_likelihood_is_highest(
    data: tuple[np.ndarray, np.ndarray],
) -> None:
    f, y = data
    best = minimize(lambda logs: -brute_force(f, y, *np.exp(logs)), [0.0, 0.0], method="Nelder-Mead")
    alpha, beta = best_precisions(*coordinates(f, y))
    assert brute_force(f, y, alpha, beta) == pytest.approx(-best.fun, abs=1e-3)


def test_features_that_know_the_labels_have_more_evidence_than_noise() -> None:
    rng = np.random.default_rng(1)
    members = np.eye(3)[rng.integers(0, 3, 90)]
    noise = rng.normal(size=(90, 20)).astype(np.float32)
    knowing = np.hstack([members + 0.5 * rng.normal(size=(90, 3)), noise[:, :17]]).astype(np.float32)
    assert fit_linear(knowing, members).evidence > fit_linear(noise, members).evidence + 0.1


def test_evidence_and_answers_do_not_depend_on_the_unit_of_a_feature() -> None:
    rng = np.random.default_rng(2)
    members = np.eye(2)[rng.integers(0, 2, 50)]
    x = (members @ rng.normal(size=(2, 8)) + rng.normal(size=(50, 8))).astype(np.float32)
    scaled = x * np.geomspace(0.01, 100, 8).astype(np.float32)
    one, other = fit_linear(x, members), fit_linear(scaled, members)
    assert other.evidence == pytest.approx(one.evidence, rel=1e-4)
    assert np.allclose(other.scores(scaled), one.scores(x), atol=1e-3)


def test_a_label_without_rows_is_never_answered() -> None:
    x = np.random.default_rng(3).normal(size=(20, 4)).astype(np.float32)
    members = np.zeros((20, 3))
    members[:10, 0] = members[10:, 2] = 1
    assert (fit_linear(x, members).scores(x).argmax(1) != 1).all()


@pytest.mark.parametrize("shape", [(40, 7), (25, 60)])
def test_constant_features_have_the_evidence_of_knowing_nothing(shape: tuple[int, int]) -> None:
    rng = np.random.default_rng(4)
    members = np.eye(2)[rng.integers(0, 2, shape[0])]
    knowing = (members @ rng.normal(size=(2, shape[1]))).astype(np.float32)
    nothing = fit_linear(np.ones(shape, dtype=np.float32), members).evidence
    assert np.isfinite(nothing)
    assert max(nothing, fit_linear(knowing, members).evidence) != nothing
