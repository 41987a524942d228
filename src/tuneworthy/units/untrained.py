"""Whether a fine-tune was trained at all: one that was not shows nothing about fine-tuning.

A run capped at a few steps to try things out, or with a rate a thousand times too low, ends near the base
model. Its score is measured all the same, but "fine-tuning adds nothing" must not be read out of it.
"""

from collections.abc import Sequence
from statistics import mean
from typing import Any

WHOLE = 0.95  # passes over the training rows that count as one: the last batch of a pass may be short (ours)
THIRDS = 3  # the training loss is compared between the first and the last third of the steps (ours)


def why_untrained(facts: Sequence[dict[str, Any]]) -> str | None:
    """Why most fits of an arm were hardly trained; None where they were, or where they keep no such facts.

    Args:
        facts: of each fit; those of a gradient method have `epochs` and the curve `train`.
    """
    reasons = [reason for one in facts if (reason := _why(one)) is not None]
    return reasons[0] if 2 * len(reasons) > len(facts) else None


def _why(facts: dict[str, Any]) -> str | None:
    curve = [float(point["loss"]) for point in facts.get("train", [])]
    if not curve or "epochs" not in facts:
        return None
    if facts["epochs"] < WHOLE:
        return f"{len(curve)} steps are {facts['epochs']:.2g} passes over its training rows"
    third = max(1, len(curve) // THIRDS)
    first, last = mean(curve[:third]), mean(curve[-third:])
    if last >= first:
        return f"its training loss did not fall ({first:.3g} over the first steps, {last:.3g} over the last)"
    return None
