"""The confusion matrix, and who has right what the other has not."""

import subprocess
import sys

import pytest

from tuneworthy.evaluation.details import confusion, won

LABELS = ["a", "b"]


def test_rows_are_truth_columns_answers_and_the_last_column_no_label(table, answered) -> None:
    found = confusion(answered(["a", "b", "?", "b", "zzz"]), table(["a", "a", "a", "b", "b"]), LABELS)
    assert found == {"labels": LABELS, "matrix": [[1, 1, 1], [0, 1, 1]]}


def test_a_target_that_is_no_label_is_refused(table, answered) -> None:
    with pytest.raises(ValueError, match="not among the labels"):
        confusion(answered(["a"]), table(["z"]), LABELS)


def test_won_lists_the_rows_that_exactly_one_arm_has_right(table, answered) -> None:
    found = won(
        answered(["a", "a", "b", "b"]),
        answered(["a", "?", "a", "b"]),
        table(["a", "a", "a", "a"]),
        winner="lora",
        against="tfidf",
    )
    assert (found["winner"], found["against"]) == ("lora", "tfidf")
    assert found["only_winner"] == [{"id": "r0001", "target": "a", "winner": "a", "against": None}]
    assert found["only_against"] == [{"id": "r0002", "target": "a", "winner": "b", "against": "a"}]


def test_won_stops_at_the_limit_of_each_list(table, answered) -> None:
    ours, theirs = answered(["a", "b"] * 10), answered(["b", "a"] * 10)
    found = won(ours, theirs, table(["a"] * 20), limit=3, winner="x", against="y")
    assert (len(found["only_winner"]), len(found["only_against"])) == (3, 3)


def test_evaluation_and_verdict_never_load_torch() -> None:
    program = (
        "import sys, tuneworthy.verdict.rules, tuneworthy.evaluation.intervals, tuneworthy.evaluation.power\n"
        "import tuneworthy.evaluation.paired, tuneworthy.evaluation.details\n"
        "assert not {'torch', 'transformers', 'sklearn'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
