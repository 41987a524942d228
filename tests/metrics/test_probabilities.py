"""Metrics of probabilities, and Matthews' correlation, equal scikit-learn's."""

import numpy as np
import pytest
from sklearn.metrics import log_loss, matthews_corrcoef, roc_auc_score

from tuneworthy.core.prediction import Prediction
from tuneworthy.metrics import METRICS, can_score
from tuneworthy.metrics.auroc import placements

Draw = tuple[list[Prediction], list[str], np.ndarray]


def drawn(seed: int, labels: list[str], rows: int = 60) -> Draw:
    rng = np.random.default_rng(seed)
    truth = [labels[i % len(labels)] for i in range(rows)]
    logits = rng.normal(size=(rows, len(labels)))
    logits[np.arange(rows), [labels.index(t) for t in truth]] += 1
    logits = logits.round(1)  # ties
    table = np.exp(logits)
    table = (table / table.sum(1, keepdims=True)).round(6)
    given = [
        Prediction(
            example_id=str(i), value=labels[int(row.argmax())], scores=dict(zip(labels, row, strict=True))
        )
        for i, row in enumerate(table)
    ]
    return given, truth, table


def value(name: str, given: list[Prediction], truth: list[str], labels: list[str]) -> float:
    metric = METRICS.get(name)
    return float(metric.value(metric.parts(given, truth, labels).sum(0)))


@pytest.mark.parametrize("labels", [["a", "b"], ["a", "b", "c", "d"]])
@pytest.mark.parametrize("seed", range(3))
def test_parity_with_scikit_learn(labels: list[str], seed: int) -> None:
    given, truth, table = drawn(seed, labels)
    answers = [p.value for p in given]
    assert value("mcc", given, truth, labels) == pytest.approx(matthews_corrcoef(truth, answers), abs=1e-9)
    assert value("log_loss", given, truth, labels) == pytest.approx(
        log_loss(truth, table / table.sum(1, keepdims=True), labels=labels), abs=1e-6
    )
    expected = (
        roc_auc_score(truth, table[:, 1])
        if len(labels) == 2
        else roc_auc_score(truth, table, multi_class="ovr", average="macro", labels=labels)
    )
    assert value("auroc", given, truth, labels) == pytest.approx(expected, abs=1e-9)


def test_the_area_of_a_resample_varies_as_the_area_itself_does() -> None:
    labels = ["a", "b"]
    given, truth, table = drawn(3, labels, rows=120)
    metric = METRICS.get("auroc")
    parts = metric.parts(given, truth, labels)
    rng = np.random.default_rng(0)
    draws = [rng.integers(0, 120, 120) for _ in range(400)]
    linear = [float(metric.value(parts[draw].sum(0))) for draw in draws]
    whole = [roc_auc_score(np.array(truth)[draw], table[draw, 1]) for draw in draws]
    assert np.std(linear) == pytest.approx(np.std(whole), rel=0.1)


def test_placements_sum_to_the_same_area_on_both_sides() -> None:
    own = np.array([True, False, True, False, False])
    parts = placements(np.array([0.9, 0.1, 0.4, 0.4, 0.8]), own)
    assert parts[own, 0].mean() == pytest.approx(parts[~own, 2].mean())


def test_probabilities_that_are_right_as_often_as_they_say_have_no_calibration_error() -> None:
    sure = {"a": 0.75, "b": 0.25}
    given = [Prediction(example_id=str(i), value="a", scores=sure) for i in range(8)]
    assert value("calibration_error", given, ["a"] * 6 + ["b"] * 2, ["a", "b"]) == pytest.approx(0.0)
    assert value("calibration_error", given, ["b"] * 8, ["a", "b"]) == pytest.approx(0.75)


def test_an_arm_without_probabilities_has_no_such_score() -> None:
    bare = [Prediction(example_id="1", value="a")]
    assert not can_score(METRICS.get("log_loss"), bare)
    assert can_score(METRICS.get("accuracy"), bare)
