"""Attention that does not compute what its mask forbids, and does not copy what rows share.

A mask goes through the model as an ordinary additive 4D mask, so any architecture understands it, and carries
a hint along. In training the hint is the mask's blocks: only the keys that a block of queries may see are
touched, less than half of the square for a packed batch; on a GPU it is FlexAttention's, see `tree_flex`.
In scoring it is the key/value cache of the prefix that all rows share: every row attends to the one copy. A
layer that adds something of its own (a soft cap, attention sinks) computes with the dense mask as ever, and
is never given a shared prefix.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import torch

from tuneworthy.models.own_attention import has_own_way, in_one_dtype, own_attention
from tuneworthy.models.tree_blocks import Blocks, Sheet, cut_blocks
from tuneworthy.models.tree_flex import flex

NAME = "tuneworthy_tree"
SCORES_AT_A_TIME = 500_000  # 2 MB in float32: a core's second-level cache
LayerCache = tuple[torch.Tensor, torch.Tensor]  # keys and values, both [groups, tokens, size]


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
    dense.blocks = cut_blocks(allowed, dense[0, 0])  # type: ignore[attr-defined]
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
    tiles = getattr(attention_mask, "flex", None)
    if tiles is not None:
        return flex(query, key, value, tiles, scale), None
    if prefix is not None:
        assert attention_mask is not None
        return _with_prefix(query, key, value, attention_mask, prefix[module.layer_idx], scale), None
    if blocks is None or dropout or has_own_way(options):
        return own_attention(module, query, key, value, attention_mask, scaling, dropout, options)
    query, key, value = in_one_dtype(query, key, value)
    with torch.autocast(query.device.type, enabled=False):
        out: torch.Tensor = _BlockAttention.apply(query, key, value, blocks, scale)  # type: ignore[no-untyped-call]
    return out, None


def _with_prefix(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    mask: torch.Tensor,
    prefix: LayerCache,
    scale: float,
) -> torch.Tensor:
    """softmax over [one prefix | own keys]; queries [B, heads, n, size] to answers [B, n, heads, size].

    Every row's queries meet the one prefix in a single product. A few rows at a time, so that their scores
    stay in the processor's cache from one pass over them to the next.
    """
    rows, heads, n, size = query.shape
    groups, own = key.shape[1], key.shape[2]
    keys, values = prefix
    before = keys.shape[1]
    asked = (query * scale).reshape(rows, groups, -1, size)  # the heads of a group in a row
    out = torch.empty_like(asked, memory_format=torch.contiguous_format)
    step = max(1, SCORES_AT_A_TIME // (heads * n * (before + own)))
    for some in (slice(start, start + step) for start in range(0, rows, step)):
        part = asked[some]
        scores = query.new_empty(groups, len(part), part.shape[2], before + own)
        far = scores.flatten(1, 2)[..., :before]
        torch.bmm(part.transpose(0, 1).reshape(groups, -1, size), keys.transpose(1, 2), out=far)
        near = (part @ key[some].transpose(2, 3)).view(len(part), groups, -1, n, own)
        scores[..., before:] = near.add_(mask[some].unsqueeze(1)).flatten(2, 3).transpose(0, 1)
        torch.softmax(scores, -1, out=scores)
        answer = torch.bmm(far, values).view(groups, len(part), -1, size).transpose(0, 1)
        torch.add(answer, scores[..., before:].transpose(0, 1) @ value[some], out=out[some])
    return out.view(rows, heads, n, size).transpose(1, 2).contiguous()


class _BlockAttention(torch.autograd.Function):
    """softmax(q k^T scale + mask) v for one sequence; queries of a group share their key head's products.

    Queries, keys and values are read as matrices [tokens x heads, size], the layout that the projections
    leave them in, and the answer is written in the layout that the next one reads.
    """

    @staticmethod
    def forward(
        ctx: Any, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, blocks: Blocks, scale: float
    ) -> torch.Tensor:
        heads, tokens, size = query.shape[1:]
        groups = key.shape[1]
        rows = blocks.rows(heads, groups)
        q, k, v = _by_token(query), _by_token(key), _by_token(value)
        asked = q.index_select(0, rows.asked).mul_(scale)
        keys, values = k.index_select(0, rows.keys), v.index_select(0, rows.keys)
        answers = torch.empty_like(asked)
        kept = []
        for sheet, of_queries, of_keys in _places(blocks.sheets, heads, groups):
            shape = (len(sheet.blocks) * groups, -1, size)
            scores = torch.bmm(asked[of_queries].view(shape), keys[of_keys].view(shape).transpose(1, 2))
            by_head = scores.view(len(sheet.blocks), groups, heads // groups, *sheet.mask.shape[-2:])
            by_head += sheet.mask
            weights = torch.softmax(scores, -1, out=scores)
            torch.bmm(weights, values[of_keys].view(shape), out=answers[of_queries].view(shape))
            kept.append(weights)
        ctx.save_for_backward(q, k, v, *kept)
        ctx.blocks, ctx.scale, ctx.heads, ctx.groups = blocks, scale, heads, groups
        return answers.index_select(0, rows.back).view(1, tokens, heads, size)

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[Any, ...]:
        q, k, v, *kept = ctx.saved_tensors
        heads, groups, size = ctx.heads, ctx.groups, q.shape[-1]
        rows = ctx.blocks.rows(heads, groups)
        asked, keys = q.index_select(0, rows.asked).mul_(ctx.scale), k.index_select(0, rows.keys)
        values = v.index_select(0, rows.keys)
        given = gradient.reshape(-1, size).index_select(0, rows.asked)
        given.index_fill_(0, rows.padding, 0.0)
        by_query = torch.empty_like(asked)
        into_k = torch.zeros((len(k) // groups, groups, size), dtype=torch.float32, device=k.device)
        into_v = torch.zeros_like(into_k)
        for (sheet, of_queries, of_keys), weights in zip(
            _places(ctx.blocks.sheets, heads, groups), kept, strict=True
        ):
            shape = (len(sheet.blocks) * groups, -1, size)
            answered = given[of_queries].view(shape)
            by_value = torch.bmm(weights.transpose(1, 2), answered)
            by_weight = torch.bmm(answered, values[of_keys].view(shape).transpose(1, 2))
            by_score = torch._softmax_backward_data(by_weight, weights, -1, weights.dtype)
            torch.bmm(by_score, keys[of_keys].view(shape), out=by_query[of_queries].view(shape))
            by_key = torch.bmm(by_score.transpose(1, 2), asked[of_queries].view(shape))
            _add_up(into_k, by_key, sheet)
            _add_up(into_v, by_value, sheet)
        into_q = by_query.index_select(0, rows.back).mul_(ctx.scale).view(1, -1, heads, size)
        return (
            into_q.transpose(1, 2),
            into_k.to(k.dtype)[None].transpose(1, 2),
            into_v.to(v.dtype)[None].transpose(1, 2),
            None,
            None,
        )


def _by_token(x: torch.Tensor) -> torch.Tensor:
    """[1, heads, T, size] as a matrix [T x heads, size]."""
    return x[0].transpose(0, 1).reshape(-1, x.shape[-1])


def _places(sheets: Sequence[Sheet], heads: int, groups: int) -> Iterator[tuple[Sheet, slice, slice]]:
    """Each sheet with the slices of `Rows.asked` and `Rows.keys` that are its own."""
    asked = keys = 0
    for sheet in sheets:
        more_asked, more_keys = sheet.queries.numel() * heads, sheet.keys.numel() * groups
        yield sheet, slice(asked, asked + more_asked), slice(keys, keys + more_keys)
        asked, keys = asked + more_asked, keys + more_keys


def _add_up(total: torch.Tensor, by_key: torch.Tensor, sheet: Sheet) -> None:
    """Adds gradients [n x groups, K, size] of a sheet's keys to `total` [T, groups, size]."""
    parts = by_key.view(len(sheet.blocks), -1, *by_key.shape[1:]).transpose(1, 2)
    for part, block in zip(parts, sheet.blocks, strict=True):
        at = 0
        for first, last in block.keys:
            total[first:last] += part[at : at + last - first]
            at += last - first
