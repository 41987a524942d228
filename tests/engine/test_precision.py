"""An encoder that trains in 16 bits: weights, sums and the loss stay in float32, attention goes back."""

from pathlib import Path

import pytest
import torch

from tiny_models import save_embedder
from tuneworthy.engine.reader import Reader, ReadRow
from tuneworthy.models.headed import Head, HeadedEncoder, load_headed

WANTED: dict[Head, tuple[int, ...]] = {
    "sequence": (1,),
    "labels": (1, 0, 1),
    "token": (1, 0, 2, -100),
    "span": (1, 3),
    "masked": (-100, 67, 9, -100),
}


@pytest.mark.parametrize("head", list(WANTED))
def test_in_16_bits_the_loss_is_close_and_gradients_are_float32(tmp_path: Path, head: Head) -> None:
    encoder = load_headed(save_embedder(tmp_path), head, 3)  # not training: no dropout
    rows = [ReadRow(str(i), (2, 5 + i, 6, 7, 3), WANTED[head]) for i in range(6)]
    exact, halved = (Reader(encoder, head, "encoder", dtype).loss(rows) for dtype in ("float32", "bfloat16"))
    assert halved.dtype == torch.float32
    assert halved.item() == pytest.approx(exact.item(), rel=0.02)
    assert halved.item() != exact.item()
    halved.backward()
    assert {p.grad.dtype for p in encoder.model.parameters() if p.grad is not None} == {torch.float32}


def test_attention_is_as_it_was_after_the_loss_and_after_a_loss_that_fails(tmp_path: Path) -> None:
    encoder = load_headed(save_embedder(tmp_path), "sequence", 3)
    before = attention_of(encoder)
    assert before == "sdpa"
    reader = Reader(encoder, "sequence", "encoder", "bfloat16")
    reader.loss([ReadRow("a", (2, 5, 3), (1,))])
    assert attention_of(encoder) == before
    with pytest.raises(IndexError):
        reader.loss([ReadRow("a", (2, 10**9, 3), (1,))])
    assert attention_of(encoder) == before


def attention_of(encoder: HeadedEncoder) -> str:
    return str(encoder.model.config._attn_implementation)
