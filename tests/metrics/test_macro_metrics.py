"""The macro metrics against scikit-learn, and what they do with answers that are no answer."""

import numpy as np
import pytest
from sklearn.metrics import f1_score, precision_score, recall_score

from tuneworthy.core.prediction import Prediction
from tuneworthy.metrics import METRICS

OFFICIAL = {"macro_f1": f1_score, "macro_precision": precision_score, "macro_recall": recall_score}
UNPARSEABLE = Prediction(example_id="x", value=None, status="unparseable")
FAILED = Prediction(example_id="x", value=None, status="failed")


def answers(*values: str) -> list[Prediction]:
    return [UNPARSEABLE if value == "?" else Prediction(example_id="x", value=value) for value in values]


def score(name: str, values: list[str], targets: list[str], labels: str = "abcdef") -> float:
    metric = METRICS.get(name)
    return float(metric.value(metric.parts(answers(*values), targets, list(labels)).sum(axis=0)))


def draws(seed: int, alphabet: str, count: int) -> list[str]:
    return [str(letter) for letter in np.random.default_rng(seed).choice(list(alphabet), size=count)]


@pytest.mark.parametrize("name", OFFICIAL)
@pytest.mark.parametrize("seed", range(25))
def test_equals_scikit_learn_also_when_labels_are_absent(name: str, seed: int) -> None:
    rows = 3 + 4 * seed
    targets, values = draws(seed, "aaabbce", rows), draws(seed + 100, "aaabbdd", rows)
    official = OFFICIAL[name](targets, values, average="macro", zero_division=0)
    assert score(name, values, targets) == pytest.approx(official, abs=1e-12)


@pytest.mark.parametrize("name", OFFICIAL)
def test_equals_scikit_learn_over_the_labels_that_occur_when_some_answers_do_not_parse(name: str) -> None:
    targets, values = draws(1, "aabbc", 60), draws(2, "aab?d", 60)
    occurring = sorted({*targets, *values} - {"?"})
    official = OFFICIAL[name](targets, values, labels=occurring, average="macro", zero_division=0)
    assert score(name, values, targets) == pytest.approx(official, abs=1e-12)


@pytest.mark.parametrize("name", OFFICIAL)
def test_a_resample_scores_like_the_rows_it_repeats(name: str) -> None:
    targets, values = draws(3, "aaaabbc", 30), draws(4, "aaaabbd", 30)
    metric = METRICS.get(name)
    parts = metric.parts(answers(*values), targets, list("abcdef"))
    picks = np.random.default_rng(0).integers(0, 30, size=(40, 30))
    weights = np.array([np.bincount(pick, minlength=30) for pick in picks], dtype=float)
    for pick, value in zip(picks, metric.value(weights @ parts), strict=True):
        repeated = [targets[row] for row in pick], [values[row] for row in pick]
        assert value == pytest.approx(OFFICIAL[name](*repeated, average="macro", zero_division=0), abs=1e-12)


@pytest.mark.parametrize(
    ("name", "worked"),
    [("macro_f1", (4 / 5 + 2 / 3) / 2), ("macro_precision", 0.75), ("macro_recall", 5 / 6)],
)
def test_the_worked_example_of_the_docstring(name: str, worked: float) -> None:
    assert score(name, list("aabb"), list("aaab")) == pytest.approx(worked, abs=1e-12)


@pytest.mark.parametrize("nothing", [UNPARSEABLE, FAILED, Prediction(example_id="x", value="no label")])
def test_no_answer_is_a_false_negative_and_nobodys_false_positive(nothing: Prediction) -> None:
    parts = METRICS.get("macro_f1").parts([nothing], ["b"], ["a", "b"])
    assert parts.tolist() == [[0, 0, 0, 0, 0, 1]]  # tp a b, fp a b, fn a b


@pytest.mark.parametrize("name", OFFICIAL)
def test_per_label_values_are_in_the_order_of_the_labels(name: str) -> None:
    targets, values = draws(5, "abc", 40), draws(6, "abc", 40)
    metric = METRICS.get(name)
    sums = metric.parts(answers(*values), targets, list("cab")).sum(axis=0)
    official = OFFICIAL[name](targets, values, labels=list("cab"), average=None, zero_division=0)
    found = metric.per_label(sums, list("cab"))
    assert list(found) == list("cab")
    assert [float(value) for value in found.values()] == pytest.approx(list(official), abs=1e-12)


def test_a_target_that_is_no_label_is_refused() -> None:
    with pytest.raises(ValueError, match="not among the labels"):
        score("macro_f1", ["a"], ["z"])
