"""The arithmetic of a fine-tune: how many steps, how big, how fast, for this many examples."""

import math
from typing import Literal

from tuneworthy.core.frozen import Frozen

Optimizer = Literal["adamw", "adamw_8bit"]


class Recipe(Frozen):
    """What the training loop does, fully resolved; nothing in it depends on anything else.

    Attributes:
        steps: optimiser updates.
        batch: examples per update.
        learning_rate: peak rate.
        warmup_steps: linear warm-up before a linear decay to zero.
        clip_norm: gradient norm above which gradients are scaled down.
        evaluate_every: steps between validations; 0 means never.
        patience: validations without improvement before stopping.
        noisy_validation: validation rows are so few that a lower score is mostly luck: training stops early
            only where all of the last `patience` scores are below the best by more than two standard errors.
        tokens_per_batch: upper bound of tokens in one forward pass; larger batches accumulate.
        seed: draws the order of the rows.
        weight_decay: AdamW's, decoupled from the gradient.
        optimizer: AdamW with moments in float32 or in eight bits.
    """

    steps: int
    batch: int
    learning_rate: float
    warmup_steps: int
    clip_norm: float = 1.0
    evaluate_every: int = 0
    patience: int = 2
    noisy_validation: bool = False
    tokens_per_batch: int = 2048
    seed: int = 0
    weight_decay: float = 0.0
    optimizer: Optimizer = "adamw"


def default_epochs(rows: int, batch: int) -> int:
    """clip(ceil(150 x batch / N), 3, 10): aims at 100 to 400 steps (Tinker: at least 100)."""
    return min(10, max(3, math.ceil(150 * batch / rows)))


def default_learning_rate(hidden_size: int, rows: int) -> float:
    """5e-4 x (2000 / hidden)^0.781, halved below 500 rows (Tinker's formula for Llama-like models)."""
    rate: float = 5e-4 * (2000 / hidden_size) ** 0.781
    return rate / 2 if rows < 500 else rate


def default_steps(rows: int, batch: int, epochs: float) -> int:
    """Updates in `epochs` passes over `rows`."""
    return max(1, math.ceil(rows * epochs / batch))


def warmup_steps(steps: int, share: float) -> int:
    """A share of the steps, never a fixed count, at least one."""
    return max(1, round(steps * share))


def rate_at(recipe: Recipe, step: int) -> float:
    """The learning rate of step 1..steps: linear warm-up, then linear decay to zero."""
    if step <= recipe.warmup_steps:
        return recipe.learning_rate * step / recipe.warmup_steps
    left = recipe.steps - step + 1
    return recipe.learning_rate * left / (recipe.steps - recipe.warmup_steps + 1)
