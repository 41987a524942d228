"""A training state on disk: written whole or not at all, read back equal to the bit."""

import json
import secrets
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch

from tuneworthy.core.hashing import file_digest
from tuneworthy.models.process_group import leads

State = dict[str, torch.Tensor]


@dataclass(slots=True)
class Progress:
    """Where a training run is: everything besides tensors.

    Attributes:
        step: updates made.
        train, validation: the curves.
        rollbacks: every return to an earlier state: step, back_to, why, learning_rate.
        rate_factor: what the recipe's rates are multiplied with since then.
        tokens_per_batch: the present bound of a forward pass; None before the first.
        seconds: wall time spent up to here, over all the runs it took.
    """

    step: int = 0
    train: list[dict[str, float]] = field(default_factory=list)
    validation: list[dict[str, float]] = field(default_factory=list)
    rollbacks: list[dict[str, Any]] = field(default_factory=list)
    rate_factor: float = 1.0
    tokens_per_batch: int | None = None
    seconds: float = 0.0


def trainable_state(model: Any) -> State:
    """A copy of the trainable parameters, by name, in the host's memory: a GPU's is dearer."""
    return {name: p.detach().to("cpu", copy=True) for name, p in model.named_parameters() if p.requires_grad}


def restore_trainable(model: Any, state: State) -> None:
    """Puts a copied state back; raises KeyError when a parameter is missing."""
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.requires_grad:
                parameter.copy_(state[name])


def save_checkpoint(
    folder: Path,
    model: Any,
    optimizer: torch.optim.Optimizer,
    kept: dict[int, State],
    progress: Progress,
    good: tuple[int, State, dict[str, Any]] | None = None,
) -> None:
    """Writes adapter, optimiser, kept states and progress as one file, atomically, named by its sha256.

    `good` is the state to go back to should it diverge: step, model, optimiser; where it is another one. Of
    several processes that hold the model one writes, for all.
    """
    if not leads():
        return
    folder.mkdir(parents=True, exist_ok=True)
    earlier = [*folder.glob("state*")]
    partial = folder / f"state.{secrets.token_hex(4)}.partial"  # two machines may share the folder
    content = {
        "model": trainable_state(model),
        "optimizer": optimizer.state_dict(),
        "kept": kept,
        "progress": json.dumps(asdict(progress)),
        "good": good,
    }
    try:
        torch.save(content, partial)
    except BaseException:  # a full disk gets back what this took of it
        partial.unlink(missing_ok=True)
        raise
    state = folder / f"state-{file_digest(partial)}.pt"
    partial.replace(state)
    for one in earlier:
        if one != state:
            one.unlink(missing_ok=True)


def load_checkpoint(
    folder: Path, model: Any, optimizer: torch.optim.Optimizer
) -> tuple[Progress, dict[int, State], tuple[int, State, dict[str, Any]] | None] | None:
    """Restores model and optimiser in place; None when there is no checkpoint that is whole.

    Besides how far it was and the kept states there is the state to go back to, where it is another one.
    One that is torn or was edited costs its steps only. torch reads changed weights without a word, so the
    name has to be the content's.
    """
    states = sorted(folder.glob("state-*.pt"), key=lambda one: one.stat().st_mtime_ns, reverse=True)
    whole = next((one for one in states if one.stem == f"state-{file_digest(one)}"), None)
    if whole is None:
        return None
    state = torch.load(whole, map_location="cpu", weights_only=True)
    restore_trainable(model, state["model"])
    optimizer.load_state_dict(state["optimizer"])
    return Progress(**json.loads(state["progress"])), state["kept"], state["good"]
