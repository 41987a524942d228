"""What float32 weights are multiplied in while a model trains, and by which attention."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from tuneworthy.models.dropped_attention import register_dropped_attention


@contextmanager
def multiplied_in(dtype: str | None, model: Any, device: torch.device) -> Iterator[None]:
    """Products of float32 weights in 16 bits; nothing for None and "float32".

    Attention is `models.dropped_attention` then, on a CPU: the fused kernel's backward pass is slow there in
    bfloat16, and plain products spend their time on dropout.
    """
    if dtype in (None, "float32"):
        yield
        return
    attention = getattr(model.config, "_attn_implementation", None)
    plain = device.type == "cpu" and attention == "sdpa"
    if plain:
        model.set_attn_implementation(register_dropped_attention())
    try:
        with torch.autocast(device.type, getattr(torch, dtype)):
            yield
    finally:
        if plain:
            model.set_attn_implementation(attention)
