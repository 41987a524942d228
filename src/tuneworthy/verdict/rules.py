"""`decide`: evidence in, verdict out. Pure and total: rules are asked in order, the first that fires wins.

Absence of significance is never evidence of equality: "fine-tuning adds nothing worth having" is claimed only
where an interval ends below the smallest gain worth having, never because a test found nothing.
"""

from collections.abc import Callable

from tuneworthy.core.counting import counted
from tuneworthy.core.evidence import Arm, Decision, Evidence, Verdict
from tuneworthy.verdict import changes, facts, untuned, words


def decide(evidence: Evidence) -> Verdict:
    """The verdict of the first rule that fires; the last one always does.

    The order of arms and comparisons in the evidence does not matter. A score is the better the
    higher, an error the lower (`Evidence.error`). `docs/statistics.md` has the rules as a table.
    """
    for rule in RULES:
        verdict = rule(evidence)
        if verdict is not None:
            return verdict
    return inconclusive(evidence)


def fix_data(evidence: Evidence) -> Verdict | None:
    """A blocking finding: no score of these rows would mean what it seems to mean."""
    if not evidence.blocking:
        return None
    count = counted(len(evidence.blocking), "finding blocks", "findings block")
    return _verdict(
        evidence,
        rule="fix_data",
        decision="fix_data",
        arm=facts.best_so_far(evidence),
        headline="Fix the data first.",
        opening="Fix the data before anything is trained or compared.",
        because=(
            f"{count} this run: {words.clause(evidence.blocking[0])}.",
            *(f"Also: {words.clause(message)}." for message in evidence.blocking[1:]),
            "No score computed from these rows would mean what it seems to mean.",
        ),
        next_action="Mend what the findings name, or accept a finding by its code (--accept), and run again.",
    )


def target_met_untuned(evidence: Evidence) -> Verdict | None:
    """The whole interval of an untuned arm lies at or above the target: take the cheapest such arm."""
    met = facts.meet_target(evidence, facts.untuned(evidence))
    arm = facts.cheapest(evidence, met)
    target = evidence.thresholds.target_score
    end = None if arm is None else facts.cautious_end(evidence, arm)
    if arm is None or target is None or end is None:
        return None
    reached = ("ends", "at or below") if evidence.error else ("starts", "at or above")
    because = [
        f"The interval of {arm.method} {reached[0]} at {words.value(evidence, end)}, "
        f"{reached[1]} the target of {words.value(evidence, target)}."
    ]
    if len(met) > 1:
        because.append(
            f"Of the {len(met)} untuned arms that meet the target, none costs less than half as much "
            f"({words.cost(arm)})."
        )
    next_action = f"Use {arm.method} as it is"
    if not facts.tuned(evidence) and evidence.fine_tuning == "open":
        next_action += "; set train_anyway to true to measure what fine-tuning would add"
    return _verdict(
        evidence,
        rule="target_met_untuned",
        decision=_decision_for(arm),
        arm=arm,
        headline=f"Target met without fine-tuning: use {arm.method}.",
        opening=f"Fine-tuning is not needed: {arm.method} already meets the target.",
        because=tuple(because),
        next_action=f"{next_action}.",
        would_change=changes.of_a_met_target(evidence, end),
    )


def target_out_of_reach(evidence: Evidence) -> Verdict | None:
    """Every arm's interval ends below the target, tuned arms among them.

    Asked before `fine_tune`: the target is what the user needs, and a gain that stays below it does not help
    yet. The reasons still say when a tuned arm wins. Without a tuned arm that was trained the rule is silent:
    nothing is known about what fine-tuning would reach.
    """
    sentence, leader = words.reach(evidence), facts.best(evidence, evidence.arms)
    if not facts.target_out_of_reach(evidence) or not facts.trained(evidence):
        return None
    if sentence is None or leader is None:
        return None
    winner = facts.best(evidence, facts.passes_fine_tune(evidence))
    because = [sentence]
    if winner is not None:
        because.append(f"{winner.method} does beat every untuned arm, but not by enough to reach the target.")
    has_baseline = bool(facts.baselines(evidence))
    learned = facts.shown_above_baseline(evidence, leader)
    if facts.target_above_ceiling(evidence) and (ceiling := words.ceiling(evidence)):
        decision: Decision = "fix_data"
        headline = "No arm reaches the target, and these labels hardly allow it: look at them first."
        name = (winner or leader).method
        next_action = words.NO_ROOM.format(name=name, rows=counted(evidence.doubtful_rows, "row"))
        because.append(ceiling)
    elif learned or not has_baseline:
        decision = "more_data"
        headline = "No arm reaches the target: collect more rows."
        next_action = "Collect more labelled rows, try a larger base model, or lower the target."
        if learned:
            because.append(f"The best arm, {leader.method}, is shown to be better than the baseline.")
    else:
        decision = "not_worth_it"
        headline = "Not worth it: the target is out of reach."
        next_action = "Check that the input holds what the label depends on before labelling more rows."
        because.append(f"The best arm, {leader.method}, is not shown to be better than the baseline.")
    return _verdict(
        evidence,
        rule="target_out_of_reach",
        decision=decision,
        arm=winner or facts.best_so_far(evidence),
        headline=headline,
        opening="The target is out of reach with these rows and these arms.",
        because=tuple(because),
        next_action=next_action,
        would_change=changes.of_a_target_out_of_reach(evidence),
    )


def fine_tune(evidence: Evidence) -> Verdict | None:
    """A tuned arm beats every untuned arm, after correction, by a gain worth having."""
    arm = facts.best(evidence, facts.passes_fine_tune(evidence))
    against = facts.best(evidence, facts.untuned(evidence))
    if arm is None or against is None:
        return None
    p, adjusted = facts.p_of_tuned(evidence)[arm.method]
    thresholds = evidence.thresholds
    family = len(facts.tuned(evidence)) + max(0, evidence.past_tuned_arms)
    found = facts.comparison(evidence, arm.method, against.method)
    gain = facts.gain(evidence, arm, against)
    return _verdict(
        evidence,
        rule="fine_tune",
        decision="fine_tune",
        arm=arm,
        headline=f"Fine-tune: {arm.method} beats {against.method} by {words.amount(evidence, gain)}.",
        opening="Fine-tuning is worth it on these rows.",
        because=(
            f"{arm.method} beats every untuned arm: the largest one-sided p is {words.p_value(p)}, "
            f"{words.p_value(adjusted)} after Holm's correction for {counted(family, 'tuned arm')}, "
            f"at or below {thresholds.alpha:g}{words.OVER_SEEDS if arm.by_seed else ''}.",
            f"Against the best of them, {words.gap(evidence, found, arm.method, against.method)}, "
            f"{'lower by ' if evidence.error else ''}at least the "
            f"{words.amount(evidence, facts.margin(evidence))} worth having.",
        ),
        next_action=f"Use {arm.method}: `tuneworthy predict` labels new rows with it.",
        would_change=changes.of_a_win(evidence, arm),
    )


def cheap_is_enough(evidence: Evidence) -> Verdict | None:
    """An untuned arm to which no tuned arm adds a gain worth having, shown by the intervals.

    An arm other than a baseline has to be shown to be better than every baseline as well; else the baseline
    itself is the one that is enough, or nothing is shown. Of the tuned arms at least one has
    to have been trained. Where a target is named that a tuned arm alone meets, no other is enough.
    """
    tuned = facts.tuned(evidence)
    if not facts.trained(evidence) or facts.meet_target(evidence, tuned):
        return None
    enough = [
        arm
        for arm in facts.untuned(evidence)
        if all(facts.gain_ruled_out(evidence, rival, arm) for rival in tuned)
        and (
            arm.kind == "baseline"
            or not facts.baselines(evidence)
            or facts.shown_above_baseline(evidence, arm)
        )
    ]
    arm = facts.best(evidence, enough)
    if arm is None:
        return None
    margin = words.amount(evidence, facts.margin(evidence))
    because = [
        f"The {margin} worth having over {arm.method} are ruled out for every tuned arm; "
        f"closest to it, {words.widest(evidence, tuned, arm)}."
    ]
    thrift = facts.cheapest(evidence, (other for other in enough if other.kind != "baseline"))
    if thrift is not None and facts.clearly_cheaper(thrift, arm):
        because.append(
            f"The cheapest arm that passes the same test is {thrift.method}, {words.score(evidence, thrift)}."
        )
    rest = tuple(other for other in facts.untuned(evidence) if other.kind != "baseline")
    if arm.kind == "baseline" and not all(facts.gain_ruled_out(evidence, other, arm) for other in rest):
        because.append(f"Without tuning, {words.not_ruled_out(evidence, rest, arm, lower=True)}")
    decision = _decision_for(arm)
    return _verdict(
        evidence,
        rule="cheap_is_enough",
        decision=decision,
        arm=arm,
        headline=(
            f"Not worth it: tuning gains too little over {arm.method}."
            if decision == "not_worth_it"
            else f"No fine-tuning needed: {arm.method} is enough."
        ),
        opening=f"Fine-tuning is not worth it on these rows: {arm.method} is enough.",
        because=tuple(because),
        next_action=f"Use {arm.method} as it is; run again when the data or the task changes.",
        would_change=changes.of_a_cheap_arm(evidence, arm),
    )


def too_few_rows(evidence: Evidence) -> Verdict | None:
    """Tuned arms were held back because the table is too small to train on."""
    fewest = evidence.thresholds.fewest_rows_to_train
    if evidence.tuned_skipped is None or facts.tuned(evidence) or evidence.rows >= fewest:
        return None
    missing = counted(fewest - evidence.rows, "more row")
    arm = facts.best_so_far(evidence)
    return _verdict(
        evidence,
        rule="too_few_rows",
        decision="more_data",
        arm=arm,
        headline=f"Too few rows to fine-tune: label {missing}.",
        opening="There are too few rows to fine-tune.",
        because=(
            f"The table has {counted(evidence.rows, 'row')}; nothing is fine-tuned below {fewest:,}.",
            f"Until then {arm.method if arm else words.NO_ARM} is the best of the arms that were run.",
        ),
        next_action=f"Label at least {missing} and run again.",
    )


def nothing_learned(evidence: Evidence) -> Verdict | None:
    """No arm is shown to be better than the baseline, though a tuned arm was tried.

    That is no evidence that nothing can be learned: a gain may be hidden by too few rows. Where the intervals
    do rule it out, `cheap_is_enough` has already said that it is not worth it.
    """
    baseline = facts.best(evidence, facts.baselines(evidence))
    others = tuple(arm for arm in evidence.arms if arm.kind != "baseline")
    if baseline is None or not facts.trained(evidence):
        return None
    if any(facts.shown_above_baseline(evidence, arm) for arm in others):
        return None
    smallest = min(facts.p_against_all(evidence, arm, facts.baselines(evidence)) for arm in others)
    return _verdict(
        evidence,
        rule="nothing_learned",
        decision="more_data",
        arm=facts.best_so_far(evidence),
        headline="No arm beats the baseline yet: collect more rows.",
        opening="These rows do not show that any arm learns the task, nor that none does.",
        because=(
            f"No arm is shown to be better than {baseline.method}: the smallest one-sided p is "
            f"{words.p_value(smallest)}, above {evidence.thresholds.alpha:g}.",
            _left_open(evidence, others, baseline),
        ),
        next_action=words.more_rows(evidence, facts.best_so_far(evidence)),
    )


def inconclusive(evidence: Evidence) -> Verdict:
    """Neither a gain nor its absence is shown; or no tuned arm was run and nothing is known of it."""
    arm = facts.best_so_far(evidence)
    name = arm.method if arm else words.NO_ARM
    rival, against = (
        facts.best(evidence, facts.tuned(evidence)),
        facts.best(evidence, facts.untuned(evidence)),
    )
    if rival is None:
        because: tuple[str, ...] = (
            "No tuned arm was run, so these rows say nothing about fine-tuning.",
            untuned.lead(evidence, arm) if arm else "No arm was run.",
            *(untuned.above_chance(evidence, arm) if arm else ()),
        )
        headline = f"No tuned arm was run: use {name} for now." if arm else "Nothing was measured."
        next_action = words.TO_MEASURE_FINE_TUNING[evidence.fine_tuning]
    elif against is None:
        because = ("No untuned arm was run, so there is nothing to compare fine-tuning with.",)
        headline = "Inconclusive: no untuned arm to compare with."
        next_action = "Add majority, tfidf and zero_shot to the arms of the job and run again."
    elif not facts.trained(evidence):
        because = tuple(words.untrained(arm) for arm in facts.tuned(evidence))
        headline = f"Inconclusive: {rival.method} was hardly trained; use {name} for now."
        next_action = "Train it longer or at a higher rate (its default settings do) and run again."
    else:
        because = _unsettled(evidence, rival, against)
        headline = f"Inconclusive: use {name} for now."
        next_action = words.more_rows(evidence, arm)
        if facts.meet_target(evidence, facts.tuned(evidence)):
            headline = f"Use {name}: no arm without tuning is shown to meet the target."
            next_action = f"Use {name}; more rows may show that {against.method} meets the target too."
        elif facts.given_up(evidence):
            headline = f"Stopped early, a gain can hardly be shown: use {name}."
            next_action = words.GIVEN_UP.format(name=name)
    return _verdict(
        evidence,
        rule="inconclusive",
        decision="inconclusive",
        arm=arm,
        headline=headline,
        opening="Whether fine-tuning is worth it is not settled by these rows.",
        because=because,
        next_action=next_action,
    )


RULES: tuple[Callable[[Evidence], Verdict | None], ...] = (
    fix_data,
    target_met_untuned,
    target_out_of_reach,
    fine_tune,
    cheap_is_enough,
    too_few_rows,
    nothing_learned,
)


def _unsettled(evidence: Evidence, best_tuned: Arm, against: Arm) -> tuple[str, ...]:
    """Why neither `fine_tune` nor `cheap_is_enough` fired, for the best arm of either side."""
    thresholds = evidence.thresholds
    margin = words.amount(evidence, facts.margin(evidence))
    _, adjusted = facts.p_of_tuned(evidence)[best_tuned.method]
    tuned = facts.tuned(evidence)
    if adjusted <= thresholds.alpha and not facts.holds_over_seeds(evidence, best_tuned):
        shown = (
            f"{best_tuned.method} beats every untuned arm on the seeds that were run (one-sided p "
            f"{words.p_value(adjusted)} after correction), which is not shown for others: an interval that "
            "covers the draw of seeds reaches zero."
        )
    elif adjusted <= thresholds.alpha:
        shown = (
            f"{best_tuned.method} beats every untuned arm (one-sided p {words.p_value(adjusted)} after "
            f"correction, at or below {thresholds.alpha:g}), but gains less than the {margin} worth having."
        )
    else:
        shown = (
            f"{best_tuned.method} is not shown to beat every untuned arm: one-sided p "
            f"{words.p_value(adjusted)} after correction, above {thresholds.alpha:g}."
        )
    ruled = _left_open(evidence, tuned, against)
    needed = words.rows_needed(evidence)
    return (shown, ruled, needed) if needed else (shown, ruled)


def _left_open(evidence: Evidence, arms: tuple[Arm, ...], against: Arm) -> str:
    """Which gain over an arm is not ruled out; or why the arm is not enough though all gains are."""
    if not all(facts.gain_ruled_out(evidence, rival, against) for rival in arms):
        return words.not_ruled_out(evidence, arms, against)
    margin = words.amount(evidence, facts.margin(evidence))
    met = facts.best(evidence, facts.meet_target(evidence, facts.tuned(evidence)))
    why = f"{against.method} itself is not shown to be better than the baseline"
    if met is not None:
        why = f"{met.method} is shown to meet the target and {against.method} is not"
    closest = words.widest(evidence, arms, against)
    return f"A gain of {margin} over {against.method} is ruled out ({closest}), but {why}."


def _decision_for(arm: Arm) -> Decision:
    """What recommending this untuned arm amounts to."""
    if arm.kind == "baseline":
        return "not_worth_it"
    return "prompt" if arm.kind == "prompt" else "classifier"


def _verdict(
    evidence: Evidence,
    *,
    rule: str,
    decision: Decision,
    arm: Arm | None,
    headline: str,
    opening: str,
    because: tuple[str, ...],
    next_action: str,
    would_change: str = "",
) -> Verdict:
    """Puts a verdict together: a paragraph of three to six sentences, reasons with the standing remarks."""
    paragraph = [opening, *because[:3]]
    if evidence.arms:
        paragraph.insert(1, words.scores(evidence))
    if last := words.straw_man(evidence) or words.resolution(evidence):
        paragraph.append(last)
    reasons = [*because, *(remark for remark in words.remarks(evidence) if remark not in because)]
    return Verdict(
        decision=decision,
        recommended_method=(arm.method if arm else "") or words.NO_ARM,
        headline=headline,
        reasons=tuple(reasons),
        paragraph=" ".join(paragraph),
        next_action=next_action,
        would_change=would_change,
        thresholds=evidence.thresholds,
        rule=rule,
    )
