"""Which weights of a model learn: all of them, those of its last layers, or those of its head alone."""

from typing import Any

import torch

from tuneworthy.core.errors import ModelError


def train_last(model: Any, layers: int | None) -> None:
    """Marks the parameters that learn, in place.

    With `layers` the last so many layers learn and what comes after them: norms, a pooler, a head of labels.
    What comes before stays frozen, and so does a decoder's output head, which is its embedding where the two
    are tied. Without `layers` everything learns.

    Raises:
        ModelError: the model has not so many layers.
    """
    if layers is None:
        model.requires_grad_(True)
        return
    blocks = blocks_of(model)
    if layers > len(blocks):
        raise ModelError(f"layers = {layers}: the model has {len(blocks)} (leave it out for all weights).")
    model.requires_grad_(False)
    inside = {id(p) for p in blocks.parameters()}
    names = [id(p) for p in model.parameters()]
    last = max(place for place, one in enumerate(names) if one in inside)
    head = model.get_output_embeddings()
    kept = set() if head is None else {id(p) for p in head.parameters()}
    for place, parameter in enumerate(model.parameters()):
        if place > last and id(parameter) not in kept:
            parameter.requires_grad_(True)
    for block in list(blocks)[len(blocks) - layers :]:
        block.requires_grad_(True)


def train_head(model: Any) -> None:
    """Marks what a model has beyond its base as what learns, in place; what both share stays frozen."""
    inside = {id(p) for p in model.base_model.parameters()}
    for parameter in model.parameters():
        parameter.requires_grad_(id(parameter) not in inside)


def blocks_of(model: Any) -> torch.nn.ModuleList:
    """The model's layers in order.

    Raises:
        ModelError: it has no list of as many modules as its configuration counts layers.
    """
    count = int(model.config.get_text_config().num_hidden_layers)
    found = [m for m in model.modules() if isinstance(m, torch.nn.ModuleList) and len(m) == count]
    if not found:
        raise ModelError(f"{type(model).__name__} does not show its layers: leave `layers` out.")
    return max(found, key=lambda blocks: sum(p.numel() for p in blocks.parameters()))


def count_parameters(model: Any) -> tuple[int, int]:
    """How many parameters learn, and how many there are in all; one in four bits counts as one."""
    learning = total = 0
    for parameter in model.parameters():
        packing = getattr(parameter, "quant_state", None)
        count = parameter.numel() if packing is None else packing.shape.numel()
        total += count
        learning += count if parameter.requires_grad else 0
    return learning, total
