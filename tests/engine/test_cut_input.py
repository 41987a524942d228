"""What of an over-long input is kept: a text's beginning, a chat's system turn and latest turns."""

from pathlib import Path

import pytest

from tuneworthy.core.errors import ModelError
from tuneworthy.engine.encoding import cut_input, encode_prompt
from tuneworthy.models.decoder import Decoder, load_decoder
from tuneworthy.tasks import TASKS, Message
from tuneworthy.tasks._chats import transcribed, transcript

CHAT: list[Message] = [
    {"role": "system", "content": "be kind"},
    {"role": "user", "content": "the first question is about the fox"},
    {"role": "assistant", "content": "the first answer is about the dog"},
    {"role": "user", "content": "the second question"},
    {"role": "assistant", "content": "the second answer"},
    {"role": "user", "content": "the last question"},
]


@pytest.fixture(scope="module")
def decoder(decoder_folder: Path) -> Decoder:
    return load_decoder(decoder_folder, "float32")


def tokens(decoder: Decoder, turns: list[Message]) -> int:
    return len(decoder.encode(transcript(turns)))


def test_a_text_keeps_its_beginning(decoder: Decoder) -> None:
    text = "the quick brown fox jumps over the lazy dog"
    assert cut_input(decoder, text, 1000) == text
    cut = cut_input(decoder, text, 4)
    assert text.startswith(cut) and len(decoder.encode(cut)) == 4


@pytest.mark.parametrize("left_out", [0, 2, 4])
def test_a_chat_loses_its_oldest_turns_up_to_a_users(left_out: int, decoder: Decoder) -> None:
    wanted = [CHAT[0], *CHAT[1 + left_out :]]
    room = tokens(decoder, wanted)
    for spare in range(3):
        assert transcribed(cut_input(decoder, transcript(CHAT), room + spare)) == wanted


def test_one_token_less_loses_the_next_turns(decoder: Decoder) -> None:
    room = tokens(decoder, CHAT) - 1
    assert transcribed(cut_input(decoder, transcript(CHAT), room)) == [CHAT[0], *CHAT[3:]]


@pytest.mark.parametrize("longest", [0, 1])
def test_of_turns_that_are_too_long_the_longest_keeps_its_beginning(longest: int, decoder: Decoder) -> None:
    turns: list[Message] = [CHAT[0], CHAT[-1]]
    long = "the fox " * 200
    turns[longest] = {"role": turns[longest]["role"], "content": long}
    cut = transcribed(cut_input(decoder, transcript([turns[0], *CHAT[1:5], turns[1]]), 60))
    assert cut is not None
    assert [turn["role"] for turn in cut] == ["system", "user"]
    assert cut[1 - longest] == turns[1 - longest]
    assert long.startswith(cut[longest]["content"])
    assert 55 <= tokens(decoder, cut) <= 60


def test_a_chat_is_rendered_turn_by_turn(decoder: Decoder) -> None:
    task = TASKS.get("text-generation")
    rendered = decoder.tokenizer.decode(encode_prompt(decoder, task, task.instruction(()), transcript(CHAT)))
    asked = "".join(f"<|im_start|>{turn['role']}\n{turn['content']}<|im_end|>\n" for turn in CHAT)
    assert rendered == f"{asked}<|im_start|>assistant\n"


def test_a_template_that_refuses_the_turns_is_a_sentence(decoder_folder: Path) -> None:
    picky = load_decoder(decoder_folder, "float32")
    picky.tokenizer.chat_template = "{{ raise_exception('roles must alternate') }}"
    with pytest.raises(ModelError, match=r"refuses the turns system, user \(roles must alternate\)"):
        picky.render(CHAT[:2])
