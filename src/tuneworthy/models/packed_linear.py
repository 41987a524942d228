"""Frozen weights laid out once for the processor's matrix kernels, for models that only read.

A product with a plain weight matrix rearranges it first, every time. With a thousand rows that is lost in the
work; with the few rows of a label search it is half of it. oneDNN can keep the rearranged form, which takes
the weight's place: a model treated so scores, and neither trains nor saves its base.
"""

import types
from collections import Counter
from typing import Any

import torch

ROWS = 64  # the layout is made for about so many; it serves any number
CLOSE = 1e-2  # relative, on a trial in bfloat16; float32 comes within 1e-6


def pack_weights(model: Any) -> int:
    """Replaces the weights of every frozen linear layer on a CPU in place; returns how many there were.

    Left alone: other devices and types, a torch without oneDNN, bfloat16 on a processor that oneDNN does not
    multiply it on, and layers whose packed form does not pass a
    trial. What others read too keeps its weight beside the packed form: weights that modules share, and the
    output head, of which scoring reads single labels' rows.
    """
    if not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        return 0
    head = model.get_output_embeddings()
    users = Counter(id(weight) for _, weight in model.named_parameters(remove_duplicate=False))
    count = 0
    for name, layer in model.named_modules():
        if type(layer) is torch.nn.Linear and ".lora_" not in name and _can_be_packed(layer):
            packed = torch.ops.mkldnn._reorder_linear_weight(layer.weight.data, ROWS)
            if not _same_numbers(layer, packed):
                return count
            target: Any = layer
            target.forward = types.MethodType(_forward_with(packed), layer)
            if layer is not head and users[id(layer.weight)] == 1:
                layer.weight.data = layer.weight.new_empty(0)
            count += 1
    return count


def packs_bfloat16() -> bool:
    """Whether oneDNN lays out bfloat16 on this processor: it needs AVX-512 or AVX-NE-CONVERT."""
    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def _can_be_packed(layer: torch.nn.Linear) -> bool:
    weight = layer.weight
    return (
        not weight.requires_grad
        and weight.device.type == "cpu"
        and (weight.dtype == torch.float32 or (weight.dtype == torch.bfloat16 and packs_bfloat16()))
        and weight.numel() > 0
        and "forward" not in vars(layer)
    )


def _product(layer: torch.nn.Linear, packed: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    out: torch.Tensor = torch.ops.mkldnn._linear_pointwise(x, packed, layer.bias, "none", [], "")
    return out


def _forward_with(packed: torch.Tensor) -> Any:
    def forward(layer: torch.nn.Linear, x: torch.Tensor) -> torch.Tensor:
        return _product(layer, packed, x)

    return forward


def _same_numbers(layer: torch.nn.Linear, packed: torch.Tensor) -> bool:
    trial = torch.linspace(-1, 1, 2 * layer.in_features).view(2, -1).to(layer.weight.dtype)
    with torch.no_grad():
        theirs, ours = layer(trial).float(), _product(layer, packed, trial).float()
    return bool((theirs - ours).norm() <= CLOSE * theirs.norm())
