"""`Stop`: a fine-tuned arm that was not measured to the end: the answer was known or could not change."""

from typing import Literal

from tuneworthy.core.frozen import Frozen

Why = Literal["shown", "another_shown", "out_of_reach", "unlikely"]


class Stop(Frozen):
    """When and why a sequential test ended an arm.

    Attributes:
        method: the arm.
        rows, planned: that it has answered, and that it was to answer.
        looks: how often the question had been asked.
        spent: error rate that looks up to here were allowed, of `alpha` for all of them.
        why: it is shown to be better than every untuned arm, or another arm is; no outcome of the other rows
            could show that; or it is unlikely even if the arm were as good as can be hoped, with `chance`.
    """

    method: str
    rows: int
    planned: int
    looks: int
    spent: float
    alpha: float
    why: Why
    chance: float | None = None
