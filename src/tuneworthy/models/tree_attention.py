"""Attention over a token tree, block by block: only the keys that a block of queries may see are touched.

The tree's mask goes through the model as an ordinary additive 4D mask, so any architecture understands it. It
carries its blocks along; an attention layer that knows them skips what the mask forbids, which for a packed
batch is more than half of the square. A layer that does not, or that adds something of its own (a soft cap,
attention sinks), uses the dense mask: the same numbers, a little slower.
"""

import sys
from dataclasses import dataclass
from typing import Any

import torch

NAME = "tuneworthy_tree"
QUERIES = 192  # per block: small enough to skip, large enough to multiply at full speed
GAP = 32  # forbidden keys between two visible runs that are cheaper to mask than to leave out
Span = tuple[int, int]


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


def tree_mask(allowed: torch.Tensor, dtype: torch.dtype, device: torch.device) -> torch.Tensor:
    """The additive mask [1, 1, T, T] of `allowed` [T, T], with its blocks as attribute `blocks`."""
    mask = torch.zeros(allowed.shape, dtype=dtype)
    mask = mask.masked_fill_(~allowed, torch.finfo(dtype).min).to(device)
    blocks = []
    for start in range(0, len(allowed), QUERIES):
        end = min(start + QUERIES, len(allowed))
        keys = _runs(allowed[start:end].any(0))
        within = torch.cat([mask[start:end, first:last] for first, last in keys], dim=1)
        blocks.append(Block(start, end, keys, within))
    dense = mask[None, None]
    dense.blocks = tuple(blocks)  # type: ignore[attr-defined]
    return dense


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
    blocks = getattr(attention_mask, "blocks", None)
    plain = not dropout and not any(options.get(name) is not None for name in ("softcap", "s_aux", "sinks"))
    if blocks is None or not plain or query.shape[2] != key.shape[2]:
        eager = sys.modules[type(module).__module__].eager_attention_forward
        given = {} if scaling is None else {"scaling": scaling}
        result: tuple[torch.Tensor, torch.Tensor | None] = eager(
            module, query, key, value, attention_mask, dropout=dropout, **given, **options
        )
        return result
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    out: torch.Tensor = _BlockAttention.apply(query, key, value, blocks, scale)  # type: ignore[no-untyped-call]
    return out.transpose(1, 2).contiguous(), None


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
