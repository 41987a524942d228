"""`Forgetting`: what a fine-tuned model can do besides its task, before and after. No rule decides by it."""

from typing import Literal

from tuneworthy.core.evidence import Comparison, Estimate
from tuneworthy.core.frozen import Frozen

Capability = Literal["texts", "questions", "instructions", "requests"]


class LostItem(Frozen):
    """An item on which the tuned model does worse: what was asked, and what either model made of it."""

    item: str
    asked: str
    before: str
    after: str


class CapabilityChange(Frozen):
    """One capability of the base model and of the tuned one, on the same items.

    Attributes:
        capability: what was measured.
        before, after: the base model's figure and the tuned model's: bits per byte, or a share.
        comparison: after minus before.
        margin: by how much it may be worse before that counts: a share of `before` for texts, else points.
        p: one-sided, that the tuned model is not worse by more than the margin.
        q: p after Benjamini and Hochberg's correction over the capabilities.
        worse: whether q is at most the rate.
        items_lost: items on which the tuned model does worse.
        lost: some of them, the worst first.
    """

    capability: Capability
    before: Estimate
    after: Estimate
    comparison: Comparison
    margin: float = 0.0
    p: float
    q: float
    worse: bool
    items_lost: int = 0
    lost: tuple[LostItem, ...] = ()


class Forgetting(Frozen):
    """A tuned model against its base model.

    Attributes:
        method: the arm whose fit was measured.
        base: the base model, as the job names it.
        fit: address of the unit whose model was measured.
        measured: which of the arm's fits that is, in words.
        changes: every capability; empty where nothing was measured.
        rate: of the capabilities that are named as worse, the share expected to be named by chance.
        seconds_before, seconds_after: what measuring the two models took.
        reason: why nothing was measured, where nothing was.
    """

    method: str
    base: str
    fit: str | None = None
    measured: str = ""
    changes: tuple[CapabilityChange, ...] = ()
    rate: float = 0.05
    seconds_before: float | None = None
    seconds_after: float | None = None
    reason: str | None = None

    @property
    def worse(self) -> tuple[CapabilityChange, ...]:
        """The capabilities that became worse by more than chance explains."""
        return tuple(change for change in self.changes if change.worse)
