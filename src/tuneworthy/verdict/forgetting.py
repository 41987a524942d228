"""What a fine-tune has forgotten, in a sentence; it is a reason to look twice and changes no decision."""

from tuneworthy.core.evidence import Verdict
from tuneworthy.core.forgetting import CapabilityChange, Forgetting

CAPABILITIES = {
    "texts": "general texts",
    "questions": "general questions",
    "instructions": "instructions",
    "requests": "harmful requests",
}


def with_forgetting(verdict: Verdict, found: Forgetting) -> Verdict:
    """The verdict with one more reason where the tuned model became worse at something."""
    if not found.worse:
        return verdict
    return verdict.model_copy(update={"reasons": (*verdict.reasons, forgetting_sentence(found))})


def forgetting_sentence(found: Forgetting) -> str:
    """What became worse, by how much; or that nothing is shown to be, or was measured."""
    if not found.changes:
        return f"What {found.method} has forgotten was not measured: {found.reason}."
    if not found.worse:
        items = [_items(change) for change in found.changes]
        return (
            f"Beside its task {found.method} is not shown to be worse than {found.base} "
            f"({', '.join(items[:-1])} and {items[-1]})."
        )
    return (
        f"Beside its task {found.method} is worse than {found.base}: "
        f"{'; '.join(_loss(change) for change in found.worse)}. "
        "That counts where the model is asked for more than this task."
    )


def _items(change: CapabilityChange) -> str:
    return f"{change.comparison.n} {CAPABILITIES[change.capability]}"


def _loss(change: CapabilityChange) -> str:
    """ "38.8% of 80 general questions are answered right, 62.5% before"."""
    before, after, items = change.before.value, change.after.value, _items(change)
    if change.capability == "texts":
        more = after / before - 1
        return f"{items} take {after:.3f} bits per byte, {before:.3f} before ({more:.1%} more)"
    if change.capability == "requests":
        return f"{items} are refused with a probability of {after:.1%}, {before:.1%} before"
    done = "answered right" if change.capability == "questions" else "followed"
    return f"{after:.1%} of {items} are {done}, {before:.1%} before"
