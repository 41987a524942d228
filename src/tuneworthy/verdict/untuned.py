"""What is said where nothing was fine-tuned: how far the best arm is ahead, and of what."""

from tuneworthy.core.evidence import Arm, Evidence
from tuneworthy.verdict import facts, words


def lead(evidence: Evidence, arm: Arm) -> str:
    """One sentence: the best arm that was run, and how far it is above the next one if that was compared."""
    head = f"Of the arms that were run {arm.method} has the best score"
    able = [other for other in facts.untuned(evidence) if other.kind != "baseline" and other != arm]
    second = facts.best(evidence, able)
    found = None if second is None else facts.comparison(evidence, arm.method, second.method)
    if second is None or found is None:
        return f"{head}."
    return f"{head}: {words.gap(evidence, found, arm.method, second.method)}."


def above_chance(evidence: Evidence, arm: Arm) -> tuple[str, ...]:
    """That the best arm is not shown to be better than constant answers; nothing where it is, or is one."""
    baseline = facts.best(evidence, facts.baselines(evidence))
    if baseline is None or arm.kind == "baseline" or facts.shown_above_baseline(evidence, arm):
        return ()
    p = words.p_value(facts.p_against_all(evidence, arm, facts.baselines(evidence)))
    alpha = evidence.thresholds.alpha
    return (
        f"{arm.method} is not shown to be better than {baseline.method}: one-sided p {p}, above {alpha:g}.",
    )
