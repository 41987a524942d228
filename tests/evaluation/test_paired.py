"""Paired differences: tests, intervals, corrections."""

import random

import numpy as np
import pytest

from tuneworthy.evaluation.paired import adjust, compare, holm, mcnemar, newcombe
from tuneworthy.metrics import METRICS

ACCURACY, MACRO_F1 = METRICS.get("accuracy"), METRICS.get("macro_f1")
LABELS = ["a", "b"]


@pytest.fixture
def counted(table, answered):
    """Two arms on rows labelled "a": `both`, `wins`, `losses`, `neither` rows, in that order."""

    def make(both: int, wins: int, losses: int, neither: int, each: int = 1, **options):
        ours = ["a"] * (both + wins) + ["b"] * (losses + neither)
        theirs = ["a"] * both + ["b"] * wins + ["a"] * losses + ["b"] * neither
        ours, theirs = ([value for value in values for _ in range(each)] for values in (ours, theirs))
        groups = [f"g{row // each}" for row in range(len(ours))]
        rows = table(["a"] * len(ours), groups if each > 1 else None)
        options = {"metric": ACCURACY, **options}
        metric = options.pop("metric")
        return compare(
            metric, answered(ours), answered(theirs), rows, LABELS, method="x", against="y", **options
        )

    return make


def test_exact_mcnemar_on_known_counts(counted) -> None:
    found = counted(40, 12, 3, 5)
    assert (found.wins, found.losses, found.n, found.test) == (12, 3, 60, "mcnemar_exact")
    assert found.difference == pytest.approx(0.15)
    assert found.p_two_sided == pytest.approx(1152 / 32768)  # 2 (455 + 105 + 15 + 1) / 2^15
    assert found.p_greater == pytest.approx(576 / 32768)


def test_one_win_fewer_is_not_significant() -> None:
    assert mcnemar(12, 3)[0] < 0.05 < mcnemar(11, 3)[0]


def test_p_greater_is_in_favour_of_the_first_arm(counted) -> None:
    assert counted(40, 3, 12, 5).p_greater > 0.98


@pytest.mark.parametrize(
    ("counts", "low", "high"),
    [((36, 12, 2, 0), 0.0569, 0.3404), ((59, 6, 16, 80), -0.1186, -0.0046), ((14, 5, 0, 22), 0.0115, 0.2265)],
)
def test_newcombe_on_published_tables(counts: tuple[int, int, int, int], low: float, high: float) -> None:
    found = newcombe(*counts, 0.95)
    assert (found.low, found.high) == (pytest.approx(low, abs=6e-5), pytest.approx(high, abs=6e-5))


@pytest.mark.parametrize("right", [0, 1, 30, 59, 60])
def test_arms_that_never_disagree_are_not_known_to_be_equal(counted, right: int) -> None:
    found = counted(right, 0, 0, 60 - right)
    assert (found.difference, found.p_two_sided, found.p_greater) == (0, 1, 1)
    assert found.interval == "newcombe"
    assert found.low < -0.01 and found.high > 0.01


def test_more_rows_narrow_the_interval_of_arms_that_never_disagree(counted) -> None:
    widths = [found.high - found.low for found in (counted(45, 0, 0, 15), counted(450, 0, 0, 150))]
    assert widths[1] < widths[0] / 3


@pytest.mark.parametrize("interval", ["auto", "bootstrap"])
@pytest.mark.parametrize("metric", [ACCURACY, MACRO_F1], ids=lambda metric: metric.name)
def test_swapping_the_arms_mirrors_the_interval(table, answered, metric, interval: str) -> None:
    rng = np.random.default_rng(1)
    targets = ["a", "b"] * 40
    rows, ours, theirs = table(targets), *(answered(list(rng.choice(LABELS, 80))) for _ in range(2))
    options = {"resamples": 2_000, "interval": interval}
    forth = compare(metric, ours, theirs, rows, LABELS, method="x", against="y", **options)
    back = compare(metric, theirs, ours, rows, LABELS, method="y", against="x", **options)
    assert (forth.difference, forth.p_two_sided) == (-back.difference, back.p_two_sided)
    assert (forth.low, forth.high) == (pytest.approx(-back.high), pytest.approx(-back.low))


def test_the_bootstrap_interval_of_accuracy_agrees_with_newcombes(counted) -> None:
    exact, resampled = counted(200, 40, 20, 40), counted(200, 40, 20, 40, interval="bootstrap")
    assert (exact.interval, resampled.interval) == ("newcombe", "bootstrap")
    assert resampled.test == "mcnemar_exact"
    assert resampled.low == pytest.approx(exact.low, abs=0.01)
    assert resampled.high == pytest.approx(exact.high, abs=0.01)


def test_too_few_disagreements_to_resample_give_no_interval(counted) -> None:
    found = counted(50, 1, 2, 7, interval="bootstrap")
    assert found.low is None and "differ on 3 of 60 rows" in found.reason


@pytest.mark.parametrize("metric", [ACCURACY, MACRO_F1], ids=lambda metric: metric.name)
def test_identical_arms_have_p_one_under_permutation(table, answered, metric) -> None:
    rows = table(["a", "b"] * 20, [f"g{row // 2}" for row in range(40)])
    arm = answered(["a"] * 40)
    found = compare(metric, arm, arm, rows, LABELS, method="x", against="y", resamples=200)
    assert (found.p_two_sided, found.p_greater, found.low) == (1, 1, None)


def test_an_estimated_p_is_never_zero(counted) -> None:
    found = counted(0, 60, 0, 0, metric=MACRO_F1, resamples=999)
    assert found.test == "permutation"
    assert found.p_two_sided == found.p_greater == 1 / 1000


def test_swaps_of_whole_groups_count_groups_not_rows(counted) -> None:
    grouped, single = counted(20, 12, 3, 5, each=8), counted(20, 12, 3, 5)
    assert (grouped.test, grouped.interval) == ("group_permutation", "group_bootstrap")
    assert (grouped.wins, grouped.losses) == (96, 24)
    assert grouped.p_two_sided == pytest.approx(single.p_two_sided, abs=0.006)
    assert grouped.p_greater == pytest.approx(single.p_greater, abs=0.005)
    assert grouped.low == pytest.approx(single.low, abs=0.03)


def test_order_and_seed(table, answered) -> None:
    rng = np.random.default_rng(2)
    rows = table(["a", "b"] * 30)
    ours, theirs = (answered(list(rng.choice(LABELS, 60))) for _ in range(2))

    def found(seed: int):
        return compare(
            MACRO_F1, ours, theirs, rows, LABELS, method="x", against="y", resamples=500, seed=seed
        )

    first = found(1)
    for values in (rows, ours, theirs):
        random.Random(3).shuffle(values)
    assert found(1) == first
    assert found(2) != first


def test_different_rows_are_an_error(table, answered) -> None:
    short, full = answered(["a"]), answered(["a", "b"])
    for ours, theirs in ((short, full), (full, short)):
        with pytest.raises(ValueError, match="differ in 1 ids"):
            compare(ACCURACY, ours, theirs, table(["a", "b"]), LABELS, method="x", against="y")
    with pytest.raises(ValueError, match="at least one row"):
        compare(ACCURACY, [], [], [], LABELS, method="x", against="y")


def test_holm_steps_down() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.6, 0.7]) == [1.0, 1.0]
    assert holm([]) == []


def test_hypotheses_tested_earlier_enlarge_the_family() -> None:
    assert holm([0.01, 0.04], extra=3) == pytest.approx([0.05, 0.16])
    with pytest.raises(ValueError, match="enlarged"):
        holm([0.1], extra=-1)


def test_each_metric_is_a_family_of_its_own(counted) -> None:
    one, two = counted(40, 12, 3, 5), counted(40, 12, 4, 4)
    other = one.model_copy(update={"metric": "another"})
    found = adjust([one, other, two])
    assert [row.metric for row in found] == ["accuracy", "another", "accuracy"]
    assert found[0].p_adjusted == pytest.approx(2 * one.p_two_sided)
    assert found[1].p_adjusted == one.p_two_sided


def test_a_macro_average_that_a_rare_label_decides_has_no_interval_of_its_difference(table, answered) -> None:
    targets = ["a"] * 94 + ["b"] * 4 + ["c"] * 2
    rows = table(targets)
    ours = answered([*targets[:80], *["a"] * 10, *targets[90:]])
    theirs = answered([*["a"] * 70, *["b"] * 24, *["b"] * 4, *["c"] * 2])
    found = compare(METRICS.get("macro_f1"), ours, theirs, rows, ("a", "b", "c"), method="x", against="y")
    assert found.low is None
    assert "fewer than 5 true rows" in (found.reason or "")
