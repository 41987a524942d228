"""What a verdict says would change it, would."""

import re

import pytest
from scipy.stats import binom
from test_decide import CLEAR_WIN, KINDS, against, evidence

from tuneworthy.core.evidence import Comparison, Evidence, HardLabel, Thresholds
from tuneworthy.verdict.rules import decide


def counted(wins: int, losses: int, other: str) -> Comparison:
    base = against("lora", other, (wins - losses) / 200, 0.001)
    return base.model_copy(update={"wins": wins, "losses": losses, "test": "mcnemar_exact"})


def win(wins: int, losses: int) -> Evidence:
    found = evidence(CLEAR_WIN)
    others = tuple(c for c in found.comparisons if c.method != "lora")
    against_all = tuple(counted(wins, losses, other) for other in KINDS if other not in ("lora", "full"))
    return found.model_copy(update={"comparisons": (*others, *against_all)})


def test_a_win_says_how_few_rows_it_hangs_on() -> None:
    # 20 to 6 has p 0.0047; 18 to 8 has 0.038; 17 to 9 has 0.084.
    assert "if 3 more rows that lora has right" in decide(win(20, 6)).would_change
    assert "if 1 more row that lora has right" in decide(win(18, 8)).would_change


def flipped(rows: int, wins: int, losses: int, p_of_full: float | None = None) -> Evidence:
    """lora and tfidf on so many rows, as McNemar has them; `full` beside, with a p value of its own."""
    values = {"tfidf": 0.5, "lora": 0.5 + (wins - losses) / rows}
    p = {("lora", "tfidf"): float(binom.sf(wins - 1, wins + losses, 0.5))}
    if p_of_full is not None:
        values, p = {**values, "full": 0.51}, {**p, ("full", "tfidf"): p_of_full}
    found = evidence(values, p)
    arms = tuple(
        one.model_copy(update={"estimate": one.estimate.model_copy(update={"n": rows})}) for one in found.arms
    )
    counted = tuple(
        one.model_copy(update={"wins": wins, "losses": losses}) if one.method == "lora" else one
        for one in found.comparisons
    )
    return found.model_copy(update={"arms": arms, "comparisons": counted})


@pytest.mark.parametrize(
    ("rows", "wins", "losses", "p_of_full"),
    [(200, 20, 6, None), (3000, 150, 80, None), (200, 30, 10, 0.2), (200, 24, 8, 0.02)],
)
def test_as_many_rows_as_it_says_and_no_fewer_end_a_win(
    rows: int, wins: int, losses: int, p_of_full: float | None
) -> None:
    told = decide(flipped(rows, wins, losses, p_of_full))
    said = re.search(r"if (\d+) more row", told.would_change)
    assert told.rule == "fine_tune" and said is not None
    fragile = int(said[1])
    assert decide(flipped(rows, wins - fragile + 1, losses + fragile - 1, p_of_full)).rule == "fine_tune"
    assert decide(flipped(rows, wins - fragile, losses + fragile, p_of_full)).rule != "fine_tune"


def test_a_cheap_arm_names_the_gain_that_would_open_the_question_again() -> None:
    found = evidence({"majority": 0.5, "tfidf": 0.85, "lora": 0.82})
    told = decide(found)
    assert (told.rule, told.would_change) == (
        "cheap_is_enough",
        "It would be open again if a gain of 1.0 points or less were worth having.",
    )
    again = found.model_copy(update={"thresholds": Thresholds(smallest_gain_worth_having=0.0099)})
    assert decide(again).rule == "inconclusive"


def test_a_met_target_names_the_target_up_to_which_it_holds() -> None:
    values = {"majority": 0.5, "tfidf": 0.91}
    told = decide(evidence(values, thresholds=Thresholds(target_score=0.8)))
    assert told.would_change == "The same is true of any target up to 86.0%."
    assert decide(evidence(values, thresholds=Thresholds(target_score=0.86))).rule == "target_met_untuned"
    assert decide(evidence(values, thresholds=Thresholds(target_score=0.87))).rule != "target_met_untuned"


def test_labels_that_look_wrong_leave_no_room_for_more_rows() -> None:
    values = {"majority": 0.5, "tfidf": 0.92, "lora": 0.93}
    told = decide(evidence(values, rows_to_settle=900, ceiling=0.93, doubtful_rows=14))
    assert told.rule == "inconclusive"
    assert "the 14 rows whose label looks wrong" in told.next_action
    assert any("leaves no room for a gain of 2.0 points" in reason for reason in told.reasons)
    open_ = decide(evidence(values, rows_to_settle=900, ceiling=0.97, doubtful_rows=6))
    assert "Label about" in open_.next_action
    assert not any("look wrong" in reason for reason in open_.reasons)


def test_a_target_above_what_the_labels_allow_is_said() -> None:
    values = {"majority": 0.5, "tfidf": 0.8, "lora": 0.82}
    told = decide(evidence(values, thresholds=Thresholds(target_score=0.95), ceiling=0.93, doubtful_rows=14))
    assert any("below the target of 95.0%" in reason for reason in told.reasons)


def test_the_advice_to_label_more_names_the_label_that_is_missed_most() -> None:
    values = {"majority": 0.5, "tfidf": 0.8, "lora": 0.82}
    hard = HardLabel(method="lora", label="refund", missed=12, rows=20)
    told = decide(evidence(values, rows_to_settle=900, hardest=hard)).next_action
    assert told.startswith("Label about 700 more rows, of 'refund' first (lora misses 12 of its 20), and run")
    assert "first" not in decide(evidence(values, rows_to_settle=900)).next_action
