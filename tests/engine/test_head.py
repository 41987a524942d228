"""The sliced cross-entropy is the cross-entropy."""

from pathlib import Path

import pytest
import torch

from tiny_models import save_decoder
from tuneworthy.engine.head import slices_head, summed_cross_entropy, without_head
from tuneworthy.models.adapters import add_lora
from tuneworthy.models.decoder import Decoder, load_decoder


def adapted(folder: Path) -> Decoder:
    decoder = load_decoder(folder, "float32")
    add_lora(decoder, rank=2, alpha=4, dropout=0.0, seed=0)
    return decoder


@pytest.mark.parametrize("rows_at_a_time", [1, 3, 100])
@pytest.mark.parametrize("bias", [True, False])
def test_slices_give_loss_and_gradient_of_the_whole(bias: bool, rows_at_a_time: int) -> None:
    torch.manual_seed(0)
    head = torch.nn.Linear(8, 50, bias=bias).requires_grad_(False)
    hidden, targets = torch.randn(10, 8, requires_grad=True), torch.randint(0, 50, (10,))
    (summed_cross_entropy(hidden, head, targets, 50 * rows_at_a_time) / 7).backward()
    found, hidden.grad = hidden.grad, None
    whole = torch.nn.functional.cross_entropy(head(hidden), targets, reduction="sum")
    (whole / 7).backward()
    assert summed_cross_entropy(hidden, head, targets).item() == pytest.approx(whole.item(), rel=1e-6)
    assert torch.allclose(found, hidden.grad, atol=1e-6)


def test_the_head_is_back_after_use(decoder_folder: Path) -> None:
    decoder, ids = adapted(decoder_folder), torch.tensor([[5, 6, 7]])
    before = decoder.model(ids).logits
    with without_head(decoder.model):
        assert decoder.model(ids).logits.shape[-1] == decoder.hidden_size
    assert torch.equal(decoder.model(ids).logits, before)


@pytest.mark.parametrize(
    ("kind", "sliced"), [("llama", True), ("gpt2", True), ("phi", True), ("gemma2", False)]
)
def test_models_that_change_their_logits_afterwards_are_left_alone(
    kind: str, sliced: bool, tmp_path: Path
) -> None:
    assert slices_head(adapted(save_decoder(tmp_path, kind))) is sliced
