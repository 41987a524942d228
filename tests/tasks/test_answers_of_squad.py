"""Questions whose answers come as SQuAD's files have them, and questions without one."""

import json
from typing import Any

import pytest

from tuneworthy.core.errors import DataError
from tuneworthy.core.prediction import Prediction
from tuneworthy.data.forms import Cells
from tuneworthy.metrics import METRICS
from tuneworthy.metrics._answers import alternatives
from tuneworthy.tasks import TASKS, form_of

TASK = TASKS.get("question-answering")
READ = form_of(TASK).read


def target(cell: Any) -> str:
    return READ(Cells("q", cell if isinstance(cell, str) else json.dumps(cell))).target or ""


@pytest.mark.parametrize(
    ("cell", "wanted"),
    [
        ({"text": ["Rome"], "answer_start": [3]}, ["Rome"]),
        ({"text": ["Rome", "in Rome", "Rome"], "answer_start": [3, 0, 3]}, ["Rome", "in Rome"]),
        ([{"text": "Rome", "answer_start": 3}, {"text": "in Rome", "answer_start": 0}], ["Rome", "in Rome"]),
        (str({"text": ["Rome"], "answer_start": [3]}), ["Rome"]),
        ({"text": [], "answer_start": []}, ["no answer"]),
        ([], ["no answer"]),
        (["Rome", "in Rome"], ["Rome", "in Rome"]),
        ("Rome", ["Rome"]),
        ({"text": ['["a"]'], "answer_start": [0]}, ['["a"]']),
        ('{"city": "Rome"}', ['{"city": "Rome"}']),
    ],
)
def test_the_acceptable_answers_are_found(cell: Any, wanted: list[str]) -> None:
    assert alternatives(target(cell)) == wanted
    assert target(target(cell)) == target(cell)


def test_answers_without_text_are_an_error() -> None:
    with pytest.raises(DataError, match=r'write \{"text": \["..."\]\}'):
        target({"text": [None], "answer_start": [0]})


@pytest.mark.parametrize("metric", ["exact_match", "answer_f1"])
def test_a_correct_no_answer_has_full_credit_and_a_guess_none(metric: str) -> None:
    gold = target({"text": [], "answer_start": []})
    for wrote, score in (("no answer", 1.0), ("No answer.", 1.0), ("Rome", 0.0)):
        made = Prediction(example_id="1", value=TASK.parse(wrote, ()))
        assert METRICS.get(metric).parts([made], [gold], ())[0, 0] == score
    assert TASK.format(gold) == "no answer"
