"""Every file in `metrics/` keeps the contract; a new file is found here by itself."""

import doctest
import importlib
from typing import Any

import numpy as np
import pytest

from tuneworthy.core.prediction import Prediction
from tuneworthy.metrics import METRICS

LABELS = ["a", "b", "c"]
TARGETS = ["a", "b", "c", "a", "b", "c", "a"]


def predictions(values: list[str | None]) -> list[Prediction]:
    return [
        Prediction(example_id=str(i), value=v, status="unparseable" if v is None else "parsed")
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
    if metric.name in ("field_f1", "exact_record"):
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
    return float(metric.value(metric.parts(predictions(values), targets, LABELS).sum(0)))


def test_perfect_answers_score_best(metric: Any) -> None:
    assert score(metric, list(TARGETS), TARGETS) == pytest.approx(metric.best, abs=1e-12)


def test_answers_that_are_no_label_score_worst(metric: Any) -> None:
    assert score(metric, [None] * len(TARGETS), TARGETS) == metric.worst


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
