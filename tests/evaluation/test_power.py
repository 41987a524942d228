"""Power of the exact McNemar test."""

import time
from math import comb

import pytest

from tuneworthy.evaluation.paired import mcnemar
from tuneworthy.evaluation.power import (
    mcnemar_power,
    minimum_detectable_difference,
    power_table,
    rows_to_settle,
)


@pytest.mark.parametrize(
    ("n", "disagreement", "published"),
    [
        (60, 0.15, 14),
        (60, 0.25, 18),
        (100, 0.15, 11.5),
        (100, 0.25, 14.5),
        (300, 0.15, 6.5),
        (300, 0.25, 8.5),
    ],
)
def test_the_published_differences_within_half_a_point(n: int, disagreement: float, published: float) -> None:
    assert 100 * minimum_detectable_difference(n, disagreement) == pytest.approx(published, abs=0.505)


def test_power_equals_the_sum_over_every_outcome() -> None:
    n, win, loss = 14, 0.55, 0.05
    expected = sum(
        comb(n, wins) * comb(n - wins, losses) * win**wins * loss**losses * (0.4) ** (n - wins - losses)
        for wins in range(n + 1)
        for losses in range(n + 1 - wins)
        if wins > losses and mcnemar(wins, losses)[0] <= 0.05
    )
    assert mcnemar_power(n, win - loss, win + loss) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("alpha", [0.01, 0.05, 0.1])
def test_power_of_no_difference_stays_below_half_the_level(alpha: float) -> None:
    assert all(mcnemar_power(n, 0.0, 0.3, alpha) <= alpha / 2 for n in (5, 20, 77, 400))


def test_too_few_rows_find_nothing() -> None:
    assert minimum_detectable_difference(20, 0.15) is None
    assert minimum_detectable_difference(20, 0.9) is not None


def test_more_rows_find_smaller_differences() -> None:
    found = [minimum_detectable_difference(n, 0.2) for n in (60, 90, 150, 300, 1_000)]
    assert found == sorted(found, reverse=True)
    assert len(set(found)) == len(found)


@pytest.mark.parametrize(("difference", "disagreement"), [(0.1, 0.2), (0.05, 0.15), (0.2, 1.0), (0.5, 1.0)])
def test_rows_to_settle_stays_true_for_every_larger_size(difference: float, disagreement: float) -> None:
    rows = rows_to_settle(difference, disagreement)
    larger = range(rows, 2 * rows)
    assert all(mcnemar_power(n, difference, disagreement) >= 0.8 for n in larger)
    smaller = range(int(0.93 * rows) - 1, rows)
    assert not all(mcnemar_power(n, difference, disagreement) >= 0.8 for n in smaller)


def test_rows_to_settle_and_the_detectable_difference_agree() -> None:
    rows = rows_to_settle(0.06, 0.15)
    assert minimum_detectable_difference(rows, 0.15) <= 0.06 < minimum_detectable_difference(rows - 1, 0.15)


def test_rows_to_settle_is_quick_and_gives_up_above_the_limit() -> None:
    start = time.process_time()
    assert rows_to_settle(0.005, 0.25) == pytest.approx(79_000, rel=0.05)
    assert rows_to_settle(0.004, 0.25) is None
    assert time.process_time() - start < 3  # of a core that others use as well
    assert rows_to_settle(0.05, 0.15, at_most=100) is None


def test_no_difference_is_never_settled_and_its_sign_does_not_matter() -> None:
    assert rows_to_settle(0.0, 0.2) is None
    assert rows_to_settle(-0.1, 0.2) == rows_to_settle(0.1, 0.2)
    assert rows_to_settle(0.3, 0.1) == rows_to_settle(0.3, 0.3)


def test_the_table_has_two_assumed_rates_and_the_observed_one() -> None:
    assert [(row.disagreement, row.source) for row in power_table(80)] == [
        (0.15, "assumed"),
        (0.25, "assumed"),
    ]
    observed = power_table(80, 0.4)[2]
    assert (observed.disagreement, observed.source, observed.n) == (0.4, "observed", 80)
    assert len(power_table(80, 0.0)) == 2


def test_impossible_requests_raise() -> None:
    for arguments in ((0, 0.1), (10, 0.0), (10, 1.2)):
        with pytest.raises(ValueError, match=r"at least one row|must lie in"):
            minimum_detectable_difference(*arguments)
