"""What attentions of ours leave to a layer's own architecture, and how they read what autocast leaves."""

import sys
from typing import Any

import torch

OWN_WAYS = ("softcap", "s_aux", "sinks", "position_bias")  # by which an attention differs from plain softmax


def has_own_way(options: dict[str, Any]) -> bool:
    """Whether a layer's options ask for more than softmax of scores and a mask."""
    return any(options.get(name) is not None for name in OWN_WAYS)


def own_attention(
    module: Any,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    mask: torch.Tensor | None,
    scaling: float | None,
    dropout: float,
    options: dict[str, Any],
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Answers and weights by the plain products of the layer's architecture in transformers."""
    eager = sys.modules[type(module).__module__].eager_attention_forward
    given = {} if scaling is None else {"scaling": scaling}
    result: tuple[torch.Tensor, torch.Tensor | None] = eager(
        module, query, key, value, mask, dropout=dropout, **given, **options
    )
    return result


def in_one_dtype(*read: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """Autocast's, where it is on: rotary positions leave float32 queries beside bfloat16 values."""
    kind = read[0].device.type
    if not torch.is_autocast_enabled(kind):
        return read
    return tuple(one.to(torch.get_autocast_dtype(kind)) for one in read)
