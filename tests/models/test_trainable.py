"""Which weights learn, from the head alone to all of them."""

from pathlib import Path

import pytest
import torch

from tiny_models import save_decoder, save_embedder
from tuneworthy.core.errors import ModelError
from tuneworthy.models.decoder import load_decoder
from tuneworthy.models.headed import load_headed
from tuneworthy.models.trainable import count_parameters, train_last


def learning(model: torch.nn.Module) -> set[str]:
    return {name for name, parameter in model.named_parameters() if parameter.requires_grad}


@pytest.mark.parametrize("kind", ["llama", "gpt2", "phi", "gemma2"])
def test_the_last_layer_and_the_final_norm_learn_and_nothing_before(kind: str, tmp_path: Path) -> None:
    model = load_decoder(save_decoder(tmp_path, kind), "float32").model
    train_last(model, 1)
    inside = {name for name in learning(model) if ".1." in name}
    after = learning(model) - inside
    assert len(inside) == sum(".1." in name for name, _ in model.named_parameters())
    assert after and all("norm" in name or "ln_f" in name for name in after)


def test_an_encoder_without_layers_learns_its_head_alone(tmp_path: Path) -> None:
    model = load_headed(save_embedder(tmp_path), "sequence", labels=3).model
    train_last(model, 0)
    assert learning(model) and all(name.startswith(("classifier", "bert.pooler")) for name in learning(model))


def test_every_weight_learns_without_a_number_of_layers(tmp_path: Path) -> None:
    model = load_decoder(save_decoder(tmp_path, "llama"), "float32").model
    train_last(model, None)
    learned, total = count_parameters(model)
    assert learned == total == sum(p.numel() for p in model.parameters())


def test_more_layers_than_there_are_is_said(tmp_path: Path) -> None:
    model = load_decoder(save_decoder(tmp_path, "llama"), "float32").model
    with pytest.raises(ModelError, match="the model has 2"):
        train_last(model, 3)


def test_weights_in_four_bits_are_counted_one_by_one(tmp_path: Path) -> None:
    pytest.importorskip("bitsandbytes")
    folder = save_decoder(tmp_path, "llama_wide")
    packed, plain = load_decoder(folder, "float32", four_bits=True), load_decoder(folder, "float32")
    assert count_parameters(packed.model)[1] == count_parameters(plain.model)[1]
