"""A judge's preferences, counted: win rate, sign test, position disagreement, agreement with the metric."""

from collections.abc import Mapping, Sequence
from typing import Any

from tuneworthy.core.evidence import Estimate
from tuneworthy.core.example import Example
from tuneworthy.core.judgement import JudgedRow, Preference
from tuneworthy.evaluation.intervals import mean_estimate, wilson
from tuneworthy.evaluation.paired import mcnemar

WORTH: dict[Preference, float] = {"first": 1.0, "tie": 0.5, "second": 0.0}


def counted_preferences(
    judged: Sequence[JudgedRow],
    examples: Mapping[str, Example],
    leads: Mapping[str, float],
    *,
    method: str,
    metric: str,
    confidence: float,
    resamples: int,
    seed: int,
) -> dict[str, Any]:
    """The counted fields of a `Judgement`.

    A tie is half a win. The interval is a bootstrap of rows (of whole groups, where rows share one), absent
    where the resamples do not vary: a judge that only ties gives no information. The sign test leaves ties
    out and takes rows for independent.

    Args:
        judged: rows with both orders' preferences; at least one.
        examples: the rows by id.
        leads: by how much the task's metric puts `method` ahead on each row; 0 where it is level.
        method: whose wins are counted.
        metric: that metric's name.
        confidence, resamples, seed: of the intervals.
    """
    outcomes = {row.id: row.outcome for row in judged}
    wins, losses = (sum(each == side for each in outcomes.values()) for side in ("first", "second"))
    asked = [row for row in judged if not row.identical]
    both = [
        (outcome == "first") == (leads[row_id] > 0)
        for row_id, outcome in outcomes.items()
        if outcome != "tie" and leads[row_id]
    ]
    return {
        "wins": wins,
        "ties": len(outcomes) - wins - losses,
        "losses": losses,
        "win_rate": mean_estimate(
            {row_id: WORTH[outcome] for row_id, outcome in outcomes.items()},
            examples,
            method=method,
            metric="judge_win_rate",
            confidence=confidence,
            resamples=resamples,
            seed=seed,
        ),
        "p_two_sided": mcnemar(wins, losses)[0],
        "position_disagreement": sum(not row.agrees for row in asked) / len(asked) if asked else None,
        "unreadable": sum((row.shown_first is None) + (row.shown_second is None) for row in asked),
        "agreement": _agreement(both, method, metric, confidence) if both else None,
        "agreement_metric": metric,
    }


def _agreement(same: Sequence[bool], method: str, metric: str, confidence: float) -> Estimate:
    interval = wilson(sum(same), len(same), confidence)
    return Estimate(
        method=method,
        metric=f"judge_agreement_with_{metric}",
        value=sum(same) / len(same),
        low=interval.low,
        high=interval.high,
        n=len(same),
        confidence=confidence,
        interval=interval.name,
    )
