"""The forward and backward pass of a LoRA layer without the work that nobody needs.

PEFT's layers stay where they are and keep their parameters, so an adapter saves and loads as PEFT's own; only
the arithmetic is replaced. The frozen base stays in its precision and gets no gradient, adapters are float32
and are multiplied in the base's precision, and the input is kept once for all that backward needs.
"""

import types
from typing import Any

import torch


class _LoraLinear(torch.autograd.Function):
    """x W' + bias + scale (x A') B', and the gradients of x, A and B."""

    @staticmethod
    def forward(
        ctx: Any,
        x: torch.Tensor,
        weight: torch.Tensor,
        bias: torch.Tensor | None,
        a: torch.Tensor,
        b: torch.Tensor,
        scale: float,
    ) -> torch.Tensor:
        rows = x.reshape(-1, x.shape[-1])
        down, up = a.to(x.dtype), b.to(x.dtype)
        low = rows @ down.T
        out = rows @ weight.T if bias is None else torch.addmm(bias, rows, weight.T)
        out.addmm_(low, up.T, alpha=scale)
        ctx.save_for_backward(rows, low, weight, down, up)
        ctx.scale, ctx.shape = scale, x.shape
        return out.view(*x.shape[:-1], -1)

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[Any, ...]:
        rows, low, weight, down, up = ctx.saved_tensors
        gradient = gradient.reshape(-1, gradient.shape[-1])
        into_low = (gradient @ up).mul_(ctx.scale)
        into_up = (low.T @ gradient).T.float().mul_(ctx.scale)
        into_down = (into_low.T @ rows).float()
        into_x = None
        if ctx.needs_input_grad[0]:  # not so in the first layer, whose input is the frozen embedding
            into_x = (gradient @ weight).addmm_(into_low, down).view(ctx.shape)
        return into_x, None, None, into_down, into_up, None


def _forward(layer: Any, x: torch.Tensor, *_: Any, **__: Any) -> torch.Tensor:
    """Takes the place of `peft.tuners.lora.layer.Linear.forward`."""
    base, name = layer.base_layer, layer.active_adapters[0]
    out: torch.Tensor = _LoraLinear.apply(  # type: ignore[no-untyped-call]
        x,
        base.weight,
        base.bias,
        layer.lora_A[name].weight,
        layer.lora_B[name].weight,
        layer.scaling[name],
    )
    return out


def quicken(model: Any) -> int:
    """Replaces the arithmetic of every plain LoRA layer in place; returns how many there were.

    Left alone: layers with dropout, DoRA or another variant, quantised bases, and bases that are not
    `torch.nn.Linear` (GPT-2's transposed ones).
    """
    from peft.tuners.lora.layer import Linear

    count = 0
    for layer in model.modules():
        if type(layer) is not Linear or type(layer.base_layer) is not torch.nn.Linear:
            continue
        name = layer.active_adapters[0]
        dropout = getattr(layer.lora_dropout[name], "p", 0.0)
        if dropout or layer.lora_variant or layer.lora_bias[name] or len(layer.active_adapters) != 1:
            continue
        layer.forward = types.MethodType(_forward, layer)
        count += 1
    return count
