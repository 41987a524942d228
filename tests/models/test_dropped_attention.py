"""Attention with dropout on a CPU is what its definition says, in 16 bits, and so is its gradient."""

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from transformers import ModernBertConfig, ModernBertForSequenceClassification

from tiny_models import save_embedder
from tuneworthy.engine.reader import Reader, ReadRow
from tuneworthy.models.dropped_attention import dropped_attention, register_dropped_attention
from tuneworthy.models.headed import load_headed

Read = tuple[torch.Tensor, torch.Tensor, torch.Tensor]
TRAINS, READS = SimpleNamespace(training=True), SimpleNamespace(training=False)


def given(rows: int, heads: int, n: int, size: int = 16) -> tuple[Read, torch.Tensor]:
    """Queries, keys, values in bfloat16, and a mask that leaves the first text half of its keys."""
    torch.manual_seed(0)
    query, key, value = (torch.randn(rows, heads, n, size).bfloat16().requires_grad_() for _ in range(3))
    mask = torch.zeros(rows, 1, n, n, dtype=torch.bfloat16)
    mask[0, :, :, n // 2 :] = torch.finfo(torch.bfloat16).min
    return (query, key, value), mask


def by_definition(read: Read, mask: torch.Tensor, kept: torch.Tensor | None) -> list[torch.Tensor]:
    """The answer [B, n, heads, size] and the gradients of `judged`, all in float32."""
    query, key, value = (one.detach().float().requires_grad_() for one in read)
    weights = (query @ key.transpose(2, 3) / query.shape[-1] ** 0.5 + mask.float()).softmax(-1)
    if kept is not None:
        weights = weights * kept
    out = (weights @ value).transpose(1, 2)
    torch.autograd.backward(judged(out))
    return [out.detach(), *(one.grad for one in (query, key, value) if one.grad is not None)]


def judged(out: torch.Tensor) -> torch.Tensor:
    """A number that every part of an answer weighs in on, by chance."""
    return (out.float() * torch.randn(out.shape, generator=torch.Generator().manual_seed(1)).bfloat16()).sum()


def by_ours(read: Read, mask: torch.Tensor, share: float) -> tuple[list[torch.Tensor], torch.Tensor]:
    """The same from `dropped_attention`, and what it multiplied every weight with."""
    out, _ = dropped_attention(TRAINS, *read, mask, dropout=share)
    kept = weights_of(out)
    torch.autograd.backward(judged(out))
    return [out.detach(), *(one.grad for one in read if one.grad is not None)], kept


def weights_of(out: torch.Tensor) -> torch.Tensor:
    """1 / (1 - share) where a weight was kept, and 0 where it was dropped, which its sign says."""
    node: Any = out.grad_fn
    while not hasattr(node, "saved_tensors") or len(node.saved_tensors) != 5:
        node = node.next_functions[0][0]
    marked = node.saved_tensors[3].float()
    kept: torch.Tensor = (~marked.signbit()).float() * node.grown
    return kept


def off(found: torch.Tensor, wanted: torch.Tensor) -> float:
    """Length of the difference, as a share of what is wanted."""
    return float((found.detach().float() - wanted).norm() / wanted.norm())


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5])
@pytest.mark.parametrize(("rows", "heads", "n"), [(5, 4, 7), (3, 4, 180), (2, 3, 601)])
def test_answer_and_gradients_are_those_of_the_definition(
    rows: int, heads: int, n: int, share: float
) -> None:
    """Short texts go together, long ones some heads at a time; 7 x 7 weights are no multiple of four."""
    read, mask = given(rows, heads, n)
    found, kept = by_ours(read, mask, share)
    for ours, wanted in zip(found, by_definition(read, mask, kept), strict=True):
        assert off(ours, wanted) < 0.012  # bfloat16 has 8 bits


@pytest.mark.parametrize("share", [0.1, 0.3])
def test_so_many_weights_are_dropped_wherever_they_stand(share: float) -> None:
    read, mask = given(4, 4, 200)
    _, kept = by_ours(read, mask, share)
    dropped = (kept == 0).float()
    assert float(dropped.mean()) == pytest.approx(share, abs=0.005)  # of 640,000: eight standard errors
    for dimension in range(4):
        others = [one for one in range(4) if one != dimension]
        assert dropped.mean(others).sub(share).abs().max() < 0.03


def test_the_seed_of_pytorch_decides_what_is_dropped() -> None:
    answers = []
    for seed in (1, 1, 2):
        read, mask = given(2, 4, 20)
        torch.manual_seed(seed)
        answers.append(by_ours(read, mask, 0.1)[0][0])
    assert torch.equal(answers[0], answers[1])
    assert not torch.equal(answers[0], answers[2])


def test_each_pass_drops_other_weights() -> None:
    read, mask = given(2, 4, 20)
    first, second = (weights_of(dropped_attention(TRAINS, *read, mask, dropout=0.5)[0]) for _ in range(2))
    assert not torch.equal(first, second)


def test_float32_queries_of_rotary_positions_are_as_others_in_16_bits() -> None:
    """In a window of padding alone every key is forbidden."""
    config = ModernBertConfig(
        vocab_size=400,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=3,
        num_attention_heads=4,
        pad_token_id=0,
        local_attention=8,
        global_attn_every_n_layers=2,
        **dict.fromkeys(("bos_token_id", "cls_token_id", "sep_token_id", "eos_token_id"), 1),
    )
    torch.manual_seed(0)
    model = ModernBertForSequenceClassification(config)
    given = {
        "input_ids": torch.randint(3, 400, (3, 60)),
        "attention_mask": torch.ones(3, 60, dtype=torch.long),
    }
    given["attention_mask"][0, 40:] = 0
    answers = []
    for name in (register_dropped_attention(), "eager"):
        model.set_attn_implementation(name)
        with torch.autocast("cpu", torch.bfloat16):
            answers.append(model(**given).logits)
    assert off(answers[0], answers[1].detach().float()) < 0.03
    taken = {type(node).__name__ for node in ancestors(answers[0].grad_fn)}
    assert "_DroppedAttentionBackward" in taken


def ancestors(node: Any) -> Iterator[Any]:
    """A node of autograd and all before it, each once."""
    waiting, seen = [node], set()
    while waiting:
        one = waiting.pop()
        if one is not None and one not in seen:
            seen.add(one)
            yield one
            waiting += [earlier for earlier, _ in one.next_functions]


def test_nothing_is_dropped_where_a_layer_only_reads() -> None:
    read, mask = given(2, 4, 20)
    out, _ = dropped_attention(READS, *read, mask, dropout=0.5)
    assert off(out, by_definition(read, mask, None)[0]) < 0.012


def test_an_encoder_without_dropout_learns_as_with_transformers_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [ReadRow(str(i), tuple(range(3, 20 + 9 * i)), (i,)) for i in range(3)]
    found = []
    for name in ("tuneworthy_dropped", "eager"):
        encoder = load_headed(save_embedder(tmp_path), "sequence", 3)
        for layer in encoder.model.modules():
            if isinstance(layer, torch.nn.Dropout):
                layer.p = 0.0
        if name == "eager":
            monkeypatch.setattr("tuneworthy.engine.precision.register_dropped_attention", lambda: "eager")
        encoder.model.train()
        torch.autograd.backward(Reader(encoder, "sequence", "encoder", "bfloat16").loss(rows))
        assert encoder.model.config._attn_implementation == "sdpa"  # as it was
        found.append({key: one.grad for key, one in encoder.model.named_parameters() if one.grad is not None})
    length = torch.stack([one.norm() for one in found[1].values()]).norm()
    for key, theirs in found[1].items():
        assert (found[0][key] - theirs).norm() < 0.02 * length, key
