"""Questions the rules put to the evidence. A comparison that is absent shows nothing."""

from collections.abc import Iterable

from tuneworthy.core.evidence import Arm, Comparison, Evidence, holm

ROUNDING = 1e-9  # 0.82 - 0.80 is 0.0199999...: a gain this close to a threshold meets it


def untuned(evidence: Evidence) -> tuple[Arm, ...]:
    """Every arm whose base model's weights were left alone: baseline, classifier, prompt."""
    return tuple(arm for arm in evidence.arms if arm.kind != "tuned")


def tuned(evidence: Evidence) -> tuple[Arm, ...]:
    """Every fine-tuned arm."""
    return tuple(arm for arm in evidence.arms if arm.kind == "tuned")


def baselines(evidence: Evidence) -> tuple[Arm, ...]:
    """The arms that look at no input, such as majority."""
    return tuple(arm for arm in evidence.arms if arm.kind == "baseline")


def best(arms: Iterable[Arm]) -> Arm | None:
    """The highest estimate; equal ones by cost, then by name. None of none."""
    return min(
        arms, key=lambda arm: (-arm.estimate.value, arm.cost.seconds_per_1000, arm.method), default=None
    )


def cheapest(arms: Iterable[Arm]) -> Arm | None:
    """The least seconds per 1,000 rows; equal ones by estimate, then by name. None of none."""
    return min(
        arms, key=lambda arm: (arm.cost.seconds_per_1000, -arm.estimate.value, arm.method), default=None
    )


def best_so_far(evidence: Evidence) -> Arm | None:
    """What to use while nothing is settled.

    The untuned arm with the highest estimate, unless a tuned arm's estimate is higher by at least the
    smallest gain worth having: without proof, the arm that is cheaper to make gets the benefit of the doubt.
    """
    plain, trained = best(untuned(evidence)), best(tuned(evidence))
    if plain is None or trained is None:
        return plain or trained
    return trained if gain_is_worth_having(evidence, trained.estimate.value - plain.estimate.value) else plain


def gain_is_worth_having(evidence: Evidence, gain: float) -> bool:
    """Whether a gain reaches the smallest gain worth having."""
    return gain >= evidence.thresholds.smallest_gain_worth_having - ROUNDING


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
    arms = tuned(evidence)
    plain = [p_against_all(evidence, arm, untuned(evidence)) for arm in arms]
    adjusted = holm(plain, max(0, evidence.past_tuned_arms))
    return {arm.method: (p, q) for arm, p, q in zip(arms, plain, adjusted, strict=True)}


def passes_fine_tune(evidence: Evidence) -> tuple[Arm, ...]:
    """Tuned arms shown to beat every untuned arm, by at least the smallest gain worth having."""
    plain = best(untuned(evidence))
    if plain is None:
        return ()
    p_values = p_of_tuned(evidence)
    return tuple(
        arm
        for arm in tuned(evidence)
        if p_values[arm.method][1] <= evidence.thresholds.alpha
        and gain_is_worth_having(evidence, arm.estimate.value - plain.estimate.value)
    )


def shown_above_baseline(evidence: Evidence, arm: Arm) -> bool:
    """Whether `arm` is shown to be better than every baseline; False when there is none to compare with."""
    return p_against_all(evidence, arm, baselines(evidence)) <= evidence.thresholds.alpha


def gain_ruled_out(evidence: Evidence, arm: Arm, against: Arm) -> bool:
    """Whether the interval of `arm` minus `against` ends below the smallest gain worth having."""
    found = comparison(evidence, arm.method, against.method)
    if found is None or found.high is None:
        return False
    return found.high < evidence.thresholds.smallest_gain_worth_having


def target_out_of_reach(evidence: Evidence) -> bool:
    """Whether every arm has an interval and each one ends below the target."""
    target = evidence.thresholds.target_score
    if target is None or not evidence.arms:
        return False
    return all(arm.estimate.high is not None and arm.estimate.high < target for arm in evidence.arms)


def meet_target(evidence: Evidence, arms: tuple[Arm, ...]) -> tuple[Arm, ...]:
    """The arms whose interval starts at or above the target."""
    target = evidence.thresholds.target_score
    if target is None:
        return ()
    return tuple(arm for arm in arms if arm.estimate.low is not None and arm.estimate.low >= target)
