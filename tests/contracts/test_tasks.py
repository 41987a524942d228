"""Every file in `tasks/` keeps the contract; a new file is found here by itself."""

from typing import Any

import pytest

from tuneworthy.tasks import TASKS

GARBAGE = ["", " ", "\x00", "<|im_end|>", "{", "a" * 10_000, "🙂", "no such label", "\n\n"]
TARGETS = ["refund", "price change", "Ünïcode", "a", "ab", "emoji 🙂", "label-with_marks!"]


@pytest.fixture(params=TASKS.names())
def task(request: pytest.FixtureRequest) -> Any:
    return TASKS.get(request.param)


@pytest.mark.parametrize("target", TARGETS)
def test_what_is_formatted_is_parsed_back(task: Any, target: str) -> None:
    assert task.parse(task.format(target), TARGETS) == target


@pytest.mark.parametrize("text", GARBAGE)
def test_garbage_is_unparseable_and_never_a_crash(task: Any, text: str) -> None:
    assert task.parse(text, TARGETS) is None


def test_the_prompt_does_not_contain_the_answer_of_its_own_row(task: Any) -> None:
    turns = task.messages("Do it.", "some text")
    assert turns[-1]["role"] == "user"
    assert all(turn["role"] != "assistant" for turn in turns)
