"""Arms fitted on several seeds: their mean, and an interval over rows and seeds."""

import numpy as np
import pytest
from numpy.typing import NDArray

from tuneworthy.core.evidence import Comparison, Estimate
from tuneworthy.core.example import Example
from tuneworthy.core.prediction import Prediction
from tuneworthy.evaluation.intervals import estimate
from tuneworthy.evaluation.paired import compare
from tuneworthy.evaluation.seeds import values_by_seed
from tuneworthy.metrics import METRICS

ROWS = [Example(id=f"r{i:03}", input=f"x{i}", target="a") for i in range(100)]
LABELS = ("a", "b")
ACCURACY = METRICS.get("accuracy")


def width(found: Estimate | Comparison) -> float:
    assert found.low is not None and found.high is not None
    return found.high - found.low


def answers(right: int, start: int = 0) -> list[Prediction]:
    rightly = {(start + i) % 100 for i in range(right)}
    return [
        Prediction(example_id=row.id, value="a" if i in rightly else "b", raw="")
        for i, row in enumerate(ROWS)
    ]


def test_the_mean_over_seeds_is_reported() -> None:
    found = estimate(ACCURACY, answers(60), ROWS, LABELS, method="m", repeats=[answers(70), answers(80)])
    assert (found.value, found.n, found.interval) == (pytest.approx(0.7), 100, "bootstrap")


def test_the_score_of_each_seed_is_kept_beside_their_mean() -> None:
    assert values_by_seed(ACCURACY, answers(60), [answers(70), answers(80)], ROWS, LABELS) == (0.6, 0.7, 0.8)
    assert values_by_seed(ACCURACY, answers(60), [], ROWS, LABELS) == ()


def test_seeds_that_differ_widen_the_interval() -> None:
    same = estimate(ACCURACY, answers(70), ROWS, LABELS, method="m", repeats=[answers(70)] * 2)
    apart = estimate(ACCURACY, answers(50), ROWS, LABELS, method="m", repeats=[answers(70), answers(90)])
    assert width(apart) > 1.3 * width(same)


def test_equal_seeds_give_the_interval_of_one() -> None:
    one = METRICS.get("macro_f1")
    rows = [row.model_copy(update={"target": "ab"[i % 2]}) for i, row in enumerate(ROWS)]
    alone = estimate(one, answers(60), rows, LABELS, method="m")
    thrice = estimate(one, answers(60), rows, LABELS, method="m", repeats=[answers(60)] * 2)
    assert (thrice.low, thrice.high) == (pytest.approx(alone.low), pytest.approx(alone.high))


def test_the_test_of_several_seeds_is_of_the_mean_of_their_scores_and_not_of_their_pooled_answers() -> None:
    """One seed that answers one label alone drags the mean down, which pooling its answers hides."""
    metric = METRICS.get("macro_f1")
    rows = [row.model_copy(update={"target": "b" if i % 5 == 0 else "a"}) for i, row in enumerate(ROWS)]
    targets = [str(row.target) for row in rows]

    def told(wrong: set[int]) -> list[Prediction]:
        values = ["ab"[targets[i] == "a"] if i in wrong else targets[i] for i in range(100)]
        return [Prediction(example_id=row.id, value=v) for row, v in zip(rows, values, strict=True)]

    good, collapsed = told(set()), told({i for i in range(100) if targets[i] == "b"})
    plain = told({*range(0, 50, 10), *range(1, 5), 6, 7})
    found = compare(
        metric, good, plain, rows, LABELS, method="m", against="n", repeats=([good, collapsed], [])
    )
    assert found.difference < 0.01
    assert found.p_greater > 0.3
    pooled = np.mean([metric.parts(one, targets, LABELS) for one in (good, good, collapsed)], axis=0)
    assert metric.value(pooled.sum(0)) - metric.value(metric.parts(plain, targets, LABELS).sum(0)) > 0.04


def test_whether_several_seeds_have_an_interval_does_not_depend_on_their_order() -> None:
    metric = METRICS.get("macro_f1")
    rows = [row.model_copy(update={"target": "ab"[i % 2]}) for i, row in enumerate(ROWS)]
    collapsed = [Prediction(example_id=row.id, value="a") for row in rows]
    first = estimate(metric, collapsed, rows, LABELS, method="m", repeats=[answers(60), answers(70)])
    last = estimate(metric, answers(60), rows, LABELS, method="m", repeats=[answers(70), collapsed])
    assert first.low is not None and last.low is not None
    assert first.value == pytest.approx(last.value)


def test_the_difference_is_that_of_the_means_and_seeds_widen_its_interval() -> None:
    other = answers(40)
    repeats = ([answers(70), answers(90)], [])
    found = compare(ACCURACY, answers(50), other, ROWS, LABELS, method="m", against="n", repeats=repeats)
    alone = compare(ACCURACY, answers(70), other, ROWS, LABELS, method="m", against="n", interval="bootstrap")
    assert found.difference == pytest.approx(0.3)
    assert found.wins is None and found.test == "permutation"
    assert (
        found.high is not None and found.low is not None and alone.high is not None and alone.low is not None
    )
    assert found.high - found.low > alone.high - alone.low


def test_arms_whose_seeds_differ_by_luck_alone_are_seldom_told_apart() -> None:
    rng = np.random.default_rng(0)
    hits = 0
    for _ in range(100):
        arms = [[answers_from(rng.random(100) < 0.7) for _ in range(3)] for _ in range(2)]
        found = compare(
            ACCURACY,
            arms[0][0],
            arms[1][0],
            ROWS,
            LABELS,
            method="m",
            against="n",
            repeats=(arms[0][1:], arms[1][1:]),
            resamples=200,
        )
        hits += found.p_two_sided <= 0.05
    assert hits <= 11  # 5 expected; more than 11 has a chance below 0.5%


def answers_from(right: NDArray[np.bool_]) -> list[Prediction]:
    return [
        Prediction(example_id=row.id, value="a" if hit else "b", raw="")
        for row, hit in zip(ROWS, right, strict=True)
    ]
