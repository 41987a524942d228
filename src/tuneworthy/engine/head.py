"""Cross-entropy without all its logits: the output head runs a few positions at a time.

With a vocabulary of 50,000 to 250,000 tokens the logits of one batch of long answers take more memory than
the rest of the step. Here a slice of positions is turned into logits, loss and the gradient of the hidden
states at once, and its logits are gone before the next slice. The head is frozen and needs no gradient.
"""

import types
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from tuneworthy.models.decoder import Decoder

LOGITS_AT_A_TIME = 16_777_216  # 64 MiB in float32
SCALED = ("final_logit_softcapping", "logits_scaling", "logit_scale")  # what some models do after the head


def slices_head(decoder: Decoder) -> bool:
    """Whether the logits are the head's output and nothing else, and the head is a frozen linear layer."""
    head = decoder.model.get_output_embeddings()
    config = decoder.model.config.get_text_config()
    return (
        type(head) is torch.nn.Linear
        and not head.weight.requires_grad
        and not any(getattr(config, name, None) for name in SCALED)
    )


@contextmanager
def without_head(model: Any) -> Iterator[torch.nn.Linear]:
    """The model's `logits` are the hidden states that the head would have read; yields the head."""
    head = model.get_output_embeddings()
    own = vars(head).get("forward")
    head.forward = types.MethodType(lambda _, hidden: hidden, head)
    try:
        yield head
    finally:
        del head.forward
        if own is not None:
            head.forward = own


def summed_cross_entropy(
    hidden: torch.Tensor, head: torch.nn.Linear, targets: torch.Tensor, at_a_time: int = LOGITS_AT_A_TIME
) -> torch.Tensor:
    """Summed cross-entropy in nats of `head(hidden)` [S, V] against `targets` [S], computed in slices."""
    rows = max(1, at_a_time // head.weight.shape[0])
    loss: torch.Tensor = _SlicedLoss.apply(hidden, head.weight, head.bias, targets, rows)  # type: ignore[no-untyped-call]
    return loss


class _SlicedLoss(torch.autograd.Function):
    """Loss and gradient of the hidden states in one pass; the head's weights get none."""

    @staticmethod
    def forward(
        ctx: Any,
        hidden: torch.Tensor,
        weight: torch.Tensor,
        bias: torch.Tensor | None,
        targets: torch.Tensor,
        rows: int,
    ) -> torch.Tensor:
        total = torch.zeros((), dtype=torch.float32, device=hidden.device)
        gradient = torch.empty_like(hidden)
        for start in range(0, len(hidden), rows):
            part, wanted = hidden[start : start + rows], targets[start : start + rows, None]
            log_p = torch.nn.functional.linear(part, weight, bias).float().log_softmax(-1)
            total -= log_p.gather(1, wanted).sum()
            error = log_p.exp_()
            error.scatter_add_(1, wanted, -torch.ones_like(wanted, dtype=error.dtype))
            gradient[start : start + rows] = error.to(weight.dtype) @ weight
        ctx.save_for_backward(gradient)
        return total

    @staticmethod
    def backward(ctx: Any, scale: torch.Tensor) -> tuple[Any, ...]:
        (gradient,) = ctx.saved_tensors
        return gradient * scale.to(gradient.dtype), None, None, None, None
