"""Questions the rules put to the evidence. A comparison that is absent shows nothing."""

from collections.abc import Iterable, Mapping
from math import inf

from tuneworthy.core.evidence import Arm, Comparison, Evidence, holm

ROUNDING = 1e-9  # 0.82 - 0.80 is 0.0199999...: a gain this close to a threshold meets it


def untuned(evidence: Evidence) -> tuple[Arm, ...]:
    """Every arm whose base model's weights were left alone: baseline, classifier, prompt."""
    return tuple(arm for arm in evidence.arms if arm.kind != "tuned")


def tuned(evidence: Evidence) -> tuple[Arm, ...]:
    """Every fine-tuned arm."""
    return tuple(arm for arm in evidence.arms if arm.kind == "tuned")


def cut_short(evidence: Evidence) -> bool:
    """Whether a budget left some rows of a fine-tuned arm unmeasured."""
    fewer = any(arm.estimate.n < evidence.test_rows for arm in tuned(evidence))
    return fewer and bool(evidence.left_out)


def given_up(evidence: Evidence) -> bool:
    """Whether a sequential test ended every fine-tuned arm because a gain could hardly be shown."""
    gone = futile(evidence)
    return bool(gone) and all(arm.method in gone for arm in tuned(evidence))


def futile(evidence: Evidence) -> set[str]:
    """The arms that a sequential test ended because a gain could hardly be shown."""
    return {stop.method for stop in evidence.stops if stop.why in ("out_of_reach", "unlikely")}


def trained(evidence: Evidence) -> tuple[Arm, ...]:
    """The fine-tuned arms that were trained: what the others fail to gain says nothing of fine-tuning."""
    return tuple(arm for arm in tuned(evidence) if arm.untrained is None)


def baselines(evidence: Evidence) -> tuple[Arm, ...]:
    """The arms that look at no input, such as majority."""
    return tuple(arm for arm in evidence.arms if arm.kind == "baseline")


def goodness(evidence: Evidence, value: float) -> float:
    """A value of the metric such that the higher is the better: an error's negative."""
    return -value if evidence.error else value


def gain(evidence: Evidence, arm: Arm, against: Arm) -> float:
    """How much better `arm` scored than `against`; negative when it is worse.

    On the rows that both have answered: where one has answered fewer, that is the comparison's difference.
    """
    if arm.estimate.n != against.estimate.n:
        found = comparison(evidence, arm.method, against.method)
        if found is not None:
            return goodness(evidence, found.difference)
    return goodness(evidence, arm.estimate.value) - goodness(evidence, against.estimate.value)


def cautious_end(evidence: Evidence, arm: Arm) -> float | None:
    """The end of the arm's interval at which it is worst."""
    return arm.estimate.high if evidence.error else arm.estimate.low


def hopeful_end(evidence: Evidence, arm: Arm) -> float | None:
    """The end of the arm's interval at which it is best."""
    return arm.estimate.low if evidence.error else arm.estimate.high


def largest_gain(evidence: Evidence, found: Comparison | None) -> float | None:
    """The end of a difference's interval at which the gain is largest; None without an interval."""
    if found is None or found.low is None or found.high is None:
        return None
    return -found.low if evidence.error else found.high


def best(evidence: Evidence, arms: Iterable[Arm]) -> Arm | None:
    """The best estimate; equal ones by cost, then by name. None of none."""

    def rank(arm: Arm) -> tuple[float, tuple[float, float], str]:
        return -level(evidence, arm), dearness(arm), arm.method

    return min(arms, key=rank, default=None)


def level(evidence: Evidence, arm: Arm) -> float:
    """How good an arm is, on a scale that all share.

    A fine-tuned arm that was measured on some of the rows alone may have met easier ones: it is as far above
    the best untuned arm as it was on those.
    """
    if arm.kind == "tuned" and arm.estimate.n < evidence.test_rows:
        plain = best(evidence, untuned(evidence))
        if plain is not None:
            return goodness(evidence, plain.estimate.value) + gain(evidence, arm, plain)
    return goodness(evidence, arm.estimate.value)


def dearness(arm: Arm) -> tuple[float, float]:
    """Money, then seconds, for 1,000 rows.

    Without a price this machine's time is free, and what an endpoint charges is unknown, which is never
    called cheap.
    """
    unpriced = inf if arm.cost.endpoint else 0.0
    money = arm.cost.money_per_1000
    return unpriced if money is None else money, arm.cost.seconds_per_1000


def clearly_cheaper(one: Arm, other: Arm) -> bool:
    """Whether one costs less than half of the other: two measurements of an arm's seconds differ."""
    (money, seconds), (money_of_other, seconds_of_other) = dearness(one), dearness(other)
    if money != money_of_other:
        return 2 * money < money_of_other
    return 2 * seconds < seconds_of_other


def cheapest(evidence: Evidence, arms: Iterable[Arm]) -> Arm | None:
    """The best of those that no other is clearly cheaper than. None of none."""
    given = tuple(arms)
    least = min(given, key=dearness, default=None)
    return least and best(evidence, (arm for arm in given if not clearly_cheaper(least, arm)))


def best_so_far(evidence: Evidence) -> Arm | None:
    """What to use while nothing is settled.

    The untuned arm with the highest estimate, unless a tuned arm's estimate is higher by at least the
    smallest gain worth having, or a tuned arm alone meets the target: without proof, the arm that is cheaper
    to make gets the benefit of the doubt. An arm that was given up is no advice.
    """
    gone = futile(evidence)
    left = tuple(arm for arm in tuned(evidence) if arm.method not in gone)
    plain, trained = best(evidence, untuned(evidence)), best(evidence, left)
    if plain is None or trained is None:
        return plain or trained
    if not meet_target(evidence, untuned(evidence)) and (met := meet_target(evidence, left)):
        return best(evidence, met)
    return trained if gain_is_worth_having(evidence, gain(evidence, trained, plain)) else plain


def margin(evidence: Evidence) -> float:
    """The smallest gain worth having, in the metric's own unit."""
    return evidence.thresholds.smallest_gain_worth_having * evidence.whole


def no_room(evidence: Evidence) -> bool:
    """Whether doubtful labels leave less above the best untuned arm than the smallest gain worth having."""
    plain = best(evidence, untuned(evidence))
    most = ceiling(evidence)
    if plain is None or most is None:
        return False
    return not gain_is_worth_having(evidence, most - plain.estimate.value)


def ceiling(evidence: Evidence) -> float | None:
    """What doubtful labels allow at most; None where an arm scores above it, so that not all are wrong."""
    if any(arm.estimate.value > (evidence.ceiling or 1.0) for arm in evidence.arms):
        return None
    return evidence.ceiling


def target_above_ceiling(evidence: Evidence) -> bool:
    """Whether labels that look wrong leave no model above the target."""
    most, target = ceiling(evidence), evidence.thresholds.target_score
    return most is not None and target is not None and target > most


def gain_is_worth_having(evidence: Evidence, gain: float) -> bool:
    """Whether a gain reaches the smallest gain worth having."""
    return gain >= margin(evidence) - ROUNDING


def comparison(evidence: Evidence, method: str, against: str) -> Comparison | None:
    """`method` minus `against` on the primary metric, if it was made."""
    for found in evidence.comparisons:
        if (found.method, found.against, found.metric) == (method, against, evidence.metric):
            return found
    return None


def p_against_all(evidence: Evidence, arm: Arm, others: tuple[Arm, ...]) -> float:
    """The largest one-sided p in favour of `arm` against each of `others`; 1 if one is missing or none exist.

    An intersection-union test (Berger 1982): "better than every one of them" is claimed at level alpha when
    each single claim is, without a further correction.
    """
    largest = 0.0 if others else 1.0
    for other in others:
        found = comparison(evidence, arm.method, other.method)
        if found is None or not found.p_greater <= 1:  # also catches a p that is no number
            return 1.0
        largest = max(largest, found.p_greater)
    return largest


def p_of_tuned(evidence: Evidence) -> dict[str, tuple[float, float]]:
    """Per tuned arm: p of "better than every untuned arm", plain and after Holm over the tuned arms.

    Tuned arms scored on these rows in earlier runs enlarge Holm's family.
    """
    plain = {arm.method: p_against_all(evidence, arm, untuned(evidence)) for arm in tuned(evidence)}
    adjusted = corrected(evidence, plain)
    return {method: (p, adjusted[method]) for method, p in plain.items()}


def corrected(evidence: Evidence, plain: Mapping[str, float]) -> dict[str, float]:
    """The p values of all tuned arms after Holm, over these and those of earlier runs."""
    return dict(zip(plain, holm([*plain.values()], max(0, evidence.past_tuned_arms)), strict=True))


def passes_fine_tune(evidence: Evidence) -> tuple[Arm, ...]:
    """Tuned arms shown to beat every untuned arm, on any seeds, by the smallest gain worth having or more."""
    plain = best(evidence, untuned(evidence))
    if plain is None:
        return ()
    p_values = p_of_tuned(evidence)
    return tuple(
        arm
        for arm in tuned(evidence)
        if p_values[arm.method][1] <= evidence.thresholds.alpha
        and holds_over_seeds(evidence, arm)
        and gain_is_worth_having(evidence, gain(evidence, arm, plain))
    )


def holds_over_seeds(evidence: Evidence, arm: Arm) -> bool:
    """Whether an arm's gains are shown for other seeds than those that were run.

    A p value holds for the seeds that were run, an interval covers their draw: those of an arm that was
    fitted on several must lie above zero over every untuned arm. An absent one takes nothing away from p.
    """
    if not arm.by_seed:
        return True
    found = (comparison(evidence, arm.method, other.method) for other in untuned(evidence))
    ends = (one.high if evidence.error else one.low for one in found if one is not None)
    return all(goodness(evidence, end) > 0 for end in ends if end is not None)


def shown_above_baseline(evidence: Evidence, arm: Arm) -> bool:
    """Whether `arm` is shown to be better than every baseline; False when there is none to compare with."""
    return p_against_all(evidence, arm, baselines(evidence)) <= evidence.thresholds.alpha


def gain_ruled_out(evidence: Evidence, arm: Arm, against: Arm) -> bool:
    """Whether the interval of `arm` minus `against` ends below the smallest gain worth having.

    Where there is no interval, as where every resample differs by the same or a label is too rare: an arm
    that is shown to be worse, by the two-sided test, is not taken to be better by a gain worth having either.
    """
    found = comparison(evidence, arm.method, against.method)
    end = largest_gain(evidence, found)
    if end is not None:
        return end < margin(evidence)
    worse = found is not None and goodness(evidence, found.difference) < 0
    return worse and found is not None and found.p_two_sided <= evidence.thresholds.alpha


def most_gained(evidence: Evidence, arm: Arm, against: Arm) -> float:
    """The largest gain of `arm` over `against` that its interval leaves open.

    Without an interval it is infinite, or the gain seen where the arm is shown to be worse.
    """
    found = comparison(evidence, arm.method, against.method)
    end = largest_gain(evidence, found)
    if end is None and found is not None and gain_ruled_out(evidence, arm, against):
        return goodness(evidence, found.difference)
    return inf if end is None else end


def target_out_of_reach(evidence: Evidence) -> bool:
    """Whether every arm has an interval and each one ends below the target."""
    target = evidence.thresholds.target_score
    if target is None or not evidence.arms:
        return False
    ends = [hopeful_end(evidence, arm) for arm in evidence.arms]
    return all(end is not None and goodness(evidence, end) < goodness(evidence, target) for end in ends)


def meet_target(evidence: Evidence, arms: tuple[Arm, ...]) -> tuple[Arm, ...]:
    """The arms whose whole interval meets the target."""
    target = evidence.thresholds.target_score
    if target is None:
        return ()
    ends = {arm.method: cautious_end(evidence, arm) for arm in arms}
    return tuple(
        arm
        for arm in arms
        if (end := ends[arm.method]) is not None and goodness(evidence, end) >= goodness(evidence, target)
    )
