"""The optimiser that a recipe names."""

from collections.abc import Sequence

import torch

from tuneworthy.core.errors import ModelError
from tuneworthy.engine.recipe import Recipe


def make_optimizer(parameters: Sequence[torch.nn.Parameter], recipe: Recipe) -> torch.optim.Optimizer:
    """AdamW in float32, or with moments in eight bits (Dettmers et al. 2022, arXiv:2110.02861).

    Raises:
        ModelError: eight bits without bitsandbytes.
    """
    if recipe.optimizer == "adamw":
        return torch.optim.AdamW(
            parameters, lr=recipe.learning_rate, weight_decay=recipe.weight_decay, fused=True
        )
    try:
        from bitsandbytes.optim.adamw import AdamW8bit
    except ImportError as error:
        raise ModelError("adamw_8bit needs bitsandbytes: pip install 'tuneworthy[qlora]'.") from error
    eight: torch.optim.Optimizer = AdamW8bit(  # type: ignore[no-untyped-call]
        parameters, lr=recipe.learning_rate, weight_decay=recipe.weight_decay
    )
    return eight
