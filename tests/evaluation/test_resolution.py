"""What the test rows can resolve is said in the metric's own terms, or not at all."""

import numpy as np
import pytest

from tuneworthy.core.example import Example
from tuneworthy.core.job import DataSpec, Job
from tuneworthy.core.prediction import Prediction
from tuneworthy.evaluation.assemble import ArmOutput, Scores, score_arms
from tuneworthy.evaluation.resolution import power_of, rows_to_settle_difference
from tuneworthy.metrics import METRICS

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
    assert rows_to_settle_difference(METRICS.get("log_loss"), scores, outputs, rows) in range(1, 50)
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
        needed.append(rows_to_settle_difference(accuracy, scored("accuracy", rows, outputs), outputs, rows))
    assert least[0] is None or least[0] > 1.5 * least[1]
    assert needed[0] > 5 * needed[1]
