"""The forward and backward pass of a LoRA layer without the work that nobody needs.

PEFT's layers stay where they are and keep their parameters, so an adapter saves and loads as PEFT's own; only
the arithmetic is replaced. The frozen base stays in its precision and gets no gradient, adapters are float32
and are multiplied in the base's precision, and the input is kept once for all that backward needs. A base in
four bits is unpacked where it is needed and again in backward, one layer at a time.
"""

import sys
import types
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn.functional import silu

CLOSE = 0.02  # two roundings of bfloat16; another activation function is off by far more


@dataclass(frozen=True, slots=True)
class Product:
    """What a LoRA layer multiplies by, in the base's precision: x W' + bias + scale (x A') B'.

    Attributes:
        weight, bias: of the frozen base, shapes [out, in] and [out]; the weight may be packed in four bits.
        a, b: the adapter, shapes [rank, in] and [out, rank].
        scale: alpha / rank.
    """

    weight: torch.Tensor
    bias: torch.Tensor | None
    a: torch.Tensor
    b: torch.Tensor
    scale: float

    def of(self, rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The layer's output for rows [T, in], and x A' for `gradients`."""
        low, weight = rows @ self.a.T, _unpacked(self.weight, rows.dtype)
        out = rows @ weight.T if self.bias is None else torch.addmm(self.bias, rows, weight.T)
        return out.addmm_(low, self.b.T, alpha=self.scale), low

    def gradients(
        self, rows: torch.Tensor, low: torch.Tensor, gradient: torch.Tensor, into_rows: bool
    ) -> tuple[torch.Tensor | None, torch.Tensor, torch.Tensor]:
        """Gradients of the rows (if asked for), of A and of B, from that of the output [T, out]."""
        into_low = (gradient @ self.b).mul_(self.scale)
        into_b = (low.T @ gradient).T.float().mul_(self.scale)
        into_a = (into_low.T @ rows).float()
        if not into_rows:
            return None, into_a, into_b
        into_x = (gradient @ _unpacked(self.weight, rows.dtype)).addmm_(into_low, self.a)
        return into_x, into_a, into_b


def _unpacked(weight: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """A base weight as a matrix [out, in] to multiply by."""
    packing = getattr(weight, "quant_state", None)
    if packing is None:
        return weight
    from bitsandbytes.functional import dequantize_4bit

    dense: torch.Tensor = dequantize_4bit(weight.data, packing)
    return dense.to(dtype)


class _LoraLinear(torch.autograd.Function):
    """A LoRA layer, and the gradients of x, A and B."""

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
        product = Product(weight, bias, a.to(x.dtype), b.to(x.dtype), scale)
        out, low = product.of(rows)
        ctx.save_for_backward(rows, low)
        ctx.product, ctx.shape = product, x.shape
        return out.view(*x.shape[:-1], -1)

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[Any, ...]:
        rows, low = ctx.saved_tensors
        wanted = ctx.needs_input_grad[0]  # not so in the first layer, whose input is the frozen embedding
        flat = gradient.reshape(-1, gradient.shape[-1])
        into_x, into_a, into_b = ctx.product.gradients(rows, low, flat, wanted)
        return None if into_x is None else into_x.view(ctx.shape), None, None, into_a, into_b, None


class _GatedDown(torch.autograd.Function):
    """down(silu(gate) * up) with a LoRA layer; the widest activation is worked out twice, not kept."""

    @staticmethod
    def forward(
        ctx: Any,
        gate: torch.Tensor,
        up: torch.Tensor,
        weight: torch.Tensor,
        bias: torch.Tensor | None,
        a: torch.Tensor,
        b: torch.Tensor,
        scale: float,
    ) -> torch.Tensor:
        product = Product(weight, bias, a.to(gate.dtype), b.to(gate.dtype), scale)
        gates, ups = gate.reshape(-1, gate.shape[-1]), up.reshape(-1, up.shape[-1])
        out, low = product.of(silu(gates).mul_(ups))
        ctx.save_for_backward(gates, ups, low)
        ctx.product, ctx.shape = product, gate.shape
        return out.view(*gate.shape[:-1], -1)

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[Any, ...]:
        gates, ups, low = ctx.saved_tensors
        flat = gradient.reshape(-1, gradient.shape[-1])
        opened = silu(gates)
        into, into_a, into_b = ctx.product.gradients(opened * ups, low, flat, into_rows=True)
        into_up = opened.mul_(into)
        into_gate = torch.ops.aten.silu_backward(into.mul_(ups), gates)
        return into_gate.view(ctx.shape), into_up.view(ctx.shape), None, None, into_a, into_b, None


def _adapter(layer: Any) -> tuple[torch.Tensor, torch.Tensor | None, torch.Tensor, torch.Tensor, float]:
    name = layer.active_adapters[0]
    base = layer.base_layer
    return base.weight, base.bias, layer.lora_A[name].weight, layer.lora_B[name].weight, layer.scaling[name]


def _learns(layer: Any) -> bool:
    return torch.is_grad_enabled() and layer.lora_A[layer.active_adapters[0]].weight.requires_grad


def _forward(layer: Any, x: torch.Tensor, *_: Any, **__: Any) -> torch.Tensor:
    """Takes the place of `peft.tuners.lora.layer.Linear.forward`."""
    if not _learns(layer):
        return _scored(layer, x)
    out: torch.Tensor = _LoraLinear.apply(x, *_adapter(layer))  # type: ignore[no-untyped-call]
    return out


def _scored(layer: Any, x: torch.Tensor) -> torch.Tensor:
    """The same without gradients, whatever has become of the base layer's weight.

    On a CPU bitsandbytes' own layer would repack a four-bit weight for good, and no gradient passes it then.
    """
    weight, bias, a, b, scale = _adapter(layer)
    rows = x.reshape(-1, x.shape[-1])
    if hasattr(weight, "quant_state") and weight.device.type == "cpu":
        return Product(weight, bias, a.to(x.dtype), b.to(x.dtype), scale).of(rows)[0].view(*x.shape[:-1], -1)
    out: torch.Tensor = layer.base_layer(rows)
    out.addmm_(rows @ a.to(x.dtype).T, b.to(x.dtype).T, alpha=scale)
    return out.view(*x.shape[:-1], -1)


def _gated_forward(block: Any, x: torch.Tensor) -> torch.Tensor:
    """Takes the place of the forward of a gated feed-forward block: down(silu(gate(x)) * up(x))."""
    gate, up = block.gate_proj(x), block.up_proj(x)
    if not _learns(block.down_proj):
        return _scored(block.down_proj, silu(gate).mul_(up))
    out: torch.Tensor = _GatedDown.apply(gate, up, *_adapter(block.down_proj))  # type: ignore[no-untyped-call]
    return out


def quicken(model: Any) -> int:
    """Replaces the arithmetic of every plain LoRA layer in place; returns how many there were.

    So too that of the feed-forward blocks around them, where they are silu-gated.

    Left alone: layers with dropout, DoRA or another variant, and bases that are neither `torch.nn.Linear` nor
    bitsandbytes' four bits (GPT-2's transposed ones, eight bits).
    """
    count = 0
    for layer in model.modules():
        if not _is_plain(layer):
            continue
        name = layer.active_adapters[0]
        dropout = getattr(layer.lora_dropout[name], "p", 0.0)
        if dropout or layer.lora_variant or layer.lora_bias[name] or len(layer.active_adapters) != 1:
            continue
        layer.forward = types.MethodType(_forward, layer)
        count += 1
    for block in model.modules():
        if _is_gated(block):
            block.forward = types.MethodType(_gated_forward, block)
    return count


def _is_plain(layer: Any) -> bool:
    """Whether a layer is PEFT's LoRA on an ordinary linear layer, packed in four bits or not."""
    from peft.tuners.lora import layer as dense

    if type(layer) is dense.Linear:
        return type(layer.base_layer) is torch.nn.Linear
    if "bitsandbytes" not in sys.modules:
        return False
    from peft.tuners.lora import bnb

    return type(layer) is bnb.Linear4bit


def _is_gated(block: Any) -> bool:
    """Whether a block is down(silu(gate(x)) * up(x)) and all three layers are quick ones, by trial."""
    layers = [getattr(block, name, None) for name in ("gate_proj", "up_proj", "down_proj")]
    if any(layer is None or "forward" not in vars(layer) for layer in layers):
        return False
    base = block.gate_proj.base_layer
    precision = getattr(base, "compute_dtype", None) or base.weight.dtype  # four bits multiply in another
    trial = torch.linspace(-3, 2, base.in_features).to(base.weight.device, precision).unsqueeze(0)
    with torch.no_grad():
        theirs, ours = block(trial).float(), _gated_forward(block, trial).float()
    return bool((theirs - ours).norm() <= CLOSE * theirs.norm())
