"""The sentences of a verdict: numbers as percent, differences as points, each beside its threshold."""

from tuneworthy.core.counting import counted
from tuneworthy.core.evidence import Arm, Comparison, Evidence
from tuneworthy.verdict import facts


def percent(share: float) -> str:
    """0.8667 -> "86.7%"."""
    return f"{round(100 * share, 1) + 0.0:.1f}%"


def points(share: float) -> str:
    """0.063 -> "6.3 points"."""
    return f"{round(100 * share, 1) + 0.0:.1f} points"


def p_value(p: float) -> str:
    """ "0.012", and "below 0.001" for less."""
    return "below 0.001" if p < 0.001 else f"{p:.3f}"


def about(number: int) -> str:
    """Rounded up to two figures, so that an estimate looks like one: 847 -> "850"."""
    scale = 10 ** max(0, len(str(abs(number))) - 2)
    return f"{-(-number // scale) * scale:,}"


def clause(text: str) -> str:
    """Text from elsewhere, made to fit inside one sentence."""
    return text.strip().rstrip(".!?").replace(". ", "; ").replace("! ", "; ").replace("? ", "; ")


def score(arm: Arm) -> str:
    """ "86.7% (95% interval 80.1% to 91.3%)"."""
    estimate = arm.estimate
    if estimate.low is None or estimate.high is None:
        return f"{percent(estimate.value)} (no interval: {clause(estimate.reason or 'none was computed')})"
    ends = f"{percent(estimate.low)} to {percent(estimate.high)}"
    return f"{percent(estimate.value)} ({estimate.confidence:.0%} interval {ends})"


def gap(found: Comparison | None, method: str, against: str) -> str:
    """ "lora minus tfidf is 6.3 points (95% interval 1.2 to 11.4 points)"."""
    if found is None:
        return f"{method} minus {against} was not compared"
    head = f"{method} minus {against} is {points(found.difference)}"
    if found.low is None or found.high is None:
        return f"{head} (no interval: {clause(found.reason or 'none was computed')})"
    ends = f"{round(100 * found.low, 1) + 0.0:.1f} to {points(found.high)}"
    return f"{head} ({found.confidence:.0%} interval {ends})"


def scores(evidence: Evidence) -> str:
    """One sentence: the best tuned and the best untuned arm, with their intervals."""
    plain, trained = facts.best(facts.untuned(evidence)), facts.best(facts.tuned(evidence))
    found = []
    if trained is not None:
        found.append(f"the best tuned arm, {trained.method}, scores {score(trained)}")
    if plain is not None:
        found.append(f"the best untuned arm, {plain.method}, scores {score(plain)}")
    if not found:
        return "No arm was scored."
    head = f"On {counted(evidence.test_rows, 'test row')} ({evidence.metric.replace('_', ' ')}) "
    return head + " and ".join(found) + "."


def reach(evidence: Evidence) -> str | None:
    """One sentence on the target score, or None when the job names none."""
    target = evidence.thresholds.target_score
    if target is None or not evidence.arms:
        return None
    met = facts.meet_target(evidence, evidence.arms)
    if met:
        starts = ", ".join(f"{arm.method} from {percent(arm.estimate.low or 0.0)}" for arm in _by_name(met))
        return f"The target of {percent(target)} is met by the whole interval of: {starts}."
    if facts.target_out_of_reach(evidence):
        top = max(evidence.arms, key=lambda arm: (arm.estimate.high or 0.0, arm.method))
        end = percent(top.estimate.high or 0.0)
        return (
            f"No arm's interval reaches the target of {percent(target)}: "
            f"the highest upper end is {end} ({top.method})."
        )
    return f"The target of {percent(target)} is neither met by a whole interval nor ruled out for every arm."


def resolution(evidence: Evidence) -> str | None:
    """One sentence on what these rows can find, or None when power was not computed."""
    if not evidence.power:
        return None
    row = next((row for row in evidence.power if row.source == "observed"), evidence.power[0])
    rate = (
        f"when the arms disagree on {percent(row.disagreement)} of the rows"
        if row.disagreement is not None
        else f"when the arms' scores differ by a standard deviation of {points(row.spread or 0)} a row"
    )
    found = row.minimum_detectable_difference
    if found is None:
        return f"With {counted(row.n, 'row')} no difference is found {row.power:.0%} of the time {rate}."
    return (
        f"With {counted(row.n, 'row')} a true difference of {points(found)} is found "
        f"{row.power:.0%} of the time {rate}, a smaller one less often."
    )


def rows_needed(evidence: Evidence) -> str | None:
    """One sentence on how many rows would settle the difference seen, or None when that is not known."""
    if evidence.rows_to_settle is None:
        return None
    return f"About {about(evidence.rows_to_settle)} test rows would settle a difference this size."


def remarks(evidence: Evidence) -> tuple[str, ...]:
    """What a reader has to know whichever rule fired."""
    found = [reach(evidence)]
    if evidence.tuned_skipped:
        found.append(f"Tuned arms were not run: {clause(evidence.tuned_skipped)}.")
    if evidence.past_tuned_arms > 0:
        earlier = counted(evidence.past_tuned_arms, "tuned arm was", "tuned arms were")
        found.append(f"{earlier} scored on these test rows before; the correction counts them.")
    for arm in _by_name(evidence.arms):
        if arm.unparseable > 0:
            found.append(
                f"{counted(arm.unparseable, 'answer')} of {arm.method} could not be parsed "
                f"(of {arm.estimate.n:,}); they count as wrong."
            )
        if arm.failed > 0:
            found.append(
                f"{arm.method} failed on {counted(arm.failed, 'row')} (of {arm.estimate.n:,}); "
                "they count as wrong."
            )
        free = arm.valid_without_constraint
        if free is not None and free < arm.estimate.n:
            found.append(
                f"As first written, {percent(free / arm.estimate.n)} of {arm.method}'s answers followed the "
                "JSON Schema; the others were written again under it."
            )
    found.append(resolution(evidence))
    return tuple(sentence for sentence in found if sentence)


def _by_name(arms: tuple[Arm, ...]) -> list[Arm]:
    return sorted(arms, key=lambda arm: arm.method)
