"""Power and row-by-row leads where a row has a score, not a right or wrong."""

import numpy as np
import pytest

from tuneworthy.core.example import Example
from tuneworthy.core.prediction import Prediction
from tuneworthy.evaluation.assemble import spread
from tuneworthy.evaluation.details import ahead
from tuneworthy.evaluation.power import rows_to_settle_means, spread_table
from tuneworthy.metrics import METRICS

F1 = METRICS.get("answer_f1")
ROWS = {f"r{i}": Example(id=f"r{i}", input="x", target="red green blue") for i in range(4)}


def said(*answers: str) -> list[Prediction]:
    return [Prediction(example_id=f"r{i}", value=answer) for i, answer in enumerate(answers)]


def test_the_detectable_difference_is_that_of_a_paired_mean() -> None:
    """(1.96 + 0.8416) x 0.3 / sqrt(100) = 0.0840, and a simulation finds it four times in five."""
    found = spread_table(100, observed_spread=0.3)[-1]
    assert found.source == "observed"
    assert found.minimum_detectable_difference == pytest.approx(0.0840, abs=1e-4)
    draws = np.random.default_rng(0).normal(found.minimum_detectable_difference, 0.3, (4000, 100))
    z = draws.mean(1) / (0.3 / 10)
    assert (np.abs(z) > 1.96).mean() == pytest.approx(0.8, abs=0.02)


def test_as_many_rows_settle_a_difference_as_find_it() -> None:
    rows = rows_to_settle_means(0.05, 0.3)
    assert rows is not None
    assert spread_table(rows, 0.3)[-1].minimum_detectable_difference <= 0.05
    assert spread_table(rows - 1, 0.3)[-1].minimum_detectable_difference > 0.05
    assert rows_to_settle_means(0.0, 0.3) is None


def test_the_spread_is_over_rows_and_paired() -> None:
    ours, theirs = said("red", "red green blue", "none", "red"), said("red", "red", "none", "red")
    assert spread(F1, ours, theirs, ROWS) == pytest.approx(np.std([0, 0.5, 0, 0], ddof=1))
    assert spread(F1, ours, ours, ROWS) == 0


def test_the_largest_leads_come_first_on_either_side() -> None:
    ours, theirs = said("red", "red green blue", "none", "red green"), said("red", "none", "red", "red")
    found = ahead(F1, (), ours, theirs, list(ROWS.values()), winner="a", against="b")
    assert [item["id"] for item in found["only_winner"]] == ["r1", "r3"]
    assert [item["id"] for item in found["only_against"]] == ["r2"]


def test_of_a_metric_of_unknown_size_only_what_was_seen_counts() -> None:
    assert spread_table(100, None, assumed=()) == ()
    assert [row.source for row in spread_table(100, 12.0, assumed=())] == ["observed"]
