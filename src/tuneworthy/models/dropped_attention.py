"""Attention with dropout for training an encoder on a CPU in 16 bits.

`softmax(q k' + mask)`, of which a share `p` of the weights is dropped, times `v / (1 - p)`. PyTorch draws a
random number for every weight and goes over all of them in memory five times, which is 40% of an update of
texts of 512 tokens. Here the scores of some heads stay in the processor's cache from the product that makes
them to the one that uses them, and a 64-bit draw decides over four weights. Of each weight two bytes are kept
for the backward pass: it has no sign of its own, so its sign says that it was dropped.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch

from tuneworthy.models import second_level
from tuneworthy.models.own_attention import has_own_way, in_one_dtype, own_attention

NAME = "tuneworthy_dropped"
STEPS = 1 << 15  # a share is rounded to so many parts: 0.1 is dropped as 0.10001


def register_dropped_attention() -> str:
    """Makes `dropped_attention` known to transformers, under the name that is returned."""
    from transformers import AttentionInterface
    from transformers.masking_utils import AttentionMaskInterface, eager_mask

    AttentionInterface.register(NAME, dropped_attention)
    AttentionMaskInterface.register(NAME, eager_mask)
    return NAME


def dropped_attention(
    module: Any,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float | None = None,
    dropout: float = 0.0,
    **options: Any,
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """An attention function for transformers; what it does not know is left to the module's own.

    Args:
        module: the layer.
        query, key, value: [B, heads, n, size], keys and values of as many heads.
        attention_mask: [B, 1, n, n], added to the scores; None adds nothing.
        scaling: of the scores; default 1 / sqrt(size).
        dropout: share of the weights to drop.
        options: others of a layer's.
    """
    query, key, value = in_one_dtype(query, key, value)
    known = key.shape == query.shape and query.dtype in (torch.bfloat16, torch.float16)
    if not known or has_own_way(options):
        return own_attention(module, query, key, value, attention_mask, scaling, dropout, options)
    if attention_mask is not None:  # float32's most negative number is minus infinity in 16 bits, and where
        # every key is forbidden, as to padding in a window of its own, softmax is not a number
        attention_mask = attention_mask.clamp(min=torch.finfo(query.dtype).min).to(query.dtype)
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    share = dropout if module.training else 0.0
    with torch.autocast(query.device.type, enabled=False):
        out = _DroppedAttention.apply(query, key, value, attention_mask, scale, share)  # type: ignore[no-untyped-call]
    return out.transpose(1, 2).contiguous(), None


class _DroppedAttention(torch.autograd.Function):
    """Answers [B, heads, n, size]."""

    @staticmethod
    def forward(
        ctx: Any,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        mask: torch.Tensor | None,
        scale: float,
        share: float,
    ) -> torch.Tensor:
        rows, heads, n, _ = query.shape
        dropped = round(share * STEPS)
        bits = np.random.Generator(np.random.SFC64(_seed())) if dropped else None
        grown = STEPS / (STEPS - dropped)
        query, key, value = (one.contiguous() for one in (query * scale, key, value * grown))
        weights = query.new_empty(rows, heads, n, n)
        out = torch.empty_like(query)
        for part in _parts(rows, heads, n):
            own = weights[part]
            scores = torch.bmm(_flat(query[part]), _flat(key[part]).transpose(1, 2))
            if mask is not None:
                scores.view(own.shape).add_(mask[part[0]])
            torch.softmax(scores, -1, out=_flat(own))
            if bits is not None:
                _mark(own, dropped, bits)
            used = torch.clamp_min(_flat(own), 0, out=scores)
            torch.bmm(used, _flat(value[part]), out=_flat(out[part]))
        ctx.save_for_backward(query, key, value, weights, out)
        ctx.scale, ctx.grown = scale, grown
        return out

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        query, key, value, weights, out = ctx.saved_tensors
        of_query, of_key, of_value = (torch.empty_like(query) for _ in range(3))
        gradient = gradient.contiguous()
        # The sum that softmax's gradient subtracts is over all weights, and equals that over the answer.
        sums = (gradient * out).sum(-1, keepdim=True)
        for part in _parts(*query.shape[:3]):
            own, came = _flat(weights[part]), _flat(gradient[part])
            used = own.clamp_min(0)
            torch.bmm(used.transpose(1, 2), came, out=_flat(of_value[part]))
            moved = torch.bmm(came, _flat(value[part]).transpose(1, 2)).mul_(used)
            moved.addcmul_(torch.abs(own, out=used), _flat(sums[part]), value=-1)
            torch.bmm(moved, _flat(key[part]), out=_flat(of_query[part]))
            torch.bmm(moved.transpose(1, 2), _flat(query[part]), out=_flat(of_key[part]))
        return of_query.mul_(ctx.scale), of_key, of_value.mul_(ctx.grown), None, None, None


def _flat(part: torch.Tensor) -> torch.Tensor:
    """Texts and heads as one dimension, of the same memory: a part is whole texts, or heads of one."""
    return part.view(-1, *part.shape[2:])


def _parts(rows: int, heads: int, n: int) -> Iterator[tuple[slice, slice]]:
    """Texts and heads that are worked on together: whole texts if they are short, else some heads of one."""
    scores = second_level.BYTES // 2 * torch.get_num_threads()  # of 16 bits
    texts = scores // (heads * n * n)
    at_once = heads if texts else max(1, scores // (n * n))
    for row in range(0, rows, max(1, texts)):
        for head in range(0, heads, at_once):
            yield slice(row, row + max(1, texts)), slice(head, head + at_once)


def _mark(weights: torch.Tensor, dropped: int, bits: np.random.Generator) -> None:
    """Gives `dropped` of `STEPS` weights a minus sign, in place; they are contiguous and of 16 bits.

    A draw's lower fifteen bits minus `dropped` are negative, which is their sign bit, just as often.
    """
    draws = bits.integers(0, 2**64, size=-(-weights.numel() // 4), dtype=np.uint64)
    signs = torch.from_numpy(draws.view(np.int16))[: weights.numel()].view(weights.shape)
    signs.bitwise_and_(STEPS - 1).sub_(dropped).bitwise_and_(-STEPS)
    weights.view(torch.int16).bitwise_or_(signs)


def _seed() -> int:
    """From PyTorch's own generator, so that its seed and its kept state decide over these draws too."""
    return int(torch.randint(0, 2**62, ()))
