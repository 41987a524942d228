"""Every file in `tasks/` keeps the contract; a new file is found here by itself."""

from typing import Any

import pytest

from tuneworthy.methods import METHODS
from tuneworthy.metrics import METRICS
from tuneworthy.metrics._records import canonical
from tuneworthy.tasks import TASKS

GARBAGE = ["", " ", "\x00", "<|im_end|>", "{", "a" * 10_000, "🙂", "no such label", "\n\n"]
TARGETS = ["refund", "price change", "Ünïcode", "a", "ab", "emoji 🙂", "label-with_marks!"]


@pytest.fixture(params=TASKS.names())
def task(request: pytest.FixtureRequest) -> Any:
    return TASKS.get(request.param)


ENTITIES = ["city: Rome", "city: New York; person: Ada L.", "none", "a-b: 10:30 h"]
RECORDS = [
    canonical({"city": "Rome", "n": 3}),
    canonical({"tags": ["a", "b"]}),
    "{}",
    canonical({"x": {"y": "\u00fc"}}),
]


NUMBERS = ["3", "-0.25", "1000000", "2.7183"]


@pytest.mark.parametrize("number", range(len(TARGETS)))
def test_what_is_formatted_is_parsed_back(task: Any, number: int) -> None:
    own = {"structured-extraction": RECORDS, "token-classification": ENTITIES, "regression": NUMBERS}
    known = own.get(task.name, TARGETS)
    target = known[number % len(known)]
    assert task.parse(task.format(target), TARGETS) == target


@pytest.mark.parametrize("text", GARBAGE)
def test_garbage_is_unparseable_and_never_a_crash(task: Any, text: str) -> None:
    found = task.parse(text, TARGETS)
    assert found is None or (task.open and found.strip() == found != "")


def test_a_blank_answer_is_unparseable(task: Any) -> None:
    assert task.parse(" \n\t", TARGETS) is None


def test_its_metrics_and_arms_are_known_and_give_its_kind_of_answer(task: Any) -> None:
    kinds = ("any", "texts" if task.open else "labels")
    assert all(METRICS.get(name).open == task.open for name in task.metrics)
    assert all(METHODS.get(name).answers in kinds for name in task.arms)


@pytest.mark.parametrize("name", ["question-answering", "summarization", "text-generation"])
def test_the_first_of_several_acceptable_answers_is_taught(name: str) -> None:
    task = TASKS.get(name)
    assert task.parse(task.format('["in Paris", "Paris"]'), ()) == "in Paris"


def test_the_prompt_does_not_contain_the_answer_of_its_own_row(task: Any) -> None:
    turns = task.messages("Do it.", "some text")
    assert turns[-1]["role"] == "user"
    assert all(turn["role"] != "assistant" for turn in turns)
