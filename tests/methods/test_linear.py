"""Linear classifiers: what a fit says to the user."""

import warnings

import numpy as np
import pytest

from tuneworthy.methods._linear import GRID_C, choose, fit_quietly, new_regression
from tuneworthy.metrics import METRICS


def test_more_labels_than_half_the_rows_are_no_news_to_the_user() -> None:
    labels = [f"label {i // 2}" for i in range(44)] + [f"alone {i}" for i in range(20)]
    vectors = np.random.default_rng(0).normal(size=(len(labels), 4))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fit_quietly(new_regression(1.0, None), vectors, labels)


@pytest.mark.parametrize("rare", [1, 2])
def test_two_labels_one_of_them_nearly_absent_can_be_fitted(rare: int) -> None:
    targets = ["rare"] * rare + ["common"] * 20
    vectors = np.random.default_rng(0).normal(size=(len(targets), 4))
    found = choose(
        lambda fit, held: (vectors[fit], vectors[held]),
        targets,
        ("common", "rare"),
        METRICS.get("accuracy"),
        0,
        lambda done, total: None,
    )
    assert found.score >= 20 / len(targets) - 0.1


def test_of_a_metric_of_errors_the_settings_with_the_least_are_chosen() -> None:
    rng = np.random.default_rng(0)
    targets = ["a", "b"] * 40
    vectors = rng.normal(size=(80, 6))
    vectors[::2, 0] += 1.0
    given = (lambda fit, held: (vectors[fit], vectors[held]), targets, ("a", "b"))
    found = choose(*given, METRICS.get("log_loss"), 0, lambda done, total: None)
    each = [choose(*given, METRICS.get("log_loss"), 0, lambda done, total: None, (c,)) for c in GRID_C]
    assert found.log_loss == min(one.log_loss for one in each) < max(one.log_loss for one in each)
