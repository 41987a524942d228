"""Resampling: whole samples, repeatable, the same for every arm."""

import numpy as np
import pytest
from scipy.stats import norm

from tuneworthy.evaluation import bootstrap
from tuneworthy.evaluation.bootstrap import percentile_interval, resampled_sums, swapped_sums


def test_every_resample_draws_as_many_units_as_there_are() -> None:
    sums = resampled_sums(np.ones((37, 1)), 500, seed=1)
    assert sums.shape == (500, 1)
    assert set(sums.ravel()) == {37.0}


def test_units_are_drawn_with_replacement_and_equally_often() -> None:
    draws = resampled_sums(np.eye(20), 4_000, seed=2)
    assert draws.max() >= 3
    assert np.allclose(draws.mean(axis=0), 1.0, atol=0.08)
    assert np.allclose(draws.var(axis=0), 1 - 1 / 20, atol=0.12)  # multinomial: n p (1 - p)


def test_the_seed_decides_the_draws() -> None:
    parts = np.arange(50, dtype=float)[:, None]
    assert np.array_equal(resampled_sums(parts, 300, seed=3), resampled_sums(parts, 300, seed=3))
    assert not np.array_equal(resampled_sums(parts, 300, seed=3), resampled_sums(parts, 300, seed=4))


def test_two_arms_meet_the_same_resamples() -> None:
    parts = np.random.default_rng(0).integers(0, 2, size=(40, 2)).astype(float)
    together = resampled_sums(parts, 200, seed=5)
    assert np.array_equal(together[:, :1], resampled_sums(parts[:, :1], 200, seed=5))


def test_chunks_are_independent_draws(monkeypatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr(bootstrap, "CELLS", 1_000)
    sums = resampled_sums(np.arange(50, dtype=float)[:, None], 100, seed=6).ravel()
    assert len(sums) == 100
    assert not np.array_equal(sums[:20], sums[20:40])


def test_a_swap_moves_each_unit_half_of_the_time() -> None:
    crossed = swapped_sums(np.eye(10), 4_000, seed=7)
    assert set(crossed.ravel()) == {0.0, 1.0}
    assert np.allclose(crossed.mean(axis=0), 0.5, atol=0.05)


def test_an_interval_without_width_is_absent_with_its_reason() -> None:
    interval = percentile_interval(np.full(100, 0.7), 0.95, "bootstrap")
    assert (interval.low, interval.high) == (None, None)
    assert interval.reason


def test_the_interval_holds_the_central_share() -> None:
    interval = percentile_interval(np.linspace(0, 1, 1_001), 0.9, "bootstrap")
    assert np.allclose([interval.low, interval.high], [0.05, 0.95])


def test_few_units_widen_the_percentiles_as_students_interval_is_wider() -> None:
    values = norm.ppf((np.arange(20_000) + 0.5) / 20_000)
    plain, few, many = (percentile_interval(values, 0.95, "", units) for units in (None, 6, 10_000))
    assert few.high / plain.high == pytest.approx(2.571 * np.sqrt(6 / 5) / 1.96, rel=0.01)
    assert many.high == pytest.approx(plain.high, rel=0.001)


def test_sums_of_counts_are_exact_and_those_of_other_numbers_as_precise_as_ever() -> None:
    rng = np.random.default_rng(0)
    counts = rng.integers(-3, 4, size=(1000, 5)).astype(np.float64)
    for parts in (counts, rng.random((1000, 5))):
        for summed in (resampled_sums, swapped_sums):
            found, scaled = summed(parts, 50, 1), summed(parts * 0.1, 50, 1)  # tenths are never whole
            assert found.dtype == np.float64
            np.testing.assert_allclose(found, scaled * 10, rtol=1e-9, atol=1e-9)
    assert (resampled_sums(counts, 50, 1) % 1 == 0).all()
