"""Error rates by group."""

import pytest

from tuneworthy.core.example import Example
from tuneworthy.core.prediction import Prediction
from tuneworthy.evaluation.groups import group_errors


def answered(sizes: dict[str, tuple[int, int]]) -> tuple[list[Prediction], list[Example]]:
    """Per group: rows, and how many of them are answered wrongly."""
    predictions, examples = [], []
    for group, (n, wrong) in sizes.items():
        for i in range(n):
            name = f"{group}{i}"
            examples.append(Example(id=name, input=name, target="yes", group=group))
            answer = "no" if i < wrong else "yes"
            predictions.append(Prediction(example_id=name, value=answer, status="parsed"))
    return predictions, examples


def test_the_group_with_the_highest_error_rate_comes_first_with_its_interval() -> None:
    found = group_errors(*answered({"a": (40, 2), "b": (40, 20), "c": (3, 3)}), 0.95, 0)
    assert found is not None
    assert [(row["group"], row["wrong"], row["n"]) for row in found["groups"]] == [
        ("b", 20, 40),
        ("a", 2, 40),
    ]
    assert found["groups"][0]["low"] == pytest.approx(0.3519, abs=1e-3)  # Wilson's, by hand
    assert found["left"] == 3
    assert found["p"] < 0.001


def test_the_same_error_rate_everywhere_is_chance() -> None:
    found = group_errors(*answered({"a": (40, 10), "b": (40, 11)}), 0.95, 0)
    assert found is not None
    assert found["p"] > 0.5


def test_all_right_is_no_difference() -> None:
    found = group_errors(*answered({"a": (20, 0), "b": (20, 0)}), 0.95, 0)
    assert found is not None
    assert found["p"] == 1.0


def test_an_answer_that_is_no_label_is_an_error() -> None:
    predictions, examples = answered({"a": (20, 0), "b": (20, 0)})
    predictions[0] = Prediction(example_id="a0", value=None, status="unparseable")
    found = group_errors(predictions, examples, 0.95, 0)
    assert found is not None
    assert found["groups"][0]["wrong"] == 1


def test_small_groups_alone_are_not_shown() -> None:
    assert group_errors(*answered({"a": (9, 1), "b": (40, 3)}), 0.95, 0) is None
