"""What the test rows can resolve is said in the metric's own terms, or not at all."""

from dataclasses import replace

import numpy as np
import pytest

from tuneworthy.core.example import Example
from tuneworthy.core.job import DataSpec, Job
from tuneworthy.core.prediction import Prediction
from tuneworthy.evaluation.assemble import ArmOutput, Scores, score_arms
from tuneworthy.evaluation.resolution import (
    Claim,
    power_of,
    rows_to_settle_difference,
    unevenness_of,
    whole_of,
)
from tuneworthy.metrics import METRICS
from tuneworthy.tasks import TASKS

CLAIM = Claim(margin=0.02, alpha=0.05, family=1, confidence=0.95)
COST = {
    "fit_s": 1,
    "predict_s": 1,
    "rows_predicted": 100,
    "latency_s": 1,
    "peak_memory_gib": 1,
    "threads": 1,
}


def rows_of_two_labels(count: int, each: int = 1) -> dict[str, Example]:
    """Rows of labels a and b, so many in each group."""
    return {
        f"r{i:03d}": Example(
            id=f"r{i:03d}", input="", target="ab"[i % 2], group=f"g{i // each}" if each > 1 else None
        )
        for i in range(count)
    }


def arm(method: str, rows: dict[str, Example], right: np.ndarray, sure: float) -> ArmOutput:
    """Right where it says so, with this probability for its answer."""
    given = []
    for (row_id, row), own in zip(rows.items(), right, strict=True):
        value = row.target if own else ("b" if row.target == "a" else "a")
        scores = {value: sure, ("b" if value == "a" else "a"): 1 - sure}
        given.append(Prediction(example_id=row_id, value=value, scores=scores))
    kind = "tuned" if method == "lora" else "classifier"
    return ArmOutput(method, kind, given, [COST])


def scored(metric: str, rows: dict[str, Example], outputs: list[ArmOutput]) -> Scores:
    return score_arms(outputs, rows, ("a", "b"), metric, [metric], Job(data=DataSpec(path="")), 1)


@pytest.mark.parametrize("metric", ["mcc", "auroc", "spearman"])
def test_of_a_metric_that_no_row_has_nothing_is_said(metric: str) -> None:
    assert power_of(METRICS.get(metric), 200) == ()


def test_a_log_loss_is_resolved_in_nats_as_far_apart_as_it_may_be() -> None:
    rows = rows_of_two_labels(100)
    draw = np.random.default_rng(0)
    # 0.95 sure and wrong on most rows, against 0.6 sure and mostly right: more than one nat a row apart.
    outputs = [
        arm("lora", rows, draw.random(100) < 0.9, 0.6),
        arm("tfidf", rows, draw.random(100) < 0.3, 0.999),
    ]
    scores = scored("log_loss", rows, outputs)
    assert abs(scores.comparisons[0].difference) > 1
    assert rows_to_settle_difference(METRICS.get("log_loss"), scores, outputs, rows, CLAIM) in range(1, 50)
    found = power_of(METRICS.get("log_loss"), 100, rows, (outputs[0], outputs[1]))
    assert [row.source for row in found] == ["observed"] and found[0].spread is not None


def test_rows_that_share_groups_and_outcomes_find_less_than_as_many_alone() -> None:
    accuracy, draw = METRICS.get("accuracy"), np.random.default_rng(1)
    wins = np.repeat(draw.random(20) < 0.25, 10)  # a group is won whole, or not at all
    few, many = (rows_of_two_labels(200, each) for each in (10, 1))
    needed, least = [], []
    for rows in (few, many):
        outputs = [arm("lora", rows, np.ones(200, bool), 0.9), arm("tfidf", rows, ~wins, 0.9)]
        power = power_of(accuracy, 200, rows, (outputs[0], outputs[1]))
        assert {row.n for row in power} == {200}
        least.append(power[-1].minimum_detectable_difference)
        scores = scored("accuracy", rows, outputs)
        needed.append(rows_to_settle_difference(accuracy, scores, outputs, rows, CLAIM))
    assert least[0] is None or least[0] > 1.5 * least[1]
    assert needed[0] > 5 * needed[1]


def test_rows_do_not_settle_what_the_draw_of_seeds_hides() -> None:
    """Seeds as far apart as the gain: more rows are named, and none where no number of rows is enough."""
    accuracy, draw = METRICS.get("accuracy"), np.random.default_rng(3)
    rows = rows_of_two_labels(300)
    plain = arm("tfidf", rows, draw.random(300) < 0.7, 0.9)
    luck = draw.random(300)
    needed = []
    for apart in (0.0, 0.03, 0.09):
        seeds = [arm("lora", rows, luck < share, 0.9) for share in (0.78 - apart, 0.78, 0.78 + apart)]
        tuned = replace(seeds[1], repeats=(seeds[0].predictions, seeds[2].predictions))
        outputs = [tuned, plain]
        scores = scored("accuracy", rows, outputs)
        needed.append(rows_to_settle_difference(accuracy, scores, outputs, rows, CLAIM))
    assert needed[0] < needed[1] and needed[2] is None


def uneven(count: int, rare: float) -> dict[str, Example]:
    """Rows of which this share is of label b."""
    return {
        f"r{i:03d}": Example(id=f"r{i:03d}", input="", target="b" if i < rare * count else "a")
        for i in range(count)
    }


def test_a_macro_average_of_uneven_labels_finds_less_than_a_share_of_right_rows() -> None:
    macro, accuracy = METRICS.get("macro_f1"), METRICS.get("accuracy")
    rows, draw = uneven(300, 0.1), np.random.default_rng(2)
    outputs = [
        arm("lora", rows, draw.random(300) < 0.9, 0.9),
        arm("tfidf", rows, draw.random(300) < 0.85, 0.9),
    ]
    pair = outputs[0], outputs[1]
    factor = unevenness_of(macro, list(rows.values()))
    assert factor == pytest.approx(np.sqrt((1 / 0.9 + 1 / 0.1) / 4))
    assumed = power_of(macro, 300, unevenness=factor)
    assert [row.source for row in assumed] == ["assumed", "assumed"]
    share = power_of(accuracy, 300)
    assert assumed[0].minimum_detectable_difference > 1.4 * share[0].minimum_detectable_difference
    seen = power_of(macro, 300, rows, pair)[-1]
    assert seen.source == "observed"
    assert seen.minimum_detectable_difference > 1.3 * (
        power_of(accuracy, 300, rows, pair)[-1].minimum_detectable_difference
    )


def test_even_labels_are_even() -> None:
    assert unevenness_of(METRICS.get("macro_f1"), list(uneven(100, 0.5).values())) == pytest.approx(1)
    assert unevenness_of(METRICS.get("accuracy"), list(uneven(100, 0.1).values())) == 1


def test_the_jackknife_spread_of_a_macro_average_is_that_of_its_samples() -> None:
    """Over many tables of the same kind the difference varies as one table says that it does."""
    macro, found, spreads = METRICS.get("macro_f1"), [], []
    for seed in range(60):
        rows, draw = uneven(200, 0.2), np.random.default_rng(seed)
        outputs = [
            arm("lora", rows, draw.random(200) < 0.85, 0.9),
            arm("tfidf", rows, draw.random(200) < 0.75, 0.9),
        ]
        spreads.append(power_of(macro, 200, rows, (outputs[0], outputs[1]))[-1].spread)
        scores = [_value(macro, rows, output) for output in outputs]
        found.append(scores[0] - scores[1])
    assert np.mean(spreads) / np.sqrt(200) == pytest.approx(np.std(found), rel=0.25)


def _value(metric, rows, output: ArmOutput) -> float:
    parts = metric.parts(output.predictions, [row.target for row in rows.values()], ("a", "b"))
    return float(metric.value(parts.sum(0)))


def test_a_stricter_level_finds_less() -> None:
    accuracy = METRICS.get("accuracy")
    strict, usual = (power_of(accuracy, 300, alpha=alpha)[0] for alpha in (0.01, 0.05))
    assert strict.minimum_detectable_difference > usual.minimum_detectable_difference
    assert strict.alpha == 0.01


def _settled(wins: int, losses: int, claim: Claim) -> int | None:
    """Of 200 rows, so many only lora has right and so many only tfidf."""
    rows = rows_of_two_labels(200)
    places = np.arange(200)
    outputs = [
        arm("lora", rows, ((places < 150) & (places >= losses)) | (places >= 200 - wins), 0.9),
        arm("tfidf", rows, places < 150, 0.9),
    ]
    return rows_to_settle_difference(
        METRICS.get("accuracy"), scored("accuracy", rows, outputs), outputs, rows, claim
    )


def test_so_many_rows_settle_the_rules_question_and_not_only_whether_there_is_a_difference() -> None:
    # 6 points: rows for the test alone; against a margin of 5 many more, and none are enough at 6.
    wins, losses = 22, 10
    for_test = _settled(wins, losses, Claim(0.0, 0.05, 1, 0.95))
    assert for_test is not None
    near = _settled(wins, losses, Claim(0.05, 0.05, 1, 0.95))
    assert near is not None and near > 3 * for_test
    assert _settled(wins, losses, Claim(0.06, 0.05, 1, 0.95)) is None


def test_arms_that_share_an_error_rate_need_more_rows() -> None:
    alone, shared = (_settled(22, 10, Claim(0.0, 0.05, family, 0.95)) for family in (1, 8))
    assert alone is not None and shared is not None and shared > 1.2 * alone


def test_a_loss_is_settled_when_the_gain_worth_having_is_ruled_out() -> None:
    assert _settled(10, 22, Claim(0.02, 0.05, 1, 0.95)) in range(50, 400)


def test_of_a_log_loss_the_whole_is_the_entropy_of_the_labels() -> None:
    rows = list(uneven(100, 0.2).values())
    entropy = -(0.8 * np.log(0.8) + 0.2 * np.log(0.2))
    task = TASKS.get("text-classification")
    assert whole_of(METRICS.get("log_loss"), task, rows) == pytest.approx(entropy)
    assert whole_of(METRICS.get("accuracy"), task, rows) == 1


def test_without_a_fine_tune_the_best_arm_is_compared_with_the_next_one_alone() -> None:
    rows = rows_of_two_labels(60)
    outputs = [
        arm(name, rows, np.arange(60) < right, 0.9) for name, right in (("a", 30), ("b", 50), ("c", 40))
    ]
    scores = scored("accuracy", rows, outputs)
    assert [(one.method, one.against, one.wins, one.losses) for one in scores.comparisons] == [
        ("b", "c", 10, 0)
    ]
