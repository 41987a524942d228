"""The arithmetic we replace gives the numbers of what it replaces."""

from pathlib import Path
from typing import Any

import pytest
import torch

from tiny_models import save_decoder
from tuneworthy.models import lora_linear, rms_norm
from tuneworthy.models.adapters import add_lora, load_adapter, save_adapter
from tuneworthy.models.decoder import Decoder, load_decoder
from tuneworthy.models.packed_linear import pack_weights, packs_bfloat16
from tuneworthy.models.tree_attention import tree_mask


def adapted(folder: Path, dtype: str = "float32", four_bits: bool = False) -> Decoder:
    decoder = load_decoder(folder, dtype, four_bits)
    add_lora(decoder, rank=4, alpha=8, dropout=0.0, seed=1)
    for parameter in decoder.model.parameters():  # B starts at zero: move it, or A has no gradient
        if parameter.requires_grad:
            parameter.data.add_(0.05)
    return decoder


def gradients(model: Any, ids: torch.Tensor, **inputs: Any) -> torch.Tensor:
    model.zero_grad()
    model(input_ids=ids, **inputs).logits.float().log_softmax(-1)[..., 7].sum().backward()
    return torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])


def closeness(a: torch.Tensor, b: torch.Tensor) -> float:
    return ((a - b).norm() / b.norm()).item()


IDS = torch.arange(3, 43)[None]


@pytest.mark.parametrize("kind", ["llama", "qwen2", "qwen3", "mistral", "gemma2"])
def test_quick_lora_layers_give_the_gradients_of_pefts_own(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = save_decoder(tmp_path, kind)
    quick = gradients(adapted(folder).model, IDS)
    monkeypatch.setattr("tuneworthy.models.adapters.quicken", lambda model: 0)
    assert closeness(quick, gradients(adapted(folder).model, IDS)) < 1e-5


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_quick_lora_layers_give_the_gradients_of_pefts_own_on_four_bits(
    dtype: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("bitsandbytes")
    folder = save_decoder(tmp_path, "llama_wide")  # bitsandbytes quantises blocks of 64
    decoder = adapted(folder, dtype, four_bits=True)
    assert lora_linear.quicken(decoder.model) == 2 * 7
    quick = gradients(decoder.model, IDS)
    monkeypatch.setattr("tuneworthy.models.adapters.quicken", lambda model: 0)
    theirs = gradients(adapted(folder, dtype, four_bits=True).model.train(), IDS)
    assert closeness(quick, theirs) < (1e-5 if dtype == "float32" else 0.05)


def test_scoring_on_four_bits_does_not_end_training(tmp_path: Path) -> None:
    """bitsandbytes' own layer, asked without gradients on a CPU, passes none afterwards."""
    pytest.importorskip("bitsandbytes")
    decoder = adapted(save_decoder(tmp_path, "llama_wide"), four_bits=True)
    before = gradients(decoder.model, IDS)
    with torch.no_grad():
        decoder.model.eval()(input_ids=IDS)
    decoder.model.train()
    assert torch.equal(gradients(decoder.model, IDS), before)


def test_every_linear_layer_of_a_llama_is_quick(decoder_folder: Path) -> None:
    decoder = load_decoder(decoder_folder, "float32")
    add_lora(decoder, rank=4, alpha=8, dropout=0.0, seed=1)
    assert lora_linear.quicken(decoder.model) == 2 * 7


def test_layers_with_dropout_are_left_to_peft(decoder_folder: Path) -> None:
    decoder = load_decoder(decoder_folder, "float32")
    add_lora(decoder, rank=4, alpha=8, dropout=0.1, seed=1)
    assert lora_linear.quicken(decoder.model) == 0


def test_an_adapter_trained_with_quick_layers_loads_as_an_ordinary_peft_adapter(
    decoder_folder: Path, tmp_path: Path
) -> None:
    decoder = adapted(decoder_folder)
    save_adapter(decoder, tmp_path / "adapter")
    plain = load_decoder(decoder_folder, "float32")
    load_adapter(plain, tmp_path / "adapter")
    with torch.no_grad():
        assert torch.allclose(decoder.model(IDS).logits, plain.model(IDS).logits, atol=1e-5)


def test_adapters_stay_float32_on_a_bfloat16_base(decoder_folder: Path) -> None:
    decoder = adapted(decoder_folder, "bfloat16")
    gradients(decoder.model, IDS)
    trained = [p for p in decoder.model.parameters() if p.requires_grad]
    assert {p.dtype for p in trained} == {torch.float32}
    assert {p.grad.dtype for p in trained if p.grad is not None} == {torch.float32}


TRUNK = 200


def forest(tokens: int) -> torch.Tensor:
    """A long trunk and many short branches."""
    allowed = torch.ones(tokens, tokens, dtype=torch.bool).tril()
    for start in range(TRUNK, tokens, 20):
        allowed[start + 20 :, start : start + 20] = False
    return allowed


@pytest.mark.parametrize("kind", ["llama", "qwen2", "qwen3", "gpt2", "phi"])
def test_attention_by_blocks_gives_the_gradients_of_the_dense_mask(kind: str, tmp_path: Path) -> None:
    decoder = adapted(save_decoder(tmp_path, kind))
    tokens = 450
    ids = torch.randint(3, 300, (1, tokens), generator=torch.Generator().manual_seed(0))
    mask = tree_mask(forest(tokens), torch.float32, torch.device("cpu"))
    assert sum(len(sheet.blocks) for sheet in mask.blocks.sheets) > 2  # type: ignore[attr-defined]
    by_blocks = gradients(decoder.model, ids, attention_mask=mask)
    dense = gradients(decoder.model, ids, attention_mask=mask.clone())  # a clone carries no blocks
    assert closeness(by_blocks, dense) < 1e-5


def test_blocks_leave_out_most_of_what_the_mask_forbids() -> None:
    allowed = forest(600)
    blocks = tree_mask(allowed, torch.float32, torch.device("cpu")).blocks  # type: ignore[attr-defined]
    touched = sum(sheet.mask.numel() for sheet in blocks.sheets)
    assert int(allowed.sum()) < touched < 0.75 * allowed.numel()


@pytest.mark.parametrize("kind", ["llama", "gpt2", "gemma2"])
def test_padded_batches_run_as_with_transformers_own_attention(kind: str, tmp_path: Path) -> None:
    decoder = load_decoder(save_decoder(tmp_path, kind), "float32")
    mask = torch.ones(2, 40, dtype=torch.long)
    mask[0, :9] = 0
    with torch.no_grad():
        ours = decoder.model(IDS.repeat(2, 1), attention_mask=mask).logits
        decoder.model.set_attn_implementation("eager")
        theirs = decoder.model(IDS.repeat(2, 1), attention_mask=mask).logits
    assert torch.equal(ours[:, 9:], theirs[:, 9:])


@pytest.mark.parametrize("kind", ["llama", "qwen2", "qwen3", "mistral", "gemma2"])
def test_quick_norms_give_the_gradients_of_transformers_own(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = save_decoder(tmp_path, kind)
    quick = gradients(adapted(folder).model, IDS)
    monkeypatch.setattr("tuneworthy.models.decoder.quicken_norms", lambda model: 0)
    assert closeness(quick, gradients(adapted(folder).model, IDS)) < 1e-5


def test_quick_norms_give_their_own_weights_the_gradients_of_transformers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, found = save_decoder(tmp_path, "llama"), []
    for quick in (True, False):
        if not quick:
            monkeypatch.setattr("tuneworthy.models.decoder.quicken_norms", lambda model: 0)
        model = load_decoder(folder, "float32").model
        model.requires_grad_(True)
        found.append(gradients(model, IDS))
    assert closeness(found[0], found[1]) < 1e-5


def test_every_norm_of_a_llama_is_quick_and_none_of_a_gemma_whose_weight_means_one_plus_weight(
    tmp_path: Path,
) -> None:
    llama = load_decoder(save_decoder(tmp_path / "a", "llama"), "float32")
    assert rms_norm.quicken_norms(llama.model) == 2 * 2 + 1
    gemma = load_decoder(save_decoder(tmp_path / "b", "gemma2"), "float32")
    assert rms_norm.quicken_norms(gemma.model) == 0


def test_an_unusual_activation_keeps_its_own_feed_forward(tmp_path: Path) -> None:
    decoder = load_decoder(save_decoder(tmp_path, "llama"), "float32")
    for block in decoder.model.model.layers:
        block.mlp.act_fn = torch.nn.GELU()
    add_lora(decoder, rank=4, alpha=8, dropout=0.0, seed=1)
    assert not any("forward" in vars(block.mlp) for block in decoder.model.get_base_model().model.layers)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("kind", ["llama", "qwen2", "gpt2", "phi", "gemma2"])
def test_packed_weights_give_the_same_logits(kind: str, dtype: str, tmp_path: Path) -> None:
    decoder = load_decoder(save_decoder(tmp_path, kind), dtype)
    with torch.no_grad():
        before = decoder.model(IDS).logits.float()
        count = pack_weights(decoder.model)
        after = decoder.model(IDS).logits.float()
    assert (count > 0) == (dtype == "float32" or packs_bfloat16())
    assert closeness(after, before) < (1e-5 if dtype == "float32" else 0.02)


def test_packing_lets_go_of_the_weights_it_replaces_and_keeps_the_heads(decoder_folder: Path) -> None:
    decoder = load_decoder(decoder_folder, "float32")
    assert pack_weights(decoder.model) == 2 * 7 + 1
    assert decoder.model.model.layers[0].mlp.up_proj.weight.numel() == 0
    assert decoder.model.get_output_embeddings().weight.numel() > 0


def test_an_adapter_on_packed_weights_scores_as_in_training(decoder_folder: Path, tmp_path: Path) -> None:
    decoder = adapted(decoder_folder)
    save_adapter(decoder, tmp_path / "adapter")
    scorer = load_decoder(decoder_folder, "float32")
    load_adapter(scorer, tmp_path / "adapter")
    assert scorer.model.get_base_model().model.layers[0].mlp.up_proj.base_layer.weight.numel() == 0
    assert closeness(scorer.model(IDS).logits, decoder.model(IDS).logits) < 1e-5
