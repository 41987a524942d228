"""Ollama's Modelfile says what the chat template says."""

from pathlib import Path

import pytest

from tiny_models import save_decoder
from tuneworthy.core.errors import ModelError
from tuneworthy.exporters._modelfile import around, modelfile, read_modelfile
from tuneworthy.models.portable import speaking
from tuneworthy.tasks import Message

CHAT: list[Message] = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "a {{ b }} c"},
    {"role": "assistant", "content": "d"},
    {"role": "user", "content": "e\nf"},
]


@pytest.mark.parametrize("chat", [True, False], ids=["chat template", "plain template"])
def test_a_chat_is_rendered_to_the_same_bytes(tmp_path: Path, chat: bool) -> None:
    speaker = speaking(save_decoder(tmp_path, chat=chat))
    read = read_modelfile(modelfile(around(speaker), "m.gguf", "Be brief.", ["<|im_end|>"], 5))
    for turns in (CHAT, CHAT[:2]):
        assert read.render(turns) == speaker.render(turns)
    assert read.render(CHAT[1:]) == speaker.render(CHAT)  # the file's own system turn
    assert read.stops == ("<|im_end|>",)


def test_an_edited_template_is_another_prompt(tmp_path: Path) -> None:
    speaker = speaking(save_decoder(tmp_path))
    text = modelfile(around(speaker), "m.gguf", "Be brief.", ["<|im_end|>"], 5)
    assert read_modelfile(text.replace("assistant\n", "bot\n")).render(CHAT) != speaker.render(CHAT)
    with pytest.raises(ModelError, match="is not the one that was exported"):
        read_modelfile(text.replace("range .Messages", "range .Turns"))


def test_what_a_modelfile_cannot_quote_is_refused(tmp_path: Path) -> None:
    pieces = around(speaking(save_decoder(tmp_path)))
    with pytest.raises(ModelError, match="cannot quote"):
        modelfile(pieces, "m.gguf", 'three """ quotes', [], 5)
