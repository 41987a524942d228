"""`Estimate`, `Comparison`, `Evidence`, `Verdict`: honest numbers, as types.

No bare float leaves the evaluation: a score is an `Estimate` with its interval, or an interval that is
absent with a reason; a difference is a paired `Comparison`.
"""

import math
from collections.abc import Sequence
from typing import Literal, Self

from pydantic import Field, model_validator

from tuneworthy.core.frozen import Frozen
from tuneworthy.core.learning import LearningCurve
from tuneworthy.core.stopping import Stop
from tuneworthy.core.unit import ArmKind

Decision = Literal[
    "fine_tune", "prompt", "classifier", "more_data", "fix_data", "not_worth_it", "inconclusive"
]

FineTuning = Literal["open", "left_out", "no_weights", "no_time", "failed"]


class Estimate(Frozen):
    """A metric's value for one arm, with a confidence interval.

    `low` and `high` are None when no honest interval exists; `reason` then says why. `n` is the number of
    rows.
    """

    method: str
    metric: str
    split: str = "test"
    label: str | None = None
    value: float
    low: float | None = None
    high: float | None = None
    n: int = Field(gt=0)
    confidence: float = 0.95
    interval: str = ""
    reason: str | None = None

    @model_validator(mode="after")
    def _interval_is_honest(self) -> Self:
        if (self.low is None) != (self.high is None):
            raise ValueError("an interval has two ends or none")
        if self.low is None and not self.reason:
            raise ValueError("an interval that is absent needs a reason")
        if self.low is not None and self.high is not None and self.low >= self.high:
            raise ValueError("a zero-width interval claims certainty; leave it absent with a reason")
        return self


class Comparison(Frozen):
    """`method` minus `against`, paired on the same rows.

    Attributes:
        difference: metric of `method` minus metric of `against`, in the metric's own unit.
        low, high: its confidence interval, or None with a reason.
        p_two_sided: probability of a difference this large in either direction, were there none.
        p_greater: one-sided, in favour of `method`.
        p_adjusted: `p_two_sided` after Holm's correction over the comparisons of this metric.
        wins, losses: rows that only `method` / only `against` has right (0/1 metrics, else None).
        test, interval: how p and interval were computed.
    """

    method: str
    against: str
    metric: str
    difference: float
    low: float | None = None
    high: float | None = None
    confidence: float = 0.95
    p_two_sided: float
    p_greater: float
    p_adjusted: float | None = None
    wins: int | None = None
    losses: int | None = None
    n: int = Field(gt=0)
    test: str
    interval: str = ""
    reason: str | None = None


def holm(p_values: Sequence[float], extra: int = 0) -> list[float]:
    """Holm's (1979) step-down adjusted p values, in the order given.

    `extra` further hypotheses were tested on the same rows before. Their p values are unknown here and are
    taken to be the largest, which is the cautious reading: the k-th smallest of `p_values` is multiplied by
    `len(p_values) + extra - k + 1`.

    Raises:
        ValueError: `extra` is negative.
    """
    if extra < 0:
        raise ValueError(f"a family cannot be enlarged by {extra} hypotheses")
    family = len(p_values) + extra
    adjusted = [1.0] * len(p_values)
    highest = 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=lambda index: p_values[index])):
        highest = max(highest, min(1.0, (family - rank) * p_values[index]))
        adjusted[index] = highest
    return adjusted


class Power(Frozen):
    """The smallest true difference this many rows would find.

    Right-or-wrong rows: for a given rate of `disagreement` between the arms. Rows with a score: for a given
    `spread`, the standard deviation over rows of the difference of the two arms' scores. The other is None.
    """

    n: int
    disagreement: float | None = None
    spread: float | None = None
    minimum_detectable_difference: float | None
    power: float = 0.8
    alpha: float = 0.05
    source: str = "assumed"


class Cost(Frozen):
    """What one arm cost in this run, measured: seconds on this machine, rows and money.

    Money is None where the job names no price; `endpoint` tells whether it is an endpoint's to charge.
    """

    method: str
    fit_s: float
    predict_s: float
    rows_predicted: int
    latency_s: float
    seconds_per_1000: float
    money_per_1000: float | None = None
    peak_memory_gib: float | None = None
    threads: int = 1
    endpoint: bool = False

    def earned_back_after(self, other: "Cost") -> int | None:
        """Predictions after which predicting faster than `other` has saved the core time of fitting this arm.

        None where it predicts no faster, and for endpoints, whose seconds are another machine's. All fits of
        the run count, those of every fold and seed.
        """
        saved = (other.seconds_per_1000 - self.seconds_per_1000) / 1000
        if saved <= 0 or self.endpoint or other.endpoint:
            return None
        return math.ceil(self.fit_s * self.threads / saved)


class Arm(Frozen):
    """One arm as the verdict sees it: its kind, its primary estimate, its cost, what went wrong.

    Attributes:
        by_seed: the primary metric of each seed's answers, whose mean `estimate` is; empty for a single seed.
        unparseable, failed: answers, of all seeds, that count as wrong because nothing could be read, or the
            method broke.
        untrained: why a fine-tuned arm was hardly trained, where it was not: no finding about fine-tuning.
        valid_without_constraint: answers that followed the JSON Schema as first written; the others were
            written again under it. None where answers are held to no schema.
    """

    method: str
    kind: ArmKind
    estimate: Estimate
    by_seed: tuple[float, ...] = ()
    cost: Cost
    unparseable: int = 0
    failed: int = 0
    untrained: str | None = None
    valid_without_constraint: int | None = None

    @property
    def answers(self) -> int:
        """How many answers were given: one to a row by each seed."""
        return self.estimate.n * max(1, len(self.by_seed))


class HardLabel(Frozen):
    """The label that an arm misses far more often than others: `missed` of its `rows` test rows.

    Of an arm that was fitted on several seeds: on average, rounded.
    """

    method: str
    label: str
    missed: int
    rows: int


class Thresholds(Frozen):
    """Every number the verdict compares with; named in the job, printed beside what met or missed it."""

    smallest_gain_worth_having: float = Field(
        0.02,
        ge=0,
        description="a gain below this would not change what you do (in metric points / 100; of an "
        "error, the share of the best constant answer's error; of a metric of your own, in its unit)",
    )
    alpha: float = Field(0.05, gt=0, lt=1, description="one-sided error rate of each claim")
    target_score: float | None = Field(
        None,
        ge=0,
        description="the score you need, or the error you accept; untuned arms that reach it end the run "
        "early",
    )
    fewest_rows_to_train: int = Field(
        50,
        ge=0,
        description="below this many rows nothing is fine-tuned (OpenAI 10/50-100; Pecher et al. 2025)",
    )


class Evidence(Frozen):
    """All that `decide()` may look at.

    Attributes:
        metric: the one that decides.
        error: True when it is an error, the lower the better; False for a score.
        share: True when it lies between 0 and 1 and is read as a percentage.
        whole: what `smallest_gain_worth_having` is a share of: 1 for a score, and for an error that of the
            best constant answer, so that 0.02 means two percent of it.
        ceiling: the score at most that labels allow of which `doubtful_rows` look wrong; None where no check
            can tell, or it is no share of right answers.
        hardest: the label that the best arm misses far more often than others; None where none stands out.
        fine_tuning: "left_out" where the job says so, "no_weights" where an endpoint is the base model,
            "no_time" where the budget was too small, "failed" where every fine-tuned arm broke off.
        left_out: what a budget left out and what that costs in certainty, as sentences.
        stops: fine-tuned arms that a sequential test ended early; all p values of theirs hold over all looks.
    """

    metric: str
    error: bool = False
    share: bool = True
    whole: float = Field(1.0, gt=0)
    fine_tuning: FineTuning = "open"
    arms: tuple[Arm, ...]
    comparisons: tuple[Comparison, ...]
    thresholds: Thresholds
    rows: int
    test_rows: int
    protocol: Literal["holdout", "crossfit"]
    power: tuple[Power, ...] = ()
    blocking: tuple[str, ...] = ()
    past_tuned_arms: int = 0
    tuned_skipped: str | None = None
    rows_to_settle: int | None = None
    curves: tuple[LearningCurve, ...] = ()
    ceiling: float | None = None
    doubtful_rows: int = 0
    hardest: HardLabel | None = None
    left_out: tuple[str, ...] = ()
    stops: tuple[Stop, ...] = ()


class Verdict(Frozen):
    """The decision, the arm to use, and why, in words a manager can read.

    `would_change` says at which number the rule that fired would not; empty where nothing is known of that.
    """

    decision: Decision
    recommended_method: str
    headline: str
    reasons: tuple[str, ...]
    paragraph: str
    next_action: str
    thresholds: Thresholds
    rule: str
    would_change: str = ""
