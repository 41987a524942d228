"""Attention that does not compute what its mask forbids, and does not copy what rows share.

A mask goes through the model as an ordinary additive 4D mask, so any architecture understands it, and carries
a hint along. In training the hint is the mask's blocks: only the keys that a block of queries may see are
touched, less than half of the square for a packed batch. In scoring it is the key/value cache of the prefix
that all rows share: every row attends to the one copy. A layer that adds something of its own (a soft cap,
attention sinks) computes with the dense mask as ever, and is never given a shared prefix.
"""

import sys
from dataclasses import dataclass
from typing import Any

import torch

NAME = "tuneworthy_tree"
QUERIES = 192  # per block: small enough to skip, large enough to multiply at full speed
GAP = 32  # forbidden keys between two visible runs that are cheaper to mask than to leave out
OWN_WAYS = ("softcap", "s_aux", "sinks")  # options by which a layer's attention differs from plain softmax
Span = tuple[int, int]
LayerCache = tuple[torch.Tensor, torch.Tensor]  # keys and values, both [groups, tokens, size]


@dataclass(frozen=True, slots=True)
class Block:
    """Some consecutive queries, the runs of keys they may see, and the mask within those.

    Attributes:
        start, end: the queries.
        keys: spans of keys, ascending.
        mask: additive, shape [queries, keys].
    """

    start: int
    end: int
    keys: tuple[Span, ...]
    mask: torch.Tensor


def register_tree_attention() -> str:
    """Makes `tree_attention` known to transformers, under the name that is returned."""
    from transformers import AttentionInterface
    from transformers.masking_utils import AttentionMaskInterface, eager_mask

    AttentionInterface.register(NAME, tree_attention)
    AttentionMaskInterface.register(NAME, eager_mask)
    return NAME


def additive(allowed: torch.Tensor, dtype: torch.dtype, device: torch.device) -> torch.Tensor:
    """[B, queries, keys] as a mask [B, 1, queries, keys]: 0 where allowed, else the most negative number."""
    mask = torch.zeros(allowed.shape, dtype=dtype)
    return mask.masked_fill_(~allowed, torch.finfo(dtype).min).unsqueeze(1).to(device)


def tree_mask(allowed: torch.Tensor, dtype: torch.dtype, device: torch.device) -> torch.Tensor:
    """The additive mask [1, 1, T, T] of `allowed` [T, T], with its blocks as attribute `blocks`."""
    dense = additive(allowed[None], dtype, device)
    mask = dense[0, 0]
    blocks = []
    for start in range(0, len(allowed), QUERIES):
        end = min(start + QUERIES, len(allowed))
        keys = _runs(allowed[start:end].any(0))
        within = torch.cat([mask[start:end, first:last] for first, last in keys], dim=1)
        blocks.append(Block(start, end, keys, within))
    dense.blocks = tuple(blocks)  # type: ignore[attr-defined]
    return dense


def prefix_mask(allowed: torch.Tensor, dtype: torch.dtype, device: torch.device, cache: Any) -> torch.Tensor:
    """The additive mask of `allowed` [B, queries, keys] over rows' own tokens, all of which see the prefix.

    Args:
        allowed: what each query may see beyond the prefix.
        dtype, device: of the model.
        cache: transformers' cache after the prefix, batch 1; becomes the attribute `prefix`.
    """
    mask = additive(allowed, dtype, device)
    mask.prefix = [(layer.keys[0], layer.values[0]) for layer in cache.layers]  # type: ignore[attr-defined]
    return mask


def _runs(visible: torch.Tensor) -> tuple[Span, ...]:
    """Spans of True, those less than `GAP` apart joined."""
    runs: list[Span] = []
    for key in visible.nonzero().flatten().tolist():
        if runs and key - runs[-1][1] < GAP:
            runs[-1] = (runs[-1][0], key + 1)
        else:
            runs.append((key, key + 1))
    return tuple(runs)


def tree_attention(
    module: Any,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float | None = None,
    dropout: float = 0.0,
    **options: Any,
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """An attention function for transformers: by blocks where the mask has some, else the module's own."""
    blocks, prefix = getattr(attention_mask, "blocks", None), getattr(attention_mask, "prefix", None)
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    if prefix is not None:
        assert attention_mask is not None
        return _with_prefix(query, key, value, attention_mask, prefix[module.layer_idx], scale), None
    if blocks is None or dropout or any(options.get(name) is not None for name in OWN_WAYS):
        eager = sys.modules[type(module).__module__].eager_attention_forward
        given = {} if scaling is None else {"scaling": scaling}
        result: tuple[torch.Tensor, torch.Tensor | None] = eager(
            module, query, key, value, attention_mask, dropout=dropout, **given, **options
        )
        return result
    out: torch.Tensor = _BlockAttention.apply(query, key, value, blocks, scale)  # type: ignore[no-untyped-call]
    return out.transpose(1, 2).contiguous(), None


def _with_prefix(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    mask: torch.Tensor,
    prefix: LayerCache,
    scale: float,
) -> torch.Tensor:
    """softmax over [one prefix | own keys]; queries [B, heads, n, size] to answers [B, n, heads, size]."""
    rows, heads, n, size = query.shape
    groups, own = key.shape[1], key.shape[2]
    keys, values = prefix
    asked = (query * scale).reshape(rows, groups, -1, size)  # the heads of a group in a row
    together = asked.transpose(0, 1).reshape(groups, -1, size)  # every row's queries against one prefix
    scores = query.new_empty(rows, groups, asked.shape[2], keys.shape[1] + own)
    scores[..., :-own] = (
        (together @ keys.transpose(1, 2)).view(groups, rows, -1, keys.shape[1]).transpose(0, 1)
    )
    near = asked @ key.transpose(2, 3)
    scores[..., -own:] = (near.view(rows, groups, -1, n, own) + mask.unsqueeze(1)).view_as(near)
    weights = torch.softmax(scores, -1)
    from_prefix = weights[..., :-own].transpose(0, 1).reshape(groups, -1, keys.shape[1]) @ values
    out = weights[..., -own:] @ value + from_prefix.view(groups, rows, -1, size).transpose(0, 1)
    return out.view(rows, heads, n, size).transpose(1, 2).contiguous()


class _BlockAttention(torch.autograd.Function):
    """softmax(q k^T scale + mask) v for one sequence; queries of a group share their key head's products."""

    @staticmethod
    def forward(
        ctx: Any,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        blocks: tuple[Block, ...],
        scale: float,
    ) -> torch.Tensor:
        heads, tokens, size = query.shape[1:]
        groups = key.shape[1]
        q = query[0].reshape(groups, heads // groups, tokens, size)
        k, v = key[0], value[0]
        out = torch.empty_like(q)
        kept = []
        for block in blocks:
            asked = _rows(q, block)
            mask = block.mask.repeat(heads // groups, 1)
            scores = torch.baddbmm(mask, asked, _pick(k, block).transpose(1, 2), alpha=scale)
            weights = torch.softmax(scores, -1)
            answer = torch.bmm(weights, _pick(v, block))
            out[:, :, block.start : block.end] = answer.view(groups, heads // groups, -1, size)
            kept.append(weights)
        ctx.save_for_backward(q, k, v, *kept)
        ctx.blocks, ctx.scale = blocks, scale
        return out.view(1, heads, tokens, size)

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[Any, ...]:
        q, k, v, *kept = ctx.saved_tensors
        groups, share, tokens, size = q.shape
        gradient = gradient[0].reshape(q.shape)
        into_q = torch.empty_like(q)
        into_k = torch.zeros(k.shape, dtype=torch.float32, device=k.device)
        into_v = torch.zeros_like(into_k)
        for block, weights in zip(ctx.blocks, kept, strict=True):
            asked, given = _rows(q, block), _rows(gradient, block)
            by_value = torch.bmm(weights.transpose(1, 2), given)
            by_weight = torch.bmm(given, _pick(v, block).transpose(1, 2))
            by_score = torch._softmax_backward_data(by_weight, weights, -1, weights.dtype).mul_(ctx.scale)
            into_q[:, :, block.start : block.end] = torch.bmm(by_score, _pick(k, block)).view(
                groups, share, -1, size
            )
            by_key = torch.bmm(by_score.transpose(1, 2), asked)
            at = 0
            for first, last in block.keys:
                into_k[:, first:last] += by_key[:, at : at + last - first]
                into_v[:, first:last] += by_value[:, at : at + last - first]
                at += last - first
        shape = (1, groups * share, tokens, size)
        return into_q.view(shape), into_k.to(k.dtype)[None], into_v.to(v.dtype)[None], None, None


def _rows(x: torch.Tensor, block: Block) -> torch.Tensor:
    """A block's queries, the heads that share a key head in a row: [groups, share x queries, size]."""
    return x[:, :, block.start : block.end].reshape(x.shape[0], -1, x.shape[-1])


def _pick(x: torch.Tensor, block: Block) -> torch.Tensor:
    """A block's keys or values: [groups, keys, size]."""
    if len(block.keys) == 1:
        first, last = block.keys[0]
        return x[:, first:last]
    return torch.cat([x[:, first:last] for first, last in block.keys], dim=1)
