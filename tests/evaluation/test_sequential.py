"""Looking more than once errs no more often than looking once."""

from itertools import pairwise

import numpy as np
import pytest
from scipy.stats import binom, norm

from tuneworthy.core.example import Example
from tuneworthy.core.job import DataSpec, Job
from tuneworthy.core.prediction import Prediction
from tuneworthy.evaluation.assemble import ArmOutput, score_arms
from tuneworthy.evaluation.looks import Looks, chance_to_win, compare_looks
from tuneworthy.evaluation.paired import compare
from tuneworthy.evaluation.sequential import (
    allowed,
    exact_boundaries,
    exact_p,
    level_at,
    permuted_p,
    spent,
)
from tuneworthy.metrics import METRICS

SHARES = (0.4, 0.8, 1.0)
ROUNDS = (120, 120, 60)


def walks(rng: np.random.Generator, rate: float = 0.5) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Wins and discordant rows up to each look."""
    discordant = rng.binomial(ROUNDS, 0.2)
    wins = rng.binomial(discordant, rate)
    return tuple(map(int, np.cumsum(wins))), tuple(map(int, np.cumsum(discordant)))


def answers(right: np.ndarray) -> list[Prediction]:
    return [Prediction(example_id=f"{i:03d}", value="ab"[int(ok)]) for i, ok in enumerate(right)]


def table(count: int) -> tuple[list[Example], Looks]:
    rows = [Example(id=f"{i:03d}", input="", target="b") for i in range(count)]
    cuts = [0, *(round(share * count) for share in SHARES)]
    parts = [frozenset(row.id for row in rows[a:b]) for a, b in pairwise(cuts)]
    return rows, Looks(tuple(parts), count)


def test_all_of_the_error_rate_is_spent_when_all_rows_are_seen_and_hardly_any_of_it_early() -> None:
    assert spent(0.05, 1.0) == pytest.approx(0.05)
    assert spent(0.05, 0.2) < 0.0001
    assert sum(allowed(0.05, SHARES)) == pytest.approx(0.05)


def test_boundaries_of_the_normal_case_are_those_of_the_literature() -> None:
    # Two looks at half and all of the rows, one-sided 0.025: 2.963 and 1.969 (ldbounds, gsDesign).
    levels = [level_at(0.025, shares) for shares in ((0.5,), (0.5, 1.0))]
    assert norm.isf(levels) == pytest.approx([2.963, 1.969], abs=0.02)


def test_one_look_at_all_rows_is_exact_mcnemar() -> None:
    for wins in range(10, 16):
        assert exact_p((wins,), (17,), (1.0,)) == pytest.approx(binom.sf(wins - 1, 17, 0.5), rel=1e-3)


def test_a_path_crosses_at_a_rate_if_and_only_if_its_p_is_as_small() -> None:
    rng = np.random.default_rng(0)
    for _ in range(60):
        wins, discordant = walks(rng, 0.65)
        for looks in (1, 2, 3):
            p = exact_p(wins[:looks], discordant[:looks], SHARES[:looks])
            for alpha in (0.0125, 0.025, 0.05):
                boundary = exact_boundaries(alpha, discordant[:looks], SHARES[:looks])[-1]
                assert (p <= alpha) == (wins[looks - 1] >= boundary)


def test_the_probability_to_cross_under_no_difference_is_at_most_alpha_for_any_numbers_of_rows() -> None:
    """Computed, not drawn: paths of wins are followed from look to look."""
    for discordant in ((3, 9, 14), (20, 47, 60), (1, 1, 40), (0, 30, 31)):
        boundaries = exact_boundaries(0.05, discordant, SHARES)
        alive, crossed, before = np.ones(1), 0.0, 0
        for total, boundary in zip(discordant, boundaries, strict=True):
            step = binom.pmf(np.arange(total - before + 1), total - before, 0.5)
            alive = np.convolve(alive, step)
            crossed += alive[boundary:].sum()
            alive[boundary:] = 0
            before = total
        assert crossed <= 0.05


def test_arms_that_do_not_differ_cross_at_any_look_in_at_most_5_percent() -> None:
    rng, crossed = np.random.default_rng(1), 0
    for _ in range(2000):
        wins, discordant = walks(rng)
        boundaries = exact_boundaries(0.05, discordant, SHARES)
        crossed += any(won >= least for won, least in zip(wins, boundaries, strict=True))
    assert crossed / 2000 <= 0.05


def test_so_do_permuted_paths_of_means() -> None:
    rng, crossed, runs = np.random.default_rng(2), 0, 300
    for _ in range(runs):
        signs = rng.choice([-1.0, 1.0], size=(400, 60))
        values = np.abs(rng.standard_normal(60)) * signs  # the first row is what was seen: a fair draw too
        paths = np.stack([values[:, :24].sum(1), values[:, :48].sum(1), values.sum(1)], axis=1)
        crossed += any(permuted_p(paths[:, :k], SHARES[:k]) <= 0.05 for k in (1, 2, 3))
    assert crossed / runs <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / runs)


def test_ordinary_tests_at_every_look_would_err_more_often() -> None:
    rng, crossed, once = np.random.default_rng(1), 0, 0
    for _ in range(2000):
        wins, discordant = walks(rng)
        p = [binom.sf(won - 1, total, 0.5) for won, total in zip(wins, discordant, strict=True)]
        crossed += min(p) <= 0.05
        once += p[-1] <= 0.05
    assert crossed > 1.5 * once


def test_intervals_read_at_any_look_hold_the_truth_95_times_in_100() -> None:
    z = norm.isf([level_at(0.025, SHARES[: k + 1]) for k in range(3)])
    rng = np.random.default_rng(3)
    steps = rng.standard_normal((20_000, 3)) * np.sqrt(np.diff([0.0, *SHARES]))
    standard = np.abs(steps.cumsum(1) / np.sqrt(SHARES))
    assert 0.945 <= (standard < z).all(axis=1).mean() <= 0.96


def test_a_comparison_with_one_look_at_all_rows_is_the_ordinary_one() -> None:
    rows, looks = table(60)
    rng = np.random.default_rng(4)
    a, b = (answers(rng.random(60) < share) for share in (0.8, 0.6))
    once = Looks((frozenset(row.id for row in rows),), 60)
    names = {"method": "a", "against": "b"}
    plain = compare(METRICS.get("accuracy"), a, b, rows, "ab", **names)
    found = compare_looks(once, METRICS.get("accuracy"), a, b, rows, "ab", **names)
    assert found.p_greater == pytest.approx(plain.p_greater, rel=1e-3)
    assert (found.low, found.high) == pytest.approx((plain.low, plain.high))
    later = compare_looks(looks, METRICS.get("accuracy"), a, b, rows, "ab", **names)
    assert later.p_greater >= plain.p_greater
    assert later.high - later.low > plain.high - plain.low


def test_other_metrics_are_tested_over_looks_by_permutation_and_agree_with_the_exact_test() -> None:
    rows, looks = table(100)
    rng = np.random.default_rng(5)
    a, b = (answers(rng.random(100) < share) for share in (0.85, 0.65))
    names = {"method": "a", "against": "b"}
    exact = compare_looks(looks, METRICS.get("accuracy"), a, b, rows, "ab", **names)
    seeds = ([a], [b])  # the same answers again: means over seeds are permuted
    permuted = compare_looks(
        looks, METRICS.get("accuracy"), a, b, rows, "ab", repeats=seeds, resamples=4000, **names
    )
    assert (exact.test, permuted.test) == ("sequential_mcnemar_exact", "sequential_permutation")
    assert permuted.p_greater == pytest.approx(exact.p_greater, abs=0.01)


def test_a_bootstrap_says_nothing_of_a_level_that_its_resamples_do_not_show() -> None:
    rows, looks = table(100)
    rng = np.random.default_rng(5)
    a, b = (answers(rng.random(100) < share) for share in (0.6, 0.65))
    early = Looks(looks.rows[:1], 300)
    seen = [row for row in rows if row.id in early.rows[0]]
    ours, theirs = a[: len(seen)], b[: len(seen)]
    names = {"method": "a", "against": "b", "repeats": ([ours], [theirs]), "resamples": 2000}
    found = compare_looks(early, METRICS.get("accuracy"), ours, theirs, seen, "ab", **names)
    assert found.low is None and "so early a look" in str(found.reason)
    assert chance_to_win(found, early, 0.05, (0.2, 1.0), False) == 1.0
    whole = compare_looks(
        looks, METRICS.get("accuracy"), a, b, rows, "ab", **{**names, "repeats": ([a], [b])}
    )
    assert whole.low is not None


def test_the_chance_to_win_is_what_simulation_says() -> None:
    """Of rows still to come, given a difference so far and one that is hoped for."""
    rows, looks = table(300)
    rng = np.random.default_rng(6)
    a, b = rng.random(120) < 0.72, rng.random(120) < 0.74
    part = Looks(looks.rows[:1], 300)
    names = {"method": "a", "against": "b"}
    found = compare_looks(part, METRICS.get("accuracy"), answers(a), answers(b), rows[:120], "ab", **names)
    chance = chance_to_win(found, part, 0.05, SHARES, error=False)
    hoped = found.difference + 1.96 * (found.high - found.difference) / norm.isf(level_at(0.025, (0.4,)))
    rate = np.mean(a != b)
    wins, losses = (a & ~b).sum(), (b & ~a).sum()
    m = rng.multinomial(180, [(rate + hoped) / 2, (rate - hoped) / 2, 1 - rate], size=20_000)
    ahead, total = wins + m[:, 0], wins + losses + m[:, 0] + m[:, 1]
    reached = binom.sf(ahead - 1, total, 0.5) <= level_at(0.05, SHARES)
    assert chance == pytest.approx(reached.mean(), abs=0.05)


@pytest.mark.parametrize("metric", ["accuracy", "macro_f1"])
def test_an_arm_that_went_on_is_compared_on_the_rows_that_its_neighbour_has_answered(metric: str) -> None:
    rows, looks = table(60)
    rng = np.random.default_rng(7)
    lora, adapted = (answers(rng.random(60) < share) for share in (0.6, 0.7))
    cost = dict.fromkeys(("fit_s", "predict_s", "latency_s", "peak_memory_gib"), 1.0)
    costs = [{**cost, "rows_predicted": 60, "threads": 1}]
    ended = [one for one in lora if one.example_id in looks.rows[0]]
    outputs = [
        ArmOutput("tfidf", "classifier", answers(rng.random(60) < 0.5), costs),
        ArmOutput("lora", "tuned", ended, costs),
        ArmOutput("adapt", "tuned", adapted, costs, beside="lora"),
    ]
    job = Job(data=DataSpec(path=""), resamples=200)
    seen = {"lora": Looks(looks.rows[:1], 60), "adapt": looks}
    found = score_arms(outputs, {row.id: row for row in rows}, "ab", metric, [metric], job, 1, seen)
    [beside] = [one for one in found.comparisons if one.against == "lora"]
    assert beside.n == len(ended) and beside.test.startswith("sequential")
