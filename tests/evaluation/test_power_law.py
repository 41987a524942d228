"""A power law is found where there is one, and its bounds hold where there is none."""

import numpy as np
import pytest

from tuneworthy.evaluation.power_law import fit_power_law

SIZES = np.array([30.0, 45, 60, 90, 120, 180, 240])
QUIET = np.full(len(SIZES), 0.0001)


def law(top: float, loss: float, exponent: float) -> np.ndarray:
    return top - loss * (SIZES / SIZES[-1]) ** -exponent


@pytest.mark.parametrize(("top", "loss", "exponent"), [(0.9, 0.1, 0.5), (0.8, 0.05, 1.0), (0.95, 0.2, 0.25)])
def test_the_score_at_twice_the_rows_is_found_again(top: float, loss: float, exponent: float) -> None:
    fitted = fit_power_law(SIZES, law(top, loss, exponent)[None], QUIET, 1.0)
    assert fitted.at(480)[0] == pytest.approx(top - loss * 2**-exponent, abs=0.003)


def test_no_curve_falls_with_more_rows_or_passes_the_ceiling() -> None:
    rng = np.random.default_rng(0)
    fitted = fit_power_law(SIZES, rng.uniform(0.5, 1, size=(500, len(SIZES))), QUIET * 200, 1.0)
    far = [fitted.at(rows) for rows in (240, 480, 1e6)]
    assert (far[1] >= far[0] - 1e-12).all() and (far[2] >= far[1] - 1e-12).all()
    assert (fitted.top <= 1 + 1e-12).all()


def test_every_resample_has_the_curve_it_would_have_alone() -> None:
    rows = np.stack([law(0.9, 0.1, 0.5), law(0.7, 0.2, 0.3)])
    both = fit_power_law(SIZES, rows, QUIET, 1.0)
    alone = [fit_power_law(SIZES, row[None], QUIET, 1.0).at(480)[0] for row in rows]
    assert both.at(480) == pytest.approx(alone)


def test_noisy_points_leave_the_exponent_near_the_usual_one() -> None:
    scores = law(0.9, 0.1, 0.5) + np.array([0.02, -0.03, 0.02, 0.01, -0.02, 0.03, -0.01])
    assert 0.25 <= fit_power_law(SIZES, scores[None], np.full(len(SIZES), 0.05), 1.0).exponent[0] <= 1
