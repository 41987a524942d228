"""Metrics of numbers equal scikit-learn's and scipy's, and answers that are none count as far off."""

import numpy as np
import pytest
from scipy.stats import spearmanr
from sklearn.metrics import cohen_kappa_score, mean_absolute_error

from tuneworthy.core.prediction import Prediction
from tuneworthy.metrics import METRICS


def value(name: str, answers: list[str | None], targets: list[str], labels: tuple[str, ...] = ()) -> float:
    metric = METRICS.get(name)
    given = [
        Prediction(example_id=str(i), value=a, status="unparseable" if a is None else "parsed")
        for i, a in enumerate(answers)
    ]
    return float(metric.value(metric.parts(given, targets, labels).sum(0)))


@pytest.mark.parametrize("seed", range(5))
def test_parity_with_the_libraries_on_an_ordered_scale(seed: int) -> None:
    rng = np.random.default_rng(seed)
    targets = rng.integers(1, 6, 80)
    answers = np.clip(targets + rng.integers(-2, 3, 80), 1, 5)
    texts = [str(a) for a in answers], [str(t) for t in targets]
    assert value("mae", *texts) == pytest.approx(mean_absolute_error(targets, answers), abs=1e-9)
    assert value("spearman", *texts) == pytest.approx(spearmanr(targets, answers).statistic, abs=1e-9)
    expected = cohen_kappa_score(targets, answers, weights="quadratic")
    assert value("quadratic_kappa", *texts) == pytest.approx(expected, abs=1e-9)


def test_spearman_of_real_numbers_equals_scipy() -> None:
    rng = np.random.default_rng(1)
    targets, noise = rng.normal(size=50).round(3), rng.normal(size=50).round(3)
    answers = (targets + noise).round(3)
    found = value("spearman", [str(a) for a in answers], [str(t) for t in targets])
    assert found == pytest.approx(spearmanr(targets, answers).statistic, abs=1e-9)


def test_answers_are_rounded_for_kappa_only_where_targets_are_whole() -> None:
    whole, real = ["1", "2", "3"], ["1", "2.5", "3"]
    assert value("quadratic_kappa", ["1.2", "2.4", "2.6"], whole) == 1.0
    assert value("quadratic_kappa", ["1.2", "2.4", "2.6"], real) < 1.0


@pytest.mark.parametrize("unit", [1e-7, 1.0, 1e7])
def test_agreement_does_not_depend_on_the_unit_of_the_numbers(unit: float) -> None:
    targets = [repr(unit * number) for number in (1.5, 2.25, 4.0)]
    assert value("quadratic_kappa", targets, targets) == pytest.approx(1.0)
    same = [repr(unit * 2.1)] * 3
    assert value("quadratic_kappa", same, same) == 0


def test_an_answer_without_a_number_is_as_wrong_as_the_range_allows() -> None:
    assert value("mae", [None, "2"], ["2", "2"], ("1", "5")) == (5 - 2) / 2


def test_all_the_same_answers_order_nothing() -> None:
    assert value("spearman", ["2", "2", "2"], ["1", "2", "3"]) == 0.0
