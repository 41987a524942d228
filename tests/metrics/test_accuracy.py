"""Accuracy, and what every metric promises."""

import numpy as np
import pytest

from tuneworthy.core.prediction import Prediction
from tuneworthy.metrics import METRICS, oriented
from tuneworthy.tasks import TASKS

LABELS = ["a", "b"]


def answers(*values: str | None) -> list[Prediction]:
    return [
        Prediction(
            example_id="x",
            value=value,
            status="unparseable" if value is None else "parsed",
            scores=None if value is None else {value: 1.0},
        )
        for value in values
    ]


def test_an_answer_that_does_not_parse_is_wrong() -> None:
    accuracy = METRICS.get("accuracy")
    parts = accuracy.parts(answers("a", "b", None), ["a", "a", "b"], LABELS)
    assert parts.tolist() == [[1, 1], [0, 1], [0, 1]]
    assert float(accuracy.value(parts.sum(axis=0))) == pytest.approx(1 / 3)


@pytest.mark.parametrize("name", METRICS.names())
@pytest.mark.parametrize("status", ["unparseable", "failed"])
def test_the_status_decides_even_when_a_value_was_left_behind(name: str, status: str) -> None:
    metric = METRICS.get(name)
    answer = "city: a" if name == "entity_f1" else '{"field": "a"}' if metric.open else "a"
    labels = LABELS
    if name in TASKS.get("regression").metrics:
        answer, labels = "1", ["1", "5"]
    given = Prediction(example_id="x", value=answer, status=status, scores={answer: 1.0})
    value = float(metric.value(metric.parts([given], [answer], labels).sum(axis=0)))
    assert value == pytest.approx(metric.worst) or value == {"mae": 4.0}.get(name, 0.0) != metric.best


def test_accuracy_of_a_resample_divides_by_the_rows_of_the_resample() -> None:
    sums = np.array([[3.0, 4.0], [3.0, 6.0]])
    assert METRICS.get("accuracy").value(sums).tolist() == [0.75, 0.5]


@pytest.mark.parametrize("name", [name for name in METRICS.names() if not METRICS.get(name).open])
def test_perfect_is_best_and_order_does_not_matter(name: str) -> None:
    metric = METRICS.get(name)
    targets = list("aababb")
    perfect = metric.parts(answers(*targets), targets, LABELS)
    assert float(metric.value(perfect.sum(axis=0))) == metric.best
    mixed = answers(*"abbab", None)
    forward = metric.parts(mixed, targets, LABELS).sum(axis=0)
    backward = metric.parts(mixed[::-1], targets[::-1], LABELS).sum(axis=0)
    assert float(metric.value(forward)) == pytest.approx(float(metric.value(backward)))
    assert oriented(metric, metric.value(forward)) < oriented(metric, np.array(metric.best))


@pytest.mark.parametrize("name", METRICS.names())
def test_empty_and_unpaired_input_raise(name: str) -> None:
    with pytest.raises(ValueError, match="at least one"):
        METRICS.get(name).parts([], [], LABELS)
    with pytest.raises(ValueError, match="2 predictions for 1 targets"):
        METRICS.get(name).parts(answers("a", "b"), ["a"], LABELS)
