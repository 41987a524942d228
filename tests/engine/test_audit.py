"""The audit catches what would silently teach nothing."""

from dataclasses import replace
from pathlib import Path

import pytest

from tuneworthy.core.errors import AuditError
from tuneworthy.core.example import Example
from tuneworthy.engine.audit import audit_rows, show_row
from tuneworthy.engine.encoding import cut_input, encode_prompt, encode_row
from tuneworthy.models.decoder import Decoder, load_decoder
from tuneworthy.tasks import TASKS

TASK = TASKS.get("text-classification")
EXAMPLE = Example(id="a", input="the parcel is late", target="late delivery", row=7)


@pytest.fixture(scope="module")
def decoder(decoder_folder: Path) -> Decoder:
    return load_decoder(decoder_folder, "float32")


def test_a_sound_row_passes(decoder: Decoder) -> None:
    audit_rows(decoder, TASK, [encode_row(decoder, TASK, "Answer.", EXAMPLE)], [EXAMPLE], 512)


def test_the_training_prompt_is_the_serving_prompt_byte_for_byte(decoder: Decoder) -> None:
    row = encode_row(decoder, TASK, "Answer.", EXAMPLE)
    assert list(row.prompt) == encode_prompt(decoder, TASK, "Answer.", EXAMPLE.input)


def test_the_stop_token_is_supervised(decoder: Decoder) -> None:
    row = encode_row(decoder, TASK, "Answer.", EXAMPLE)
    assert row.answer[-1] == decoder.tokenizer.eos_token_id


def test_a_missing_stop_token_is_found(decoder: Decoder) -> None:
    row = encode_row(decoder, TASK, "Answer.", EXAMPLE)
    with pytest.raises(AuditError, match=r"row 7.*stop token"):
        audit_rows(decoder, TASK, [replace(row, answer=row.answer[:-1])], [EXAMPLE], 512)


def test_a_row_without_supervised_tokens_is_found(decoder: Decoder) -> None:
    row = encode_row(decoder, TASK, "Answer.", EXAMPLE)
    with pytest.raises(AuditError, match="nothing but the stop token"):
        audit_rows(decoder, TASK, [replace(row, answer=row.answer[-1:])], [EXAMPLE], 512)


def test_prompt_tokens_among_the_supervised_ones_are_found(decoder: Decoder) -> None:
    row = encode_row(decoder, TASK, "Answer.", EXAMPLE)
    shifted = replace(row, prompt=row.prompt[:-2], answer=(*row.prompt[-2:], *row.answer))
    with pytest.raises(AuditError):
        audit_rows(decoder, TASK, [shifted], [EXAMPLE], 512)


def test_a_truncated_target_is_found(decoder: Decoder) -> None:
    row = encode_row(decoder, TASK, "Answer.", EXAMPLE)
    with pytest.raises(AuditError, match="tokens, more than the"):
        audit_rows(decoder, TASK, [row], [EXAMPLE], row.length - 1)


def test_a_special_token_among_the_supervised_ones_is_found(decoder: Decoder) -> None:
    row = encode_row(decoder, TASK, "Answer.", EXAMPLE)
    with pytest.raises(AuditError, match="special token"):
        audit_rows(decoder, TASK, [replace(row, answer=(*row.answer, row.answer[-1]))], [EXAMPLE], 512)


def test_a_label_that_is_a_special_token_is_learned_as_text(decoder: Decoder) -> None:
    example = EXAMPLE.model_copy(update={"target": "a<|im_end|>b"})
    audit_rows(decoder, TASK, [encode_row(decoder, TASK, "Answer.", example)], [example], 512)


def test_the_shown_row_marks_supervised_tokens_only(decoder: Decoder) -> None:
    shown = show_row(decoder, encode_row(decoder, TASK, "Answer.", EXAMPLE))
    prompt, supervised = shown.split("assistant\n", 1)
    assert "«" not in prompt
    assert supervised.replace("«", "").replace("»", "") == "late delivery<|im_end|>"


def test_a_long_input_is_cut_at_a_token_and_a_short_one_is_left_alone(decoder: Decoder) -> None:
    text = "the dog jumps over the river " * 20
    cut = cut_input(decoder, text, 16)
    assert text.startswith(cut)
    assert len(decoder.encode(cut)) <= 16
    assert cut_input(decoder, "short", 16) == "short"
