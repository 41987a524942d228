"""`decide`: every rule, and what no rule may ever do."""

import re

import numpy as np
import pytest

from tuneworthy.core.evidence import Arm, Comparison, Cost, Estimate, Evidence, FineTuning, Power, Thresholds
from tuneworthy.core.stopping import Stop
from tuneworthy.verdict import words
from tuneworthy.verdict.rules import RULES, decide

KINDS = {
    "majority": "baseline",
    "tfidf": "classifier",
    "few_shot": "prompt",
    "lora": "tuned",
    "full": "tuned",
}
SECONDS = {"majority": 0.001, "tfidf": 0.1, "few_shot": 90.0, "lora": 30.0, "full": 31.0}


def arm(name: str, value: float, half: float | None = 0.05, **options) -> Arm:
    ends = {"reason": "too few rows to resample. Really"} if half is None else {}
    if half is not None:
        ends = {"low": value - half, "high": value + half}
    return Arm(
        method=name,
        kind=KINDS[name],
        estimate=Estimate(method=name, metric="accuracy", value=value, n=200, interval="wilson", **ends),
        cost=Cost(
            method=name,
            fit_s=1,
            predict_s=1,
            rows_predicted=200,
            latency_s=0.1,
            seconds_per_1000=SECONDS[name],
        ),
        **options,
    )


def against(method: str, other: str, difference: float, p: float, half: float | None = 0.04) -> Comparison:
    ends = {"reason": "the arms differ on 2 rows"}
    if half is not None:
        ends = {"low": difference - half, "high": difference + half}
    return Comparison(
        method=method,
        against=other,
        metric="accuracy",
        difference=difference,
        p_two_sided=min(1.0, 2 * p),
        p_greater=p,
        n=200,
        test="mcnemar_exact",
        **ends,
    )


def evidence(values: dict[str, float], p: dict[tuple[str, str], float] | None = None, **options) -> Evidence:
    """Every pair is compared; p is 0.001 for a clear gain (5 points) and 0.4 otherwise, unless given."""
    half = options.pop("half", 0.04)
    comparisons = [
        against(one, two, gain, (p or {}).get((one, two), 0.001 if gain >= 0.05 else 0.4), half)
        for one in values
        for two in values
        if one != two and (gain := values[one] - values[two]) is not None
    ]
    arms = options.pop("arms", None) or tuple(arm(name, value) for name, value in values.items())
    options = {"thresholds": Thresholds(), "rows": 200, "test_rows": 200, "protocol": "crossfit", **options}
    return Evidence(metric="accuracy", arms=arms, comparisons=tuple(comparisons), **options)


CLEAR_WIN = {"majority": 0.5, "tfidf": 0.75, "few_shot": 0.72, "lora": 0.85}


def test_an_arm_fitted_on_several_seeds_is_said_to_be_their_mean_and_how_far_they_lie_apart() -> None:
    arms = tuple(arm(name, value) for name, value in CLEAR_WIN.items() if name != "lora")
    seeds = arm("lora", 0.85, by_seed=(0.87, 0.83, 0.85))
    assert (
        ", the mean of 3 seeds (83.0% to 87.0%), and the best"
        in decide(evidence(CLEAR_WIN, arms=(*arms, seeds))).paragraph
    )
    assert "seeds" not in decide(evidence(CLEAR_WIN)).paragraph


@pytest.mark.parametrize(("half", "rule"), [(0.04, "fine_tune"), (0.15, "inconclusive")])
def test_a_win_on_the_seeds_that_were_run_has_to_hold_for_others_too(half: float, rule: str) -> None:
    """p does not know that seeds were drawn; the interval, which does, reaches zero."""
    arms = tuple(arm(name, value) for name, value in CLEAR_WIN.items() if name != "lora")
    seeds = arm("lora", 0.85, by_seed=(0.87, 0.83, 0.85))
    found = decide(evidence(CLEAR_WIN, arms=(*arms, seeds), half=half))
    assert found.rule == rule
    said = " ".join(found.reasons)
    assert ("which cover the draw of seeds, agree" in said) == (rule == "fine_tune")
    assert ("is not shown for others" in said) == (rule == "inconclusive")
    assert decide(evidence(CLEAR_WIN, half=half)).rule == "fine_tune"  # one seed: p alone


def test_answers_of_all_seeds_are_counted_among_all_of_them() -> None:
    arms = tuple(arm(name, value) for name, value in CLEAR_WIN.items() if name != "lora")
    seeds = arm("lora", 0.85, by_seed=(0.87, 0.83, 0.85), unparseable=60)
    assert "60 answers of lora could not be parsed (of 600)" in " ".join(
        decide(evidence(CLEAR_WIN, arms=(*arms, seeds))).reasons
    )


def test_a_target_that_a_tuned_arm_alone_meets_is_what_is_said_where_its_gain_is_ruled_out() -> None:
    values = {"majority": 0.5, "tfidf": 0.905, "lora": 0.908}
    arms = (arm("majority", 0.5), arm("tfidf", 0.905, half=0.006), arm("lora", 0.908, half=0.007))
    thresholds = Thresholds(target_score=0.9)
    found = decide(evidence(values, arms=arms, half=0.012, thresholds=thresholds))
    assert (found.rule, found.recommended_method) == ("inconclusive", "lora")
    assert "is ruled out" in found.paragraph
    assert "but lora is shown to meet the target and tfidf is not" in found.paragraph
    assert "not shown to be better than the baseline" not in found.paragraph
    assert found.headline == "Use lora: no arm without tuning is shown to meet the target."


def test_a_blocking_finding_comes_before_everything_even_before_any_arm_was_run() -> None:
    found = decide(evidence(CLEAR_WIN, blocking=("12 test rows are also in the training rows.",)))
    assert (found.rule, found.decision) == ("fix_data", "fix_data")
    assert "12 test rows" in found.paragraph
    assert decide(evidence({}, blocking=("x",))).recommended_method == "none"


def test_the_cheapest_untuned_arm_that_meets_the_target_wins_even_if_tuning_scores_more() -> None:
    values = {"majority": 0.5, "few_shot": 0.93, "tfidf": 0.91, "lora": 0.99}
    found = decide(evidence(values, thresholds=Thresholds(target_score=0.85)))
    assert (found.rule, found.decision, found.recommended_method) == (
        "target_met_untuned",
        "classifier",
        "tfidf",
    )
    assert "86.0%, at or above the target of 85.0%" in found.reasons[0]


def test_a_target_needs_the_whole_interval_not_the_score() -> None:
    values = {"majority": 0.5, "few_shot": 0.93, "tfidf": 0.88}
    found = decide(evidence(values, thresholds=Thresholds(target_score=0.85)))
    assert (found.decision, found.recommended_method) == ("prompt", "few_shot")
    assert "train_anyway" in found.next_action  # no tuned arm was run
    values = {"majority": 0.5, "few_shot": 0.88, "tfidf": 0.86}
    assert decide(evidence(values, thresholds=Thresholds(target_score=0.85))).rule != "target_met_untuned"


def test_a_target_that_the_baseline_meets_is_not_worth_a_model() -> None:
    values = {"majority": 0.95, "tfidf": 0.96, "lora": 0.97}
    found = decide(evidence(values, thresholds=Thresholds(target_score=0.85)))
    assert (found.rule, found.decision, found.recommended_method) == (
        "target_met_untuned",
        "not_worth_it",
        "majority",
    )


def test_a_target_above_every_interval_asks_for_rows_and_still_says_who_wins() -> None:
    found = decide(evidence(CLEAR_WIN, thresholds=Thresholds(target_score=0.95)))
    assert (found.rule, found.decision, found.recommended_method) == (
        "target_out_of_reach",
        "more_data",
        "lora",
    )
    reasons = " ".join(found.reasons)
    assert "the highest upper end is 90.0% (lora)" in reasons
    assert "lora does beat every untuned arm" in reasons


def test_a_target_out_of_reach_when_nothing_was_learned_is_not_worth_it() -> None:
    values = {"majority": 0.5, "tfidf": 0.51, "lora": 0.52}
    found = decide(evidence(values, thresholds=Thresholds(target_score=0.9)))
    assert (found.rule, found.decision) == ("target_out_of_reach", "not_worth_it")


def test_an_arm_without_an_interval_keeps_the_target_within_reach() -> None:
    arms = (
        *(arm(name, CLEAR_WIN[name]) for name in ("majority", "tfidf", "few_shot")),
        arm("lora", 0.85, None),
    )
    found = decide(evidence(CLEAR_WIN, arms=arms, thresholds=Thresholds(target_score=0.95)))
    assert found.rule == "fine_tune"


def test_without_a_tuned_arm_nothing_is_said_of_what_tuning_would_reach() -> None:
    values = {"majority": 0.5, "tfidf": 0.7}
    found = decide(evidence(values, thresholds=Thresholds(target_score=0.95)))
    assert found.rule == "inconclusive"
    assert any("No arm's interval reaches the target of 95.0%" in reason for reason in found.reasons)


def test_fine_tune_when_every_untuned_arm_is_beaten_by_enough() -> None:
    found = decide(evidence(CLEAR_WIN))
    assert (found.rule, found.decision, found.recommended_method) == ("fine_tune", "fine_tune", "lora")
    assert "10.0 points (95% interval 6.0 to 14.0 points), at least the 2.0 points" in found.paragraph
    assert "at or below 0.05" in found.paragraph


@pytest.mark.parametrize("unbeaten", ["majority", "tfidf", "few_shot"])
def test_never_fine_tune_while_one_untuned_arm_is_not_beaten(unbeaten: str) -> None:
    assert decide(evidence(CLEAR_WIN, p={("lora", unbeaten): 0.06})).decision != "fine_tune"


def test_an_untuned_arm_that_was_not_compared_counts_as_not_beaten() -> None:
    full = evidence(CLEAR_WIN)
    kept = tuple(row for row in full.comparisons if (row.method, row.against) != ("lora", "few_shot"))
    assert decide(full.model_copy(update={"comparisons": kept})).decision != "fine_tune"


def test_a_comparison_on_another_metric_proves_nothing_on_this_one() -> None:
    full = evidence(CLEAR_WIN)
    other = tuple(row.model_copy(update={"metric": "macro_f1"}) for row in full.comparisons)
    assert decide(full.model_copy(update={"comparisons": other})).rule == "nothing_learned"


def test_tuned_arms_share_one_error_rate() -> None:
    values = {**CLEAR_WIN, "full": 0.84}
    weak = {("lora", "tfidf"): 0.03, ("full", "tfidf"): 0.2}
    assert decide(evidence(CLEAR_WIN, p=weak)).decision == "fine_tune"
    assert decide(evidence(values, p=weak)).decision != "fine_tune"


def test_tuned_arms_of_earlier_runs_count_against_this_one() -> None:
    weak = {("lora", "tfidf"): 0.02}
    assert decide(evidence(CLEAR_WIN, p=weak, past_tuned_arms=1)).decision == "fine_tune"
    found = decide(evidence(CLEAR_WIN, p=weak, past_tuned_arms=2))
    assert found.decision == "inconclusive"
    assert any("2 tuned arms were scored on these test rows before" in reason for reason in found.reasons)


def test_the_best_of_several_winners_is_recommended() -> None:
    assert decide(evidence({**CLEAR_WIN, "full": 0.86})).recommended_method == "full"


def test_a_proven_gain_too_small_to_matter_is_no_reason_to_tune() -> None:
    values = {"majority": 0.5, "tfidf": 0.80, "lora": 0.81}
    found = decide(evidence(values, p={("lora", "tfidf"): 0.01}))
    assert found.rule == "inconclusive"
    assert "gains less than the 2.0 points worth having" in found.reasons[0]


def test_a_gain_that_equals_the_threshold_but_for_rounding_meets_it() -> None:
    values = {"majority": 0.5, "tfidf": 0.80, "lora": 0.82}  # 0.82 - 0.80 < 0.02 in floating point
    assert decide(evidence(values, p={("lora", "tfidf"): 0.01})).rule == "fine_tune"


def test_cheap_is_enough_needs_an_interval_that_ends_below_the_gain_worth_having() -> None:
    values = {"majority": 0.5, "few_shot": 0.70, "tfidf": 0.80, "lora": 0.80}
    found = decide(evidence(values, half=0.015))
    assert (found.rule, found.decision, found.recommended_method) == (
        "cheap_is_enough",
        "classifier",
        "tfidf",
    )
    assert "0.0 points (95% interval -1.5 to 1.5 points)" in found.paragraph
    assert "2.0 points worth having" in found.paragraph


@pytest.mark.parametrize("half", [0.02, 0.3, None])
def test_absence_of_significance_is_never_evidence_of_equality(half: float | None) -> None:
    values = {"majority": 0.5, "tfidf": 0.80, "lora": 0.80}
    found = decide(evidence(values, half=half))
    assert (found.rule, found.decision) == ("inconclusive", "inconclusive")


def test_a_tuned_arm_shown_to_be_worse_gains_nothing_even_where_no_interval_can_be_had() -> None:
    values = {"majority": 0.4, "tfidf": 1.0, "lora": 0.0}
    worse = {("lora", "tfidf"): 0.0005, ("tfidf", "majority"): 0.001}
    assert decide(evidence(values, p=worse, half=None)).recommended_method == "tfidf"
    assert decide(evidence(values, p=worse, half=None)).rule == "cheap_is_enough"
    assert decide(evidence(values, p={**worse, ("lora", "tfidf"): 0.2}, half=None)).rule == "inconclusive"


def test_of_an_error_the_lower_is_the_better_all_the_way_to_the_words() -> None:
    values = {"majority": 1.2, "tfidf": 0.9, "lora": 0.5}
    p = {("lora", "tfidf"): 0.001, ("lora", "majority"): 0.001, ("tfidf", "majority"): 0.001}
    found = decide(evidence(values, p=p, error=True, share=False, whole=1.2))
    assert (found.rule, found.recommended_method) == ("fine_tune", "lora")
    assert "Fine-tune: lora beats tfidf by 0.4." in found.headline
    assert "lower is better" in found.paragraph and "%" not in found.paragraph.replace("95%", "").replace(
        "80%", ""
    )
    asked = Thresholds(target_score=0.6)
    met = decide(evidence({"majority": 1.2, "tfidf": 0.5}, error=True, share=False, thresholds=asked))
    assert met.rule == "target_met_untuned" and "ends at 0.55, at or below the target of 0.6" in met.paragraph


def test_cheap_is_enough_only_if_it_holds_against_every_tuned_arm() -> None:
    values = {"majority": 0.5, "tfidf": 0.80, "lora": 0.80, "full": 0.81}
    assert decide(evidence(values, half=0.015)).rule == "inconclusive"


def test_the_best_of_the_cheap_arms_is_recommended_and_the_cheapest_named() -> None:
    values = {"majority": 0.5, "tfidf": 0.801, "few_shot": 0.803, "lora": 0.80}
    found = decide(evidence(values, half=0.015))
    assert (found.decision, found.recommended_method) == ("prompt", "few_shot")
    assert any("cheapest arm that passes the same test is tfidf" in reason for reason in found.reasons)


def test_an_arm_that_looks_at_no_input_is_never_named_as_the_cheaper_one() -> None:
    values = {"majority": 0.80, "tfidf": 0.803, "lora": 0.80}
    clear = {("tfidf", "majority"): 0.001}
    found = decide(evidence(values, p=clear, half=0.015))
    assert (found.rule, found.recommended_method) == ("cheap_is_enough", "tfidf")
    assert not any("cheapest" in reason for reason in found.reasons)


@pytest.mark.parametrize(("seconds", "taken"), [(0.6, "few_shot"), (0.4, "tfidf")])
def test_seconds_within_a_factor_of_two_decide_nothing(seconds: float, taken: str) -> None:
    """Two runs of one job, one of them killed and continued, measure other seconds and say the same."""

    def at(name: str, value: float, seconds: float) -> Arm:
        plain = arm(name, value)
        return plain.model_copy(update={"cost": plain.cost.model_copy(update={"seconds_per_1000": seconds})})

    arms = (at("tfidf", 0.92, seconds), at("few_shot", 0.93, 1.0))
    values = {"tfidf": 0.92, "few_shot": 0.93}
    found = decide(evidence(values, arms=arms, thresholds=Thresholds(target_score=0.85)))
    assert found.recommended_method == taken


def priced(name: str, value: float, money: float | None, endpoint: bool = False) -> Arm:
    plain = arm(name, value)
    cost = plain.cost.model_copy(update={"money_per_1000": money, "endpoint": endpoint})
    return plain.model_copy(update={"cost": cost})


@pytest.mark.parametrize(
    ("prices", "cheapest"),
    [
        ({"tfidf": (None, False), "few_shot": (None, False)}, "tfidf"),  # by seconds
        ({"tfidf": (2.0, False), "few_shot": (0.5, True)}, "few_shot"),
        ({"tfidf": (0.01, False), "few_shot": (None, True)}, "tfidf"),  # what is unknown is not cheap
        ({"tfidf": (None, True), "few_shot": (None, False)}, "few_shot"),
        ({"tfidf": (None, True), "few_shot": (0.5, True)}, "few_shot"),
    ],
)
def test_money_comes_before_seconds(prices: dict[str, tuple[float | None, bool]], cheapest: str) -> None:
    values = {"tfidf": 0.93, "few_shot": 0.93}
    arms = tuple(priced(name, values[name], *prices[name]) for name in values)
    found = decide(evidence(values, arms=arms, thresholds=Thresholds(target_score=0.85)))
    assert found.recommended_method == cheapest
    money = prices[cheapest][0]
    unit = "in your currency per 1,000 rows" if money is not None else "s per 1,000 rows"
    assert unit in found.paragraph


@pytest.mark.parametrize(
    ("fine_tuning", "said"),
    [("open", "Add a tuned arm"), ("left_out", "`tuneworthy run`"), ("no_weights", "a model with weights")],
)
def test_the_way_to_measure_fine_tuning_is_one_that_works(fine_tuning: FineTuning, said: str) -> None:
    found = decide(evidence({"majority": 0.5, "tfidf": 0.8}, fine_tuning=fine_tuning))
    assert (found.rule, said in found.next_action) == ("inconclusive", True)


def test_what_the_rows_can_find_is_said_in_the_metrics_own_unit() -> None:
    blind = Power(n=19, disagreement=0.15, minimum_detectable_difference=None)
    seen = [blind, Power(n=19, disagreement=0.25, minimum_detectable_difference=None)]
    assert words.power(seen, "accuracy", True) == (
        "Power: 19 test rows are too few to show any difference if arms disagree on 25% of rows or fewer."
    )
    seen[1] = Power(n=19, disagreement=0.25, minimum_detectable_difference=0.231)
    assert words.power(seen, "accuracy", True) == (
        "Power: 19 test rows find a true difference of 23.1 points if arms disagree on 25% of rows, "
        "but none if arms disagree on 15% of rows (80% power)."
    )
    error = Power(n=80, spread=1.09, minimum_detectable_difference=0.343, source="observed")
    assert words.power([*seen, error], "mae", False) == (
        "Power: 80 test rows find a true difference in mean absolute error of 0.343 if rows differ by 1.09 "
        "(standard deviation), as the untuned arms do (80% power)."
    )


def test_a_cheap_arm_that_is_no_better_than_the_baseline_is_not_enough_the_baseline_is() -> None:
    values = {"majority": 0.80, "tfidf": 0.803, "lora": 0.80}
    found = decide(evidence(values, half=0.015))
    assert (found.rule, found.decision, found.recommended_method) == (
        "cheap_is_enough",
        "not_worth_it",
        "majority",
    )


def test_too_few_rows_says_how_many_are_missing() -> None:
    values = {"majority": 0.5, "tfidf": 0.7}
    found = decide(evidence(values, rows=38, test_rows=38, tuned_skipped="fewer than 50 rows"))
    assert (found.rule, found.decision, found.recommended_method) == ("too_few_rows", "more_data", "tfidf")
    assert "12 more rows" in found.next_action
    assert any("fewer than 50 rows" in reason for reason in found.reasons)


def test_nothing_learned_asks_for_rows_while_a_gain_is_not_ruled_out() -> None:
    values = {"majority": 0.5, "tfidf": 0.53, "lora": 0.52}
    found = decide(evidence(values, rows_to_settle=1234))
    assert (found.rule, found.decision) == ("nothing_learned", "more_data")
    assert "about 1,100 more rows" in found.next_action
    assert "is not ruled out" in found.paragraph


def test_it_is_not_worth_it_once_every_gain_over_the_baseline_is_ruled_out() -> None:
    values = {"majority": 0.5, "tfidf": 0.503, "lora": 0.503}
    found = decide(evidence(values, half=0.01))
    assert (found.decision, found.recommended_method) == ("not_worth_it", "majority")


def test_a_baseline_is_not_said_to_beat_untuned_arms_whose_gain_is_open() -> None:
    full = evidence({"majority": 0.5, "tfidf": 0.503, "lora": 0.503}, half=0.01)
    wide = tuple(
        row.model_copy(update={"high": 0.06}) if (row.method, row.against) == ("tfidf", "majority") else row
        for row in full.comparisons
    )
    found = decide(full.model_copy(update={"comparisons": wide}))
    assert (found.decision, found.recommended_method) == ("not_worth_it", "majority")
    assert "Without tuning, a gain of 2.0 points is not ruled out: tfidf minus majority" in found.paragraph


def test_inconclusive_names_the_rows_that_would_settle_it() -> None:
    values = {"majority": 0.5, "tfidf": 0.78, "lora": 0.81}
    found = decide(evidence(values, rows_to_settle=847))
    assert (found.rule, found.decision, found.recommended_method) == ("inconclusive", "inconclusive", "lora")
    assert "About 850 test rows would settle a difference this size." in found.paragraph
    assert "about 650 more rows" in found.next_action
    held_out = decide(evidence(values, rows_to_settle=847, protocol="holdout"))
    assert "about 650 more test rows" in held_out.next_action


def test_a_constant_answer_alone_is_said_to_be_no_rival() -> None:
    alone = decide(evidence({"majority": 0.5, "lora": 0.9}))
    assert "no rival here but a constant answer" in alone.paragraph
    assert "no rival" not in decide(evidence({"majority": 0.5, "tfidf": 0.6, "lora": 0.9})).paragraph


def test_more_rows_than_anyone_labels_are_no_advice() -> None:
    values = {"majority": 0.5, "tfidf": 0.78, "lora": 0.81}
    found = decide(evidence(values, rows_to_settle=95_000))
    assert "Label" not in found.next_action
    assert "Use lora: so small a difference would take about 95,000 more rows to settle." in found.next_action


def test_an_unproven_tuned_arm_is_recommended_only_for_a_gain_worth_having() -> None:
    values = {"majority": 0.5, "tfidf": 0.80, "lora": 0.819}
    assert decide(evidence(values)).recommended_method == "tfidf"


def test_without_a_tuned_arm_the_verdict_says_that_nothing_is_known_of_tuning() -> None:
    found = decide(evidence({"majority": 0.5, "tfidf": 0.8, "few_shot": 0.7}))
    assert (found.rule, found.decision, found.recommended_method) == ("inconclusive", "inconclusive", "tfidf")
    assert "No tuned arm was run" in found.reasons[0]
    assert "tfidf has the best score: tfidf minus few_shot is 10.0 points (95% interval" in found.reasons[1]
    assert not any("not shown" in reason for reason in found.reasons)


def test_without_a_tuned_arm_it_is_said_that_the_best_one_may_be_no_better_than_a_constant() -> None:
    found = decide(evidence({"majority": 0.5, "tfidf": 0.53, "few_shot": 0.4}))
    assert found.reasons[2] == "tfidf is not shown to be better than majority: one-sided p 0.400, above 0.05."


def test_low_counts_of_unparseable_and_failed_answers_are_mentioned() -> None:
    arms = (
        arm("majority", 0.5),
        arm("few_shot", 0.7, unparseable=1),
        arm("tfidf", 0.7),
        arm("lora", 0.8, failed=2),
    )
    reasons = " ".join(decide(evidence({row.method: row.estimate.value for row in arms}, arms=arms)).reasons)
    assert "1 answer of few_shot could not be parsed (of 200)" in reasons
    assert "lora failed on 2 rows (of 200)" in reasons


def test_answers_that_were_written_again_under_the_schema_are_mentioned() -> None:
    arms = (
        arm("majority", 0.5),
        arm("few_shot", 0.7, valid_without_constraint=82),
        arm("lora", 0.8, valid_without_constraint=200),
    )
    reasons = " ".join(decide(evidence({row.method: row.estimate.value for row in arms}, arms=arms)).reasons)
    assert "As first written, 41.0% of few_shot's answers followed the JSON Schema" in reasons
    assert "lora's answers" not in reasons


def test_the_rows_resolution_is_printed() -> None:
    power = (
        Power(n=200, disagreement=0.15, minimum_detectable_difference=0.08),
        Power(n=200, disagreement=0.21, minimum_detectable_difference=0.094, source="observed"),
    )
    assert "a true difference of 9.4 points" in decide(evidence(CLEAR_WIN, power=power)).paragraph
    blind = (Power(n=20, disagreement=0.15, minimum_detectable_difference=None),)
    assert "20 rows are too few to show any difference" in decide(evidence(CLEAR_WIN, power=blind)).paragraph


def random_evidence(rng: np.random.Generator) -> Evidence:
    """Any valid evidence: arms and comparisons missing, intervals absent, odd numbers."""

    def chance(p: float) -> bool:
        return bool(rng.random() < p)

    names = [name for name in KINDS if chance(0.75)]
    center = rng.random()
    values = {name: float(np.clip(center + rng.normal(0, rng.choice([0.005, 0.05])), 0, 1)) for name in names}
    if names and chance(0.03):
        values[names[0]] = float(rng.choice([np.nan, np.inf, -1e300]))
    wide = float(rng.choice([0.002, 0.01, 0.05]))
    arms = tuple(
        arm(
            name,
            value,
            wide if np.isfinite(value) and abs(value) < 2 and chance(0.85) else None,
            unparseable=int(rng.integers(3)),
        )
        for name, value in values.items()
    )
    comparisons = tuple(
        against(
            one,
            two,
            values[one] - values[two],
            float(
                rng.choice(
                    [0.0, 1e-4, 0.01, 0.04, 0.05, 0.3, 1.0, np.nan], p=[0.2, 0.3, *[0.1] * 4, 0.05, 0.05]
                )
            ),
            wide if chance(0.85) else None,
        )
        for one in names
        for two in names
        if one != two and chance(0.95)
    )
    return Evidence(
        metric="accuracy",
        arms=arms,
        comparisons=comparisons,
        thresholds=Thresholds(
            target_score=float(rng.random()) if chance(0.3) else None,
            smallest_gain_worth_having=float(rng.choice([0.0, 0.02, 1.0], p=[0.2, 0.7, 0.1])),
            fewest_rows_to_train=int(rng.choice([0, 50])),
        ),
        rows=int(rng.choice([0, 30, 200])),
        test_rows=int(rng.choice([0, 1, 200])),
        protocol="holdout" if chance(0.5) else "crossfit",
        power=(Power(n=200, disagreement=0.15, minimum_detectable_difference=0.08),) * int(chance(0.5)),
        blocking=("A. Finding! Really?", "Another.")[: int(rng.choice([0, 0, 0, 0, 1, 2]))],
        past_tuned_arms=int(rng.choice([0, 0, 3, -2])),
        tuned_skipped="fewer rows than 50." if chance(0.2) else None,
        rows_to_settle=int(rng.choice([1, 847, 99_999])) if chance(0.5) else None,
    )


def test_decide_is_total_well_formed_and_blind_to_order() -> None:
    rng = np.random.default_rng(0)
    fired = {}
    for _ in range(1_200):
        case = random_evidence(rng)
        found = decide(case)
        fired[found.rule, found.decision] = fired.get((found.rule, found.decision), 0) + 1
        known = {row.method for row in case.arms}
        assert found.recommended_method in known or (not known and found.recommended_method == "none")
        assert 1 <= len(found.headline.split()) <= 12
        assert found.reasons and found.next_action.endswith(".")
        assert 3 <= len(re.findall(r"[.!?](?=\s|$)", found.paragraph)) <= 6, found.paragraph
        assert found.thresholds == case.thresholds
        mixed = {
            "arms": tuple(case.arms[index] for index in rng.permutation(len(case.arms))),
            "comparisons": tuple(case.comparisons[index] for index in rng.permutation(len(case.comparisons))),
        }
        if all(np.isfinite(row.estimate.value) for row in case.arms):
            assert decide(case.model_copy(update=mixed)) == found
    assert {rule for rule, _ in fired} == {*(rule.__name__ for rule in RULES), "inconclusive"}
    assert {decision for _, decision in fired} >= {"not_worth_it", "prompt", "classifier", "more_data"}


def test_fine_tune_is_never_said_unless_every_untuned_arm_is_beaten() -> None:
    rng = np.random.default_rng(1)
    said = 0
    for _ in range(1_500):
        case = random_evidence(rng)
        found = decide(case)
        if found.decision != "fine_tune":
            continue
        said += 1
        beaten = {
            row.against
            for row in case.comparisons
            if row.method == found.recommended_method and row.p_greater <= case.thresholds.alpha
        }
        untuned = {row.method for row in case.arms if row.kind != "tuned"}
        assert untuned and untuned <= beaten
    assert said > 20


def test_equality_is_never_claimed_unless_an_interval_or_a_proven_loss_rules_the_gain_out() -> None:
    rng = np.random.default_rng(2)
    said = 0
    for _ in range(1_500):
        case = random_evidence(rng)
        found = decide(case)
        if found.rule != "cheap_is_enough":
            continue
        said += 1
        pairs = {(row.method, row.against): row for row in case.comparisons}
        for row in case.arms:
            if row.kind == "tuned":
                pair = pairs[row.method, found.recommended_method]
                if pair.high is not None:
                    assert pair.high < case.thresholds.smallest_gain_worth_having
                else:
                    assert pair.difference < 0 and pair.p_two_sided <= case.thresholds.alpha
    assert said > 20


def hardly_trained(values: dict[str, float], *names: str) -> Evidence:
    """Evidence in which these arms were hardly trained."""
    arms = tuple(
        arm(name, value, untrained="8 steps are 0.3 passes over its training rows")
        if name in names
        else arm(name, value)
        for name, value in values.items()
    )
    return evidence(values, arms=arms)


def test_an_arm_that_was_hardly_trained_is_no_reason_against_fine_tuning() -> None:
    values = {"majority": 0.5, "tfidf": 0.85, "lora": 0.6}
    assert decide(evidence(values)).rule == "cheap_is_enough"
    found = decide(hardly_trained(values, "lora"))
    assert (found.rule, found.decision, found.recommended_method) == ("inconclusive", "inconclusive", "tfidf")
    assert "lora was hardly trained" in found.headline
    assert "0.3 passes" in found.paragraph


def test_an_arm_that_was_hardly_trained_does_not_undo_what_a_trained_one_shows() -> None:
    found = decide(hardly_trained({"majority": 0.5, "tfidf": 0.85, "lora": 0.6, "full": 0.62}, "lora"))
    assert found.rule == "cheap_is_enough"
    assert any("lora was hardly trained" in reason for reason in found.reasons)


def test_an_arm_that_wins_after_few_steps_wins() -> None:
    assert decide(hardly_trained(CLEAR_WIN, "lora")).decision == "fine_tune"


def test_a_target_out_of_reach_of_an_untrained_arm_asks_for_no_rows() -> None:
    values = {"majority": 0.5, "tfidf": 0.7, "lora": 0.6}
    found = hardly_trained(values, "lora")
    found = found.model_copy(update={"thresholds": Thresholds(target_score=0.95)})
    assert decide(found).rule == "inconclusive"


def test_an_arm_that_was_given_up_is_not_the_advice() -> None:
    stop = Stop(
        method="lora", rows=48, planned=60, looks=4, spent=0.03, alpha=0.05, why="unlikely", chance=0.04
    )
    values = {"majority": 0.5, "tfidf": 0.75, "lora": 0.79}
    found = decide(evidence(values, {("lora", "tfidf"): 0.4}, half=0.2, stops=(stop,)))
    assert (found.rule, found.recommended_method) == ("inconclusive", "tfidf")
    assert found.headline == "Stopped early, a gain can hardly be shown: use tfidf."


def test_arms_measured_on_other_rows_are_ranked_by_what_they_gained_there() -> None:
    """lora met easier rows: 90% there, where tfidf had 89%."""
    easy, whole = arm("lora", 0.9), arm("full", 0.88)
    easy = easy.model_copy(update={"estimate": easy.estimate.model_copy(update={"n": 120})})
    found = evidence(
        {"tfidf": 0.8, "lora": 0.9, "full": 0.88}, arms=(arm("tfidf", 0.8), easy, whole), half=0.02
    )
    paired = [one for one in found.comparisons if (one.method, one.against) != ("lora", "tfidf")]
    paired.append(against("lora", "tfidf", 0.06, 0.001, 0.02))
    found = decide(found.model_copy(update={"comparisons": tuple(paired)}))
    assert (found.decision, found.recommended_method) == ("fine_tune", "full")


def test_a_ceiling_below_a_score_that_was_seen_is_none() -> None:
    found = decide(evidence(CLEAR_WIN, ceiling=0.76, doubtful_rows=48))
    assert found.decision == "fine_tune"
    assert "no model scores above" not in " ".join(found.reasons)
    assert "no model scores above 86.0%" in " ".join(
        decide(evidence({"majority": 0.5, "tfidf": 0.85, "lora": 0.85}, ceiling=0.86)).reasons
    )


def test_rows_are_no_way_to_a_target_that_doubtful_labels_do_not_allow() -> None:
    thresholds = Thresholds(target_score=0.95)
    values = {"majority": 0.5, "tfidf": 0.8, "lora": 0.82}
    found = decide(evidence(values, ceiling=0.9, doubtful_rows=20, thresholds=thresholds))
    assert (found.rule, found.decision) == ("target_out_of_reach", "fix_data")
    assert "20 rows whose label looks wrong" in found.next_action
    assert decide(evidence(values, thresholds=thresholds)).decision == "more_data"


def test_where_a_tuned_arm_alone_meets_the_target_no_other_is_enough() -> None:
    values = {"majority": 0.5, "tfidf": 0.885, "lora": 0.891}
    assert decide(evidence(values, half=0.01)).rule == "cheap_is_enough"
    found = decide(evidence(values, half=0.01, thresholds=Thresholds(target_score=0.84)))
    assert (found.rule, found.recommended_method) == ("inconclusive", "lora")
    assert "met by the whole interval of: lora" in " ".join(found.reasons)


def test_as_many_rows_as_there_are_settle_nothing() -> None:
    values = {"majority": 0.5, "tfidf": 0.75, "lora": 0.76}
    told = [" ".join(decide(evidence(values, rows_to_settle=n)).reasons) for n in (120, 400)]
    assert ["would settle a difference" in one for one in told] == [False, True]


def test_an_error_that_falls_is_told_as_lower() -> None:
    arms = tuple(
        one.model_copy(update={"estimate": one.estimate.model_copy(update={"metric": "accuracy"})})
        for one in (arm("majority", 0.9), arm("tfidf", 0.6), arm("lora", 0.4))
    )
    found = evidence({"majority": 0.9, "tfidf": 0.6, "lora": 0.4}, arms=arms, error=True, share=False)
    lower = [one.model_copy(update={"p_greater": 0.001}) for one in found.comparisons]
    told = decide(found.model_copy(update={"comparisons": tuple(lower)}))
    assert "lower by at least the 0.02 worth having" in " ".join(told.reasons)


def test_where_every_tuned_arm_broke_off_it_is_not_asked_to_add_one() -> None:
    found = decide(
        evidence(
            {"majority": 0.5, "tfidf": 0.75}, fine_tuning="failed", left_out=("lora is left out: it failed.",)
        )
    )
    assert "Add a tuned arm" not in found.next_action
    assert "Mend what made the tuned arms fail" in found.next_action
