"""Every file in `metrics/` keeps the contract; a new file is found here by itself."""

import doctest
import importlib
from typing import Any

import numpy as np
import pytest

from tuneworthy.core.prediction import Prediction
from tuneworthy.metrics import METRICS, is_error, oriented
from tuneworthy.tasks import TASKS

LABELS = ["a", "b", "c"]
TARGETS = ["a", "b", "c", "a", "b", "c", "a"]


NUMBERS = {"a": "1", "b": "2", "c": "5"}


def predictions(values: list[str | None]) -> list[Prediction]:
    """Answers, sure of themselves."""
    return [
        Prediction(
            example_id=str(i),
            value=v,
            status="unparseable" if v is None else "parsed",
            scores=None if v is None else {v: 1.0},
        )
        for i, v in enumerate(values)
    ]


@pytest.fixture(params=METRICS.names())
def metric(request: pytest.FixtureRequest) -> Any:
    return METRICS.get(request.param)


SENTENCES = {
    "a": "the parcel has not come yet today",
    "b": "please send my money back at once",
    "c": "how do I change the password here",
}


def score(metric: Any, values: list[str | None], targets: list[str]) -> float:
    labels = LABELS
    if metric.name in TASKS.get("regression").metrics:
        values = [None if v is None else NUMBERS[v] for v in values]
        targets, labels = [NUMBERS[t] for t in targets], ["1", "5"]
    elif metric.name in ("field_f1", "exact_record"):
        values = [None if v is None else f'{{"field": "{v}"}}' for v in values]
        targets = [f'{{"field": "{t}"}}' for t in targets]
    elif metric.name in ("set_micro_f1", "set_macro_f1", "exact_set"):
        pass
    elif metric.name == "entity_f1":
        values = [None if v is None else f"city: {v}" for v in values]
        targets = [f"city: {t}" for t in targets]
    elif metric.open:
        values = [None if v is None else SENTENCES[v] for v in values]
        targets = [SENTENCES[t] for t in targets]
    return float(metric.value(metric.parts(predictions(values), targets, labels).sum(0)))


def test_perfect_answers_score_best(metric: Any) -> None:
    assert score(metric, list(TARGETS), TARGETS) == pytest.approx(metric.best, abs=1e-12)


def test_answers_that_are_none_score_worst(metric: Any) -> None:
    silent = score(metric, [None] * len(TARGETS), TARGETS)
    if (metric.worst, metric.best) in ((0.0, 1.0), (1.0, 0.0)):
        assert silent == metric.worst
    wrong = score(metric, ["b", "c", "a", "b", "c", "a", "b"], TARGETS)
    right = score(metric, list(TARGETS), TARGETS)
    assert oriented(metric, silent) < oriented(metric, right)
    if metric.name != "mcc":  # a correlation: answers that are all the same say nothing, others can mislead
        assert oriented(metric, silent) <= oriented(metric, wrong)


def test_its_ends_say_which_way_is_better(metric: Any) -> None:
    assert metric.best != metric.worst
    assert is_error(metric) == (metric.best == 0.0)


def test_the_order_of_rows_does_not_matter(metric: Any) -> None:
    values = ["a", "c", "c", "b", "b", None, "a"]
    order = np.random.default_rng(0).permutation(len(TARGETS))
    shuffled = score(metric, [values[i] for i in order], [TARGETS[i] for i in order])
    assert shuffled == pytest.approx(score(metric, values, TARGETS), abs=1e-12)


def test_nothing_to_score_is_an_error(metric: Any) -> None:
    with pytest.raises(ValueError):
        metric.parts([], [], LABELS)


def test_the_worked_example_in_the_docstring_holds(metric: Any) -> None:
    module = importlib.import_module(METRICS.module_name(metric.name))
    result = doctest.testmod(module)
    assert result.attempted > 0
    assert result.failed == 0
