"""Scores and their intervals."""

import random

import numpy as np
import pytest

from tuneworthy.core.prediction import Prediction
from tuneworthy.evaluation.intervals import estimate, field_estimates, label_estimates, wilson
from tuneworthy.metrics import METRICS

ACCURACY, MACRO_F1 = METRICS.get("accuracy"), METRICS.get("macro_f1")
LABELS = ["a", "b"]


def noisy(targets: list[str], right: float, seed: int) -> list[str]:
    rng = np.random.default_rng(seed)
    return [target if rng.random() < right else LABELS[target == "a"] for target in targets]


@pytest.mark.parametrize(
    ("right", "rows", "low", "high"), [(48, 60, 68, 88), (80, 100, 71, 87), (240, 300, 75, 84)]
)
def test_wilson_at_80_percent(table, answered, right: int, rows: int, low: int, high: int) -> None:
    found = estimate(
        ACCURACY,
        answered(["a"] * right + ["b"] * (rows - right)),
        table(["a"] * rows),
        LABELS,
        method="m",
    )
    assert (found.value, found.n, found.interval) == (0.8, rows, "wilson")
    assert (round(100 * found.low), round(100 * found.high)) == (low, high)


@pytest.mark.parametrize("answer", ["a", "b", "?"])
def test_wilson_has_width_at_all_right_and_all_wrong(table, answered, answer: str) -> None:
    found = estimate(ACCURACY, answered([answer] * 12), table(["a"] * 12), LABELS, method="m")
    assert found.high - found.low > 0.1


@pytest.mark.parametrize("metric", [ACCURACY, MACRO_F1], ids=lambda metric: metric.name)
@pytest.mark.parametrize("grouped", [False, True])
def test_neither_the_order_of_rows_nor_of_answers_matters(table, answered, metric, grouped: bool) -> None:
    targets = ["a"] * 40 + ["b"] * 20
    rows = table(targets, [f"g{row // 3}" for row in range(60)] if grouped else None)
    answers = answered(noisy(targets, 0.8, seed=1))
    first = estimate(metric, answers, rows, LABELS, method="m", resamples=500)
    random.Random(1).shuffle(rows)
    random.Random(2).shuffle(answers)
    assert estimate(metric, answers, rows, LABELS, method="m", resamples=500) == first


def test_the_same_seed_gives_the_same_interval_and_another_seed_another(table, answered) -> None:
    targets = ["a", "b"] * 30
    answers, rows = answered(noisy(targets, 0.8, seed=3)), table(targets)

    def ends(seed: int) -> tuple[float, float]:
        found = estimate(MACRO_F1, answers, rows, LABELS, method="m", resamples=500, seed=seed)
        return found.low, found.high

    assert ends(1) == ends(1)
    assert ends(1) != ends(2)


def test_rows_that_share_a_group_widen_the_interval_of_accuracy(table, answered) -> None:
    per_group = noisy(["a"] * 40, 0.75, seed=4)
    answers = answered([value for value in per_group for _ in range(10)])
    groups = [f"g{row // 10}" for row in range(400)]
    alone = estimate(ACCURACY, answers, table(["a"] * 400), LABELS, method="m")
    shared = estimate(ACCURACY, answers, table(["a"] * 400, groups), LABELS, method="m")
    assert (alone.value, alone.n) == (shared.value, shared.n)
    assert shared.interval == "group_bootstrap"
    widening = (shared.high - shared.low) / (alone.high - alone.low)
    assert widening == pytest.approx(np.sqrt(10), rel=0.15)


def test_groups_of_one_row_are_no_groups(table, answered) -> None:
    rows = table(["a"] * 20, [f"g{row}" for row in range(20)])
    assert estimate(ACCURACY, answered(["a"] * 20), rows, LABELS, method="m").interval == "wilson"


def test_a_perfect_macro_f1_has_no_interval_but_a_reason(table, answered) -> None:
    found = estimate(MACRO_F1, answered(["a", "b"] * 20), table(["a", "b"] * 20), LABELS, method="m")
    assert found.value == 1.0
    assert found.low is None and found.reason


def test_fewer_than_five_groups_have_no_interval_but_a_reason(table, answered) -> None:
    rows = table(["a", "b"] * 20, [f"g{row % 4}" for row in range(40)])
    found = estimate(ACCURACY, answered(noisy(["a", "b"] * 20, 0.7, 5)), rows, LABELS, method="m")
    assert found.low is None and "4 groups" in found.reason


def test_the_bootstrap_covers_the_truth_about_as_often_as_it_says(table, answered) -> None:
    rng = np.random.default_rng(6)
    covered = 0
    for _ in range(150):
        targets = [LABELS[int(draw < 0.3)] for draw in rng.random(80)]
        values = noisy(targets, 0.8, seed=int(rng.integers(1 << 30)))
        found = estimate(MACRO_F1, answered(values), table(targets), LABELS, method="m", resamples=400)
        covered += found.low <= 0.7772 <= found.high  # F1 112/132 and 48/68, from the joint probabilities
    assert 0.90 <= covered / 150 <= 0.99


def test_a_score_needs_rows_with_targets_and_answers_to_just_those(table, answered) -> None:
    with pytest.raises(ValueError, match="at least one row"):
        estimate(ACCURACY, [], [], LABELS, method="m")
    with pytest.raises(ValueError, match="no target"):
        withheld = [row.without_target() for row in table(["a"])]
        estimate(ACCURACY, answered(["a"]), withheld, LABELS, method="m")
    with pytest.raises(ValueError, match="differ in 1 ids"):
        estimate(ACCURACY, answered(["a"]), table(["a", "b"]), LABELS, method="m")
    with pytest.raises(ValueError, match="predicted twice"):
        estimate(ACCURACY, answered(["a"]) * 2, table(["a"]), LABELS, method="m")


def test_labels_get_precision_recall_and_f1_with_intervals(table, answered) -> None:
    targets, values = ["a"] * 20 + ["b"] * 10, ["a"] * 16 + ["b"] * 4 + ["b"] * 8 + ["a"] * 2
    found = {
        (row.label, row.metric): row
        for row in label_estimates(answered(values), table(targets), LABELS, method="m")
    }
    assert set(found) == {(label, name) for label in LABELS for name in ("precision", "recall", "f1")}
    precision, recall, f1 = (found["a", name] for name in ("precision", "recall", "f1"))
    assert (precision.value, recall.value) == (pytest.approx(16 / 18), 0.8)
    assert f1.value == pytest.approx(2 * 16 / (2 * 16 + 2 + 4))
    assert (recall.low, recall.high) == wilson(16, 20, 0.95)[:2]
    assert (precision.low, precision.high) == wilson(16, 18, 0.95)[:2]
    assert f1.low < f1.value < f1.high
    assert {row.n for row in (precision, recall, f1)} == {20}


def test_a_label_with_fewer_than_five_rows_has_no_interval(table, answered) -> None:
    targets = ["a"] * 20 + ["b"] * 4
    found = label_estimates(answered(targets), table(targets), LABELS, method="m")
    assert all(row.low is not None for row in found if row.label == "a")
    assert all(row.low is None and "4 true rows" in row.reason for row in found if row.label == "b")


def test_a_label_that_is_never_answered_has_precision_zero_without_an_interval(table, answered) -> None:
    found = label_estimates(answered(["a"] * 20), table(["a"] * 10 + ["b"] * 10), LABELS, method="m")
    precision = next(row for row in found if (row.label, row.metric) == ("b", "precision"))
    assert (precision.value, precision.low) == (0.0, None)
    assert "never answered" in precision.reason


def test_a_label_without_true_rows_has_no_estimate(table, answered) -> None:
    found = label_estimates(answered(["a", "c"] * 5), table(["a"] * 10), ["a", "c"], method="m")
    assert {row.label for row in found} == {"a"}


def test_labels_are_resampled_by_group(table, answered) -> None:
    per_group = noisy(["a", "b"] * 20, 0.7, seed=7)
    targets = [target for target in ["a", "b"] * 20 for _ in range(6)]
    rows = table(targets, [f"g{row // 6}" for row in range(240)])
    answers = answered([value for value in per_group for _ in range(6)])
    shared = label_estimates(answers, rows, LABELS, method="m", resamples=2_000)
    alone = label_estimates(answers, table(targets), LABELS, method="m")
    for wide, narrow in zip(shared, alone, strict=True):
        assert wide.interval == "group_bootstrap"
        assert wide.high - wide.low > 1.5 * (narrow.high - narrow.low)


@pytest.mark.parametrize(
    ("targets", "answers", "reason"),
    [
        (["a"] * 40 + ["b"] * 4, ["a"] * 38 + ["b"] * 6, "label 'b' has fewer than 5 true rows"),
        (["a"] * 40 + ["b"] * 8, ["b"] * 2 + ["a"] * 46, "label 'b' was never answered rightly"),
    ],
)
def test_a_macro_average_that_a_rare_label_decides_has_no_interval(
    table, answered, targets: list[str], answers: list[str], reason: str
) -> None:
    found = estimate(MACRO_F1, answered(answers), table(targets), LABELS, method="m", resamples=200)
    assert (found.low, found.reason) == (None, reason)


@pytest.mark.parametrize(("few", "reason"), [(4, "label 'b' has fewer than 5 true rows"), (5, None)])
def test_a_mean_area_that_a_rare_label_decides_has_no_interval(table, few: int, reason: str | None) -> None:
    targets = ["a"] * 20 + ["c"] * 20 + ["b"] * few
    rows = table(targets)
    drawn = np.random.default_rng(0).dirichlet([1, 1, 1], len(targets))
    answers = [
        Prediction(example_id=row.id, value=row.target, scores=dict(zip("abc", own, strict=True)))
        for row, own in zip(rows, drawn.tolist(), strict=True)
    ]
    found = estimate(METRICS.get("auroc"), answers, rows, ("a", "b", "c"), method="m", resamples=200)
    assert (found.low is None, found.reason) == (reason is not None, reason)


@pytest.mark.parametrize("constant", [True, False])
def test_a_label_that_is_never_answered_speaks_against_an_interval_unless_the_answer_is_constant(
    table, answered, constant: bool
) -> None:
    found = estimate(
        MACRO_F1,
        answered(["a"] * 60),
        table(["a"] * 40 + ["b"] * 20),
        LABELS,
        method="m",
        resamples=200,
        constant=constant,
    )
    assert (found.low is not None) == constant


@pytest.mark.parametrize(("some", "absent"), [(2, True), (12, False)])
def test_a_score_that_few_rows_decide_has_no_interval(table, answered, some: int, absent: bool) -> None:
    answers = ["the red house"] * some + ["nothing"] * (60 - some)
    found = estimate(
        METRICS.get("answer_f1"),
        answered(answers),
        table(["a red house"] * 60),
        (),
        method="m",
        resamples=400,
    )
    assert (found.low is None) == absent
    assert not absent or "score the worst possible" in str(found.reason)


def test_intervals_are_the_same_whatever_was_computed_before(table, answered) -> None:
    targets = noisy(["a"] * 60, 0.5, 0)
    first, other = answered(noisy(targets, 0.8, 1)), answered(noisy(targets, 0.6, 2))
    options = {"method": "m", "resamples": 200}
    alone = estimate(MACRO_F1, first, table(targets), LABELS, **options)
    estimate(MACRO_F1, other, table(targets), LABELS, **options)
    estimate(METRICS.get("macro_precision"), first, table(targets), LABELS, **options)
    assert estimate(MACRO_F1, first, table(targets), LABELS, **options) == alone


def test_a_field_that_few_groups_hold_has_no_interval(table, answered) -> None:
    targets = ['{"city": "Bonn", "day": "1"}', '{"city": "Kiel", "day": "2"}'] * 15
    answers = answered([*targets[:12], *['{"city": "Ulm", "day": "1"}'] * 18])
    fields = ["city", "day"]
    for each, known in ((10, False), (3, True)):
        rows = table(targets, [f"g{row // each}" for row in range(30)])
        found = field_estimates(METRICS.get("field_f1"), answers, rows, fields, method="m", resamples=500)
        assert [one.low is not None for one in found] == [known, known]


def test_a_rare_label_of_a_set_has_no_say_in_an_interval_of_the_mean_over_labels(table, answered) -> None:
    targets = ['["a"]'] * 60 + ['["a", "b"]'] * 38 + ['["a", "c"]'] * 2
    answers = answered(['["a"]'] * 70 + ['["a", "b"]'] * 30)
    metric, labels = METRICS.get("set_macro_f1"), ["a", "b", "c"]
    found = estimate(metric, answers, table(targets), labels, method="m", resamples=200)
    assert found.low is None and found.reason == "label 'c' has fewer than 5 true rows"
    micro = estimate(METRICS.get("set_micro_f1"), answers, table(targets), labels, method="m", resamples=200)
    assert micro.low is not None


def test_intervals_of_a_label_hold_the_truth_with_few_groups_too(table, answered) -> None:
    """Plain levels held it in 82% of tables of five groups, Student's in as many as the score's own."""
    rng, held, tables = np.random.default_rng(0), 0, 0
    for _ in range(150):
        shares = np.clip(rng.normal(0.75, 0.15, 5), 0, 1)
        targets = ["a" if i % 2 else "b" for i in range(60)]
        values = [t if rng.random() < shares[i // 12] else "ab"[t == "a"] for i, t in enumerate(targets)]
        rows = table(targets, [f"g{i // 12}" for i in range(60)])
        for found in label_estimates(answered(values), rows, LABELS, method="m", resamples=500):
            if (found.metric, found.label) == ("recall", "a") and found.low is not None:
                held, tables = held + (found.low <= 0.747 <= found.high), tables + 1
    assert held / tables > 0.86
