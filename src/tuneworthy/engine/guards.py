"""When a fine-tune goes wrong: noticed within a step, rolled back, tried again with a lower rate.

Diverged means: a loss or gradient that is no number, a loss above three times that of the first step (within
the first five) or of the first five (later), or a gradient norm a hundred times the usual one: the median so
far, or that of the first five steps where it is larger, since a model that has nearly learned its rows has a
norm near zero until a batch holds the one row that it has not. The last good state comes back and the rate
is divided by four; after two such returns the fine-tune stops and says what was tried.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

import torch

from tuneworthy.core.errors import DivergedError
from tuneworthy.engine.checkpoint import Progress, State, restore_trainable, trainable_state

LOSS_FACTOR = 3.0  # over the mean of the first steps
NORM_FACTOR = 100.0  # over the usual one
FIRST_STEPS = 5  # steps whose mean loss is where a fine-tune starts
RATE_FACTOR = 0.25
MOST_ROLLBACKS = 2
KEEP_EVERY = 20  # steps between good states: a return repeats at most these


def divergence(curve: Sequence[dict[str, float]], loss: float, norm: float) -> str | None:
    """Why the step after `curve` with this loss and gradient norm is no good, or None."""
    if not math.isfinite(loss):
        return f"the loss became {loss}"
    if not math.isfinite(norm):
        return f"the gradient norm became {norm}"
    if not curve:
        return None
    if len(curve) < FIRST_STEPS:  # a rate far too high does its harm before there is a usual loss
        first = curve[0]["loss"]  # of the weights as they came
        if loss > LOSS_FACTOR * max(first, math.log(2)):
            return f"the loss {loss:.2f} is above {LOSS_FACTOR:g} times that of the first step, {first:.2f}"
        return None
    start = sum(point["loss"] for point in curve[:FIRST_STEPS]) / FIRST_STEPS
    if loss > LOSS_FACTOR * max(start, math.log(2)):  # a start near zero says nothing: at least a coin's loss
        return f"the loss {loss:.2f} is above {LOSS_FACTOR:g} times its start, {start:.2f}"
    norms = [point["gradient_norm"] for point in curve]
    usual = max(median(norms), sum(norms[:FIRST_STEPS]) / FIRST_STEPS)
    if usual and norm > NORM_FACTOR * usual:
        return f"the gradient norm {norm:.3g} is above {NORM_FACTOR:g} times the usual one, {usual:.3g}"
    return None


@dataclass(slots=True)
class GoodState:
    """A state to return to, in the host's memory: what learns, the optimiser and how far the curves were."""

    step: int
    model: State
    optimizer: dict[str, Any]

    @classmethod
    def of(cls, step: int, model: Any, optimizer: torch.optim.Optimizer) -> "GoodState":
        """A copy of the present state."""
        return cls(step, trainable_state(model), _copied(optimizer.state_dict()))


def roll_back(
    good: GoodState,
    progress: Progress,
    why: str,
    rate: float,
    model: Any,
    optimizer: torch.optim.Optimizer,
    method: str,
) -> None:
    """Puts the good state back, lowers the rate and writes down why.

    Raises:
        DivergedError: it was rolled back twice already.
    """
    entry = {"step": progress.step, "back_to": good.step, "why": why, "learning_rate": rate}
    progress.rollbacks.append(entry)
    if len(progress.rollbacks) > MOST_ROLLBACKS:
        tried = ", ".join(f"{past['learning_rate']:.1e}" for past in progress.rollbacks)
        raise DivergedError(
            f"the fine-tune diverged at step {progress.step} ({why}) and again with lower rates (peak rates "
            f"tried: {tried}): set a lower one, for example --set {method}.learning_rate={rate / 10:.0e}."
        )
    restore_trainable(model, good.model)
    optimizer.load_state_dict(_copied(good.optimizer))
    progress.rate_factor *= RATE_FACTOR
    progress.step = good.step
    del progress.train[good.step :]
    progress.validation[:] = [point for point in progress.validation if point["step"] <= good.step]


def _copied(state: dict[str, Any]) -> dict[str, Any]:
    """An optimiser state whose tensors are its own, in the host's memory: a GPU's is dearer."""
    return {
        key: _copied(value)
        if isinstance(value, dict)
        else value.to("cpu", copy=True)
        if torch.is_tensor(value)
        else value
        for key, value in state.items()
    }
