"""What would change a verdict: one sentence with the number at which the rule that fired would not."""

from scipy.stats import binom

from tuneworthy.core.evidence import Arm, Evidence
from tuneworthy.verdict import facts, words


def of_a_win(evidence: Evidence, arm: Arm) -> str:
    """How few rows the win hangs on: the fragility index (Walsh et al. 2014) of its closest comparison.

    Rows that only the winner has right are taken from it, one by one, until against some untuned arm the
    corrected test no longer holds or the gain is too small to be worth having. Empty where rows are not right
    or wrong.
    """
    hangs = []
    for other in facts.untuned(evidence):
        found = facts.comparison(evidence, arm.method, other.method)
        if found is None or found.wins is None or found.losses is None or found.test != "mcnemar_exact":
            return ""
        hangs.append((_rows_to_lose(evidence, arm, other, found.wins, found.losses), other.method))
    rows, against = min(hangs)
    has, go = ("row that", "goes") if rows == 1 else ("rows that", "go")
    return (
        f"The win would no longer be shown if {rows:,} more {has} {arm.method} has right and {against} has "
        f"wrong {go} the other way."
    )


def _rows_to_lose(evidence: Evidence, arm: Arm, other: Arm, wins: int, losses: int) -> int:
    """Fewest wins over one arm that have to become losses for the rule not to fire."""
    plain = {method: p for method, (p, _) in facts.p_of_tuned(evidence).items()}
    best, rows = facts.best(evidence, facts.untuned(evidence)), 0
    assert best is not None
    gains = facts.gain(evidence, arm, other), facts.gain(evidence, arm, best)
    while wins > 0:
        left = min(gains[0] - 2 * rows / arm.estimate.n, gains[1] - rows / arm.estimate.n)
        if not facts.gain_is_worth_having(evidence, left):
            break
        p = max(plain[arm.method], float(binom.sf(wins - 1, wins + losses, 0.5)))
        if facts.corrected(evidence, {**plain, arm.method: p})[arm.method] > evidence.thresholds.alpha:
            break
        wins, losses, rows = wins - 1, losses + 1, rows + 1
    return rows


def of_a_cheap_arm(evidence: Evidence, arm: Arm) -> str:
    """The smallest gain that is not ruled out; empty where an arm has no interval."""
    ends = [facts.most_gained(evidence, rival, arm) for rival in facts.tuned(evidence)]
    most = max(ends, default=0.0)
    if most <= 0:
        return "Nothing that is asked of a gain would: every tuned arm is shown to be worse."
    return f"It would be open again if a gain of {words.amount(evidence, most)} or less were worth having."


def of_a_met_target(evidence: Evidence, end: float) -> str:
    """The target up to which the verdict holds."""
    bound = "down to" if evidence.error else "up to"
    return f"The same is true of any target {bound} {words.value(evidence, end)}."


def of_a_target_out_of_reach(evidence: Evidence) -> str:
    """The target that some arm's interval would reach."""
    ends = [end for arm in evidence.arms if (end := facts.hopeful_end(evidence, arm)) is not None]
    if not ends:
        return ""
    best = max(ends, key=lambda end: facts.goodness(evidence, end))
    return f"A target of {words.value(evidence, best)} would be within reach of an arm's interval."
