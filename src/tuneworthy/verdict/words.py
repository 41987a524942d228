"""The sentences of a verdict: numbers as percent, differences as points, each beside its threshold."""

from collections.abc import Sequence

from tuneworthy.core.counting import about, counted
from tuneworthy.core.evidence import Arm, Comparison, Evidence, FineTuning, Power
from tuneworthy.core.stopping import Stop
from tuneworthy.metrics import title_of
from tuneworthy.verdict import facts

NO_ARM = "none"  # what is recommended when no arm was scored
MOST_GROWTH = 20  # times the test rows there are, beyond which labelling more is no advice (ours)
TOO_MANY_ROWS = (
    "Use {name}: so small a difference would take about {more} more {rows} to settle. A stronger base "
    "model or cleaner labels may change it sooner."
)
GIVEN_UP = (
    "Use {name}. To know how much fine-tuning could gain at most, run again without `sequential`: the rest "
    "of the rows is measured too, and what is done is taken over."
)
NO_ROOM = (
    "Look at the {rows} whose label looks wrong (`tuneworthy check --fix` writes review.csv) and run again; "
    "use {name} until then."
)
OVER_SEEDS = ", and the intervals, which cover the draw of seeds, agree"
TO_MEASURE_FINE_TUNING: dict[FineTuning, str] = {
    "open": "Add a tuned arm, for example lora, to the arms (`--arms`, or `arms` in the job) and run again: "
    "what is done is taken over.",
    "left_out": "Measure fine-tuning as well: `tuneworthy run` on the same rows takes over what is done.",
    "failed": "Mend what made the tuned arms fail and run again: what is done is taken over.",
    "no_time": "Give it a larger budget, or none, and run again: what is done is taken over.",
    "no_weights": "To measure fine-tuning as well, name the endpoint as prompt_model and a model with "
    "weights as base_model.",
}


def percent(share: float) -> str:
    """0.8667 -> "86.7%"."""
    return f"{round(100 * share, 1) + 0.0:.1f}%"


def value(evidence: Evidence, number: float) -> str:
    """A value of the metric: 0.8667 -> "86.7%", or "0.867" of one that is no share."""
    return percent(number) if evidence.share else f"{number:.3g}"


def bare(evidence: Evidence, number: float) -> str:
    """A difference without its unit: 0.063 -> "6.3", or "0.063" of a metric that is no share."""
    return _size(number, evidence.share)


def amount(evidence: Evidence, number: float) -> str:
    """A difference: 0.063 -> "6.3 points", or "0.063" of a metric that is no share."""
    return _with_unit(number, evidence.share)


def _size(number: float, share: bool) -> str:
    return f"{round(100 * number, 1) + 0.0:.1f}" if share else f"{number + 0.0:.3g}"


def _with_unit(number: float, share: bool) -> str:
    return _size(number, share) + (" points" if share else "")


def cost(arm: Arm) -> str:
    """What 1,000 rows cost: in money where the job names prices, else in seconds."""
    money = arm.cost.money_per_1000
    if money is not None:
        return f"{money:.3g} in your currency per 1,000 rows"
    return f"{arm.cost.seconds_per_1000:.3g} s per 1,000 rows"


def p_value(p: float) -> str:
    """ "0.012", and "below 0.001" for less."""
    return "below 0.001" if p < 0.001 else f"{p:.3f}"


def level(confidence: float) -> str:
    """0.95 -> "95%", and "over 99.99%" for more than that, which no rounding may call certain."""
    return f"{round(100 * confidence, 2):.4g}%" if confidence <= 0.9999 else "over 99.99%"


def clause(text: str) -> str:
    """Text from elsewhere, made to fit inside one sentence."""
    return text.strip().rstrip(".!?").replace(". ", "; ").replace("! ", "; ").replace("? ", "; ")


def score(evidence: Evidence, arm: Arm) -> str:
    """ "86.7% (95% interval 80.1% to 91.3%)"."""
    estimate = arm.estimate
    fewer = f" on {estimate.n:,} of them" if estimate.n < evidence.test_rows else ""
    if estimate.low is None or estimate.high is None:
        reason = clause(estimate.reason or "none was computed")
        return f"{value(evidence, estimate.value)}{fewer} (no interval: {reason})"
    ends = f"{value(evidence, estimate.low)} to {value(evidence, estimate.high)}"
    return f"{value(evidence, estimate.value)}{fewer} ({level(estimate.confidence)} interval {ends})"


def seeds(evidence: Evidence, arm: Arm) -> str:
    """ ", the mean of 3 seeds (79.7% to 81.7%)" of an arm that was fitted on several."""
    if not arm.by_seed:
        return ""
    ends = f"{value(evidence, min(arm.by_seed))} to {value(evidence, max(arm.by_seed))}"
    return f", the mean of {len(arm.by_seed)} seeds ({ends})"


def gap(evidence: Evidence, found: Comparison | None, method: str, against: str) -> str:
    """ "lora minus tfidf is 6.3 points (95% interval 1.2 to 11.4 points)"."""
    if found is None:
        return f"{method} minus {against} was not compared"
    head = f"{method} minus {against} is {amount(evidence, found.difference)}"
    if found.low is None or found.high is None:
        return f"{head} (no interval: {clause(found.reason or 'none was computed')})"
    ends = f"{bare(evidence, found.low)} to {amount(evidence, found.high)}"
    return f"{head} ({level(found.confidence)} interval {ends})"


def scores(evidence: Evidence) -> str:
    """One sentence: the best tuned and the best untuned arm, with their intervals."""
    plain = facts.best(evidence, facts.untuned(evidence))
    trained = facts.best(evidence, facts.tuned(evidence))
    mean, found = "", []
    if trained is not None:
        mean = seeds(evidence, trained)
        found.append(f"the best tuned arm, {trained.method}, scores {score(evidence, trained)}{mean}")
    if plain is not None:
        found.append(f"the best untuned arm, {plain.method}, scores {score(evidence, plain)}")
    if not found:
        return "No arm was scored."
    lower = ", lower is better" if evidence.error else ""
    head = f"On {counted(evidence.test_rows, 'test row')} ({title_of(evidence.metric)}{lower}) "
    return head + (", and " if mean else " and ").join(found) + "."


def reach(evidence: Evidence) -> str | None:
    """One sentence on the target score, or None when the job names none."""
    target = evidence.thresholds.target_score
    if target is None or not evidence.arms:
        return None
    met = facts.meet_target(evidence, evidence.arms)
    shown = value(evidence, target)
    if met:
        ends = [(arm, facts.cautious_end(evidence, arm) or 0.0) for arm in _by_name(met)]
        side = "up to" if evidence.error else "from"
        starts = ", ".join(f"{arm.method} {side} {value(evidence, end)}" for arm, end in ends)
        return f"The target of {shown} is met by the whole interval of: {starts}."
    if facts.target_out_of_reach(evidence):
        reached = [(facts.hopeful_end(evidence, arm) or 0.0, arm.method) for arm in evidence.arms]
        end, top = max(reached, key=lambda item: (facts.goodness(evidence, item[0]), item[1]))
        side = "lowest lower" if evidence.error else "highest upper"
        return (
            f"No arm's interval reaches the target of {shown}: "
            f"the {side} end is {value(evidence, end)} ({top})."
        )
    return f"The target of {shown} is neither met by a whole interval nor ruled out for every arm."


def resolution(evidence: Evidence) -> str | None:
    """One sentence on what these rows can find, or None when power was not computed."""
    if not evidence.power:
        return None
    row = next((row for row in evidence.power if row.source == "observed"), evidence.power[0])
    rate = (
        f"when the arms disagree on {percent(row.disagreement)} of the rows"
        if row.disagreement is not None
        else "when the arms' scores differ by a standard deviation of "
        f"{amount(evidence, row.spread or 0)} a row"
    )
    found = row.minimum_detectable_difference
    if found is None:
        return f"{counted(row.n, 'row')} are too few to show any difference {rate}."
    return (
        f"With {counted(row.n, 'row')} a true difference of {amount(evidence, found)} is found "
        f"{row.power:.0%} of the time {rate}, a smaller one less often."
    )


def power(table: Sequence[Power], metric: str, share: bool, grouped: bool = False) -> str:
    """One sentence while a run goes on: what its test rows can find, as seen, else as assumed.

    What was seen counts that rows of one group are alike; what is assumed does not.

    "19 test rows are too few to show any difference if arms disagree on 25% of rows or fewer."
    """
    observed = [row for row in table if row.source == "observed"]
    rows = observed or table
    found = [
        f"of {_with_unit(row.minimum_detectable_difference, share)} if {_rate(row, share)}"
        for row in rows
        if row.minimum_detectable_difference is not None
    ]
    blind = [row for row in rows if row.minimum_detectable_difference is None]
    seen = ", as the untuned arms do" if observed else ""
    head = f"Power: {counted(rows[0].n, 'test row')}"
    if not found:
        fewer = "" if observed else " or fewer"
        return f"{head} are too few to show any difference if {_rate(blind[-1], share)}{fewer}{seen}."
    unit = "" if share else f" in {title_of(metric)}"
    none = "".join(f", but none if {_rate(row, share)}" for row in blind)
    if grouped and not observed:
        seen = ", and if rows of a group are no more alike than others"
    return f"{head} find a true difference{unit} {', '.join(found)}{none}{seen} ({rows[0].power:.0%} power)."


def fewer_rows(method: str, fewer: Sequence[Power], every: Sequence[Power], share: bool) -> str:
    """One sentence: what it costs in certainty that an arm was measured on a part of the rows.

    "lora is measured on 180 of 300 rows: they find a true difference of 8.4 points 80% of the time if arms
    disagree on 15% of rows, all of them find 6.4 points."
    """
    pairs = zip(fewer, every, strict=True)
    found, whole = next((pair for pair in pairs if pair[0].source == "observed"), (fewer[0], every[0]))

    head = f"{method} is measured on {found.n:,} of {whole.n:,} rows"
    rate, small, large = (
        _rate(found, share),
        found.minimum_detectable_difference,
        whole.minimum_detectable_difference,
    )
    if large is None:
        return f"{head}; neither these nor all of them can show a difference if {rate}."
    all_of_them = f"all of them find {_with_unit(large, share)}"
    if small is None:
        return (
            f"{head}, too few to show any difference if {rate}; {all_of_them} {found.power:.0%} of the time."
        )
    return (
        f"{head}: they find a true difference of {_with_unit(small, share)} {found.power:.0%} of the time if "
        f"{rate}, {all_of_them}."
    )


def no_final_fit(method: str, fold: int | None, learned: int, rows: int) -> str:
    """One sentence: which fit of an arm is used, since the budget has left no time for one on all rows."""
    which = "its measured fit" if fold is None else f"its fit of fold {fold + 1}"
    return (
        f"The budget left no time to fit {method} on all rows: `tuneworthy predict` uses {which}, which has "
        f"learned from {learned:,} of {rows:,}; with a larger budget a run takes over what is done."
    )


def stopped(stop: Stop) -> str:
    """One sentence: after how many rows an arm was stopped, why, and at which error rate."""
    why = {
        "shown": "that it beats every untuned arm is shown (gains on which a run stops are a little high on "
        "average)",
        "another_shown": "another fine-tuned arm is shown to beat every untuned one",
        "out_of_reach": "even with all other rows right it would not be shown to beat every untuned arm",
        "unlikely": f"even if it were as good as can be hoped, the chance to show in the end that it beats "
        f"every untuned arm is {stop.chance or 0:.0%}",
    }[stop.why]
    return (
        f"{stop.method} was stopped after {stop.rows:,} of {stop.planned:,} rows, at look {stop.looks}: "
        f"{why}; {percent(stop.spent)} of the error rate of {percent(stop.alpha)} was spent by then, and "
        "p values and intervals hold over all looks."
    )


def _rate(row: Power, share: bool) -> str:
    if row.disagreement is not None:
        return f"arms disagree on {row.disagreement:.0%} of rows"
    return f"rows differ by {_with_unit(row.spread or 0.0, share)} (standard deviation)"


def rows_needed(evidence: Evidence) -> str | None:
    """One sentence on how many rows would settle the difference seen, or None when that is not known."""
    if evidence.rows_to_settle is None or evidence.rows_to_settle <= evidence.test_rows:
        return None
    return f"About {about(evidence.rows_to_settle)} test rows would settle a difference this size."


def more_rows(evidence: Evidence, arm: Arm | None) -> str:
    """How many rows to label next, as far as that is known, and what to use until then."""
    name = arm.method if arm else NO_ARM
    if facts.no_room(evidence):
        return NO_ROOM.format(name=name, rows=counted(evidence.doubtful_rows, "row"))
    needed = evidence.rows_to_settle
    if needed is not None and needed <= evidence.test_rows and facts.cut_short(evidence):
        return (
            f"Use {name} for now; a run with a larger budget measures the rest of the rows, which may settle "
            "it (what is done is taken over)."
        )
    if needed is None or needed <= evidence.test_rows:
        return f"Use {name} for now; label more rows and run again if a small gain matters to you."
    rows = "rows" if evidence.protocol == "crossfit" else "test rows"
    more = about(needed - evidence.test_rows)
    if needed > MOST_GROWTH * evidence.test_rows:
        return TOO_MANY_ROWS.format(name=name, more=more, rows=rows)
    return f"Label about {more} more {rows}{hardest(evidence)} and run again; use {name} until then."


def hardest(evidence: Evidence) -> str:
    """Of which label to collect rows first, as a clause; empty where no label stands out."""
    found = evidence.hardest
    if found is None:
        return ""
    return f", of '{found.label}' first ({found.method} misses {found.missed} of its {found.rows:,}),"


def widest(evidence: Evidence, arms: tuple[Arm, ...], against: Arm) -> str:
    """The gap, in words, of the arm whose interval over `against` reaches highest."""
    rival = max(arms, key=lambda arm: (facts.most_gained(evidence, arm, against), arm.method))
    found = facts.comparison(evidence, rival.method, against.method)
    return gap(evidence, found, rival.method, against.method)


def not_ruled_out(evidence: Evidence, arms: tuple[Arm, ...], against: Arm, lower: bool = False) -> str:
    """One sentence: the gain worth having that an interval leaves open, or that lacks an interval."""
    margin = amount(evidence, facts.margin(evidence))
    article = "a" if lower else "A"
    return f"{article} gain of {margin} is not ruled out: {widest(evidence, arms, against)}."


def remarks(evidence: Evidence) -> tuple[str, ...]:
    """What a reader has to know whichever rule fired."""
    found = [reach(evidence), straw_man(evidence), *map(stopped, evidence.stops), *evidence.left_out]
    if evidence.tuned_skipped:
        found.append(f"Tuned arms were not run: {clause(evidence.tuned_skipped)}.")
    if evidence.past_tuned_arms > 0:
        earlier = counted(evidence.past_tuned_arms, "tuned arm was", "tuned arms were")
        found.append(f"{earlier} scored on these test rows before; the correction counts them.")
    for arm in _by_name(evidence.arms):
        if arm.untrained is not None:
            found.append(untrained(arm))
        if arm.unparseable > 0:
            found.append(
                f"{counted(arm.unparseable, 'answer')} of {arm.method} could not be parsed "
                f"(of {arm.answers:,}); they count as wrong."
            )
        if arm.failed > 0:
            found.append(
                f"{arm.method} failed on {counted(arm.failed, 'row')} (of {arm.answers:,}); "
                "they count as wrong."
            )
        free = arm.valid_without_constraint
        if free is not None and free < arm.answers:
            found.append(
                f"As first written, {percent(free / arm.answers)} of {arm.method}'s answers followed the "
                "JSON Schema; the others were written again under it."
            )
    found += [ceiling(evidence), growth(evidence), resolution(evidence)]
    return tuple(sentence for sentence in found if sentence)


def untrained(arm: Arm) -> str:
    """One sentence: what a fine-tuned arm that was hardly trained does not show."""
    return f"{arm.method} was hardly trained, so its score says little of fine-tuning: {arm.untrained}."


def ceiling(evidence: Evidence) -> str | None:
    """One sentence: what labels that look wrong allow at most, where a target or a gain would be above it."""
    most = facts.ceiling(evidence)
    if most is None:
        return None
    head = (
        f"{counted(evidence.doubtful_rows, 'label looks', 'labels look')} wrong; if all are, no model scores "
        f"above {percent(most)}"
    )
    if facts.target_above_ceiling(evidence):
        return f"{head}, which is below the target of {percent(evidence.thresholds.target_score or 0.0)}."
    if facts.no_room(evidence):
        return f"{head}, which leaves no room for a gain of {amount(evidence, facts.margin(evidence))}."
    return None


def growth(evidence: Evidence) -> str | None:
    """One sentence: what the learning curve of the best arm that has one foresees at twice the rows."""
    curves = {curve.method: curve.growth for curve in evidence.curves if curve.growth is not None}
    arm = facts.best(evidence, (arm for arm in evidence.arms if arm.method in curves))
    found = arm and curves[arm.method]
    if not found or arm is None:
        return None
    gain, *ends = (facts.goodness(evidence, end) for end in (found.gain, found.low, found.high))
    between = f"{bare(evidence, min(ends))} to {amount(evidence, max(ends))}"
    brings = f"lower the error of {arm.method} by" if evidence.error else f"bring {arm.method}"
    return (
        f"Twice the rows ({found.more_rows:,}) would {brings} about {amount(evidence, gain)} "
        f"({found.confidence:.0%} interval {between}), by its learning curve."
    )


def straw_man(evidence: Evidence) -> str:
    """That fine-tuning had no rival but a constant answer, which shows little; empty where it had one."""
    kinds = {arm.kind for arm in evidence.arms}
    if "tuned" not in kinds or kinds & {"classifier", "prompt"}:
        return ""
    return (
        "Fine-tuning had no rival here but a constant answer: add a classifier (tfidf, probe) and a prompt "
        "(few_shot) to the arms before you decide."
    )


def _by_name(arms: tuple[Arm, ...]) -> list[Arm]:
    return sorted(arms, key=lambda arm: arm.method)
