"""Chats: read from the forms that files have, kept as a transcript, given to the model as turns."""

import json
import random
from typing import Any

import pytest

from toy import toy_rows
from tuneworthy.checks import CHECKS, Examined
from tuneworthy.core.errors import DataError
from tuneworthy.core.example import Example
from tuneworthy.data.forms import Cells, Read
from tuneworthy.methods.few_shot import FewShotParameters, draw_demonstrations
from tuneworthy.tasks import TASKS, Message, form_of
from tuneworthy.tasks._chats import gist, transcribed, transcript

TASK = TASKS.get("text-generation")
READ = form_of(TASK).read
TURNS = [("system", "Be brief."), ("user", "Hi"), ("assistant", "Hello!"), ("user", "Bye")]
TRANSCRIPT = "[system] Be brief.\n[user] Hi\n[assistant] Hello!\n[user] Bye"


def openai(turns: list[tuple[str, str]]) -> list[dict[str, Any]]:
    return [{"role": role, "content": text} for role, text in turns]


def sharegpt(turns: list[tuple[str, str]]) -> list[dict[str, Any]]:
    names = {"user": "human", "assistant": "gpt", "system": "system"}
    return [{"from": names[role], "value": text} for role, text in turns]


def parts(turns: list[tuple[str, str]]) -> list[dict[str, Any]]:
    return [{"role": role, "content": [{"type": "text", "text": text}]} for role, text in turns]


def said(messages: list[Message]) -> list[tuple[str, str]]:
    return [(turn["role"], turn["content"]) for turn in messages]


@pytest.mark.parametrize("form", [openai, sharegpt, parts])
@pytest.mark.parametrize("written", [json.dumps, str])
def test_the_last_assistant_turn_is_the_answer_and_all_before_it_the_input(form: Any, written: Any) -> None:
    cell = written(form([*TURNS, ("assistant", "Good bye.")]))
    assert READ(Cells(cell, None)) == Read(TRANSCRIPT, "Good bye.")


def test_a_chat_without_an_answer_says_so_and_can_still_be_predicted() -> None:
    made = READ(Cells(json.dumps(openai(TURNS)), None))
    assert (made.input, made.target) == (TRANSCRIPT, None)
    assert made.note == "the last turn is not the assistant's"


def test_a_target_column_beside_a_chat_is_the_answer() -> None:
    assert READ(Cells(json.dumps(openai(TURNS)), "So long")) == Read(TRANSCRIPT, "So long")


def test_a_plain_prompt_and_its_completion_stay_as_they_are() -> None:
    for text in ("Say hi", '["a", "list"]', '[{"a": 1}]', "user: hi"):
        assert READ(Cells(text, "hi")) == Read(text, "hi")
        assert said(TASK.messages("Do it.", text)) == [("system", "Do it."), ("user", text)]


def test_an_answer_that_is_a_json_list_is_one_answer() -> None:
    made = READ(Cells(json.dumps(openai([("user", "two names"), ("assistant", '["a", "b"]')])), None))
    assert TASK.format(made.target or "") == '["a", "b"]'


def test_what_was_read_is_read_again_as_itself() -> None:
    once = READ(Cells(json.dumps(openai(TURNS)), "x"))
    assert READ(Cells(once.input, once.target)) == once


def test_a_transcript_gives_back_any_turns_exactly() -> None:
    draw = random.Random(0)
    pieces = ["[user] ", "[system]", "\\", "\n", "a b", " ", "[assistant] x", "\\[user] ", "\r", "\u2028", ""]
    for _ in range(3000):
        turns: list[Message] = [
            {
                "role": draw.choice(["system", "user", "assistant"]),
                "content": "".join(draw.choices(pieces, k=draw.randint(0, 6))),
            }
            for _ in range(draw.randint(1, 4))
        ]
        assert transcribed(transcript(turns)) == turns


def test_the_model_is_given_turns_and_the_rows_own_system_turn_in_place_of_the_tasks_sentence() -> None:
    assert said(TASK.messages(TASK.instruction(()), TRANSCRIPT)) == TURNS


def test_an_instruction_of_the_job_stands_before_the_rows_own_system_turn() -> None:
    messages = said(TASK.messages("Answer in French.", TRANSCRIPT))
    assert messages == [("system", "Answer in French.\n\nBe brief."), *TURNS[1:]]


def test_demonstrations_are_earlier_turns_and_there_is_one_system_turn() -> None:
    shown = [
        Example(id="a", input="[system] Be brief.\n[user] One?", target="Two."),
        Example(
            id="b", input="[system] Be long.\n[user] Three?\n[assistant] Hm?\n[user] Please", target="Four."
        ),
        Example(id="c", input="Five?", target="Six."),
    ]
    assert said(TASK.messages(TASK.instruction(()), TRANSCRIPT, shown)) == [
        ("system", "Be brief."),
        ("user", "One?"),
        ("assistant", "Two."),
        ("user", "Be long.\n\nThree?"),
        ("assistant", "Hm?"),
        ("user", "Please"),
        ("assistant", "Four."),
        ("user", "Five?"),
        ("assistant", "Six."),
        *TURNS[1:],
    ]


@pytest.mark.parametrize(
    ("turn", "message"),
    [
        ({"role": "tool", "content": "x"}, "turn 2 has the role 'tool', not system, user or assistant"),
        ({"role": "user", "content": None}, "turn 2 holds no text"),
        ({"role": "user", "content": [{"type": "image_url", "image_url": "x"}]}, "turn 2 holds no text"),
    ],
)
def test_a_turn_that_no_template_takes_is_named(turn: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        READ(Cells(json.dumps([*openai(TURNS[:1]), turn]), None))


def test_what_a_chat_is_about_is_what_was_said_the_latest_first() -> None:
    assert gist(TRANSCRIPT) == "Bye\nHello!\nHi"
    for text in ("a plain text", "[system] Be brief."):
        assert gist(text) == text


POLICY = " ".join(f"rule{i} of the house says so" for i in range(300))


def with_policy(texts: list[str]) -> list[Example]:
    policy: Message = {"role": "system", "content": POLICY}
    inputs = [transcript([policy, {"role": "user", "content": text}]) for text in texts]
    return [Example(id=str(i), input=text, target="x", row=i + 2) for i, text in enumerate(inputs)]


def test_a_system_turn_that_rows_share_makes_no_near_duplicates() -> None:
    rows = with_policy([row["text"] for row in toy_rows(30)])
    same = with_policy(["where is my parcel it should be here", "where is my parcel, it should be here!"])
    check = CHECKS.get("near_duplicates")
    assert check.examine(Examined(rows, (), 5, task=TASK.name)).outcome == "passed"
    assert check.examine(Examined([*rows, *same], (), 5, task=TASK.name)).outcome == "tip"


def test_a_long_system_turn_does_not_keep_chats_from_being_demonstrations() -> None:
    rows = with_policy([row["text"] for row in toy_rows(30)])
    assert len(draw_demonstrations(rows, FewShotParameters(k=4), seed=0, open=True)) == 4
