"""A token tree's attention on a GPU: FlexAttention, which skips whole tiles of the mask that are forbidden.

In a depth-first layout the tokens below token j stand in one run from j to `ends[j]`, so "j is an ancestor of
i, or i itself" is two comparisons, and no T x T mask is ever stored. Dong et al. 2024, arXiv:2412.05496.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import torch
from torch.nn.attention.flex_attention import BlockMask, create_block_mask, flex_attention


def flex_mask(ends: torch.Tensor) -> torch.Tensor:
    """The mask of a token tree as attribute `flex` of a tensor [1, 1, 1, 1].

    The tensor only travels through the model, which may want a 4D one; it is NaN, so that an architecture
    that loses the attribute on the way computes no loss rather than a wrong one.

    Args:
        ends: where the tokens below each token end, shape [T], on the device that computes.
    """

    def sees(row: Any, head: Any, query: torch.Tensor, key: torch.Tensor) -> torch.Tensor:
        return (key <= query) & (query < ends[key])

    tokens = len(ends)
    carrier = torch.full((1, 1, 1, 1), torch.nan, device=ends.device)
    carrier.flex = create_block_mask(sees, None, None, tokens, tokens, device=ends.device)  # type: ignore[attr-defined]
    return carrier


def flex(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, mask: BlockMask, scale: float
) -> torch.Tensor:
    """softmax(q k^T scale + mask) v; heads [1, heads, T, size] to answers [1, T, heads, size].

    Query heads that share a key head get it without a copy where their number is a power of two, which is
    what the kernel asks for.
    """
    heads, groups = query.shape[1], key.shape[1]
    shared = heads & (heads - 1) == 0
    if not shared:
        key, value = (x.repeat_interleave(heads // groups, dim=1) for x in (key, value))
    attend = _compiled() if query.is_cuda else flex_attention
    out: torch.Tensor = attend(query, key, value, block_mask=mask, scale=scale, enable_gqa=shared)  # type: ignore[operator]
    return out.transpose(1, 2).contiguous()


@lru_cache(maxsize=1)
def _compiled() -> Callable[..., Any]:
    """One kernel for all lengths: batches differ in length, and compiling takes seconds."""
    return torch.compile(flex_attention, dynamic=True)
