"""`LearningCurve`: what an arm scored on fewer training rows, and what more of them would buy."""

from typing import Self

from pydantic import Field, model_validator

from tuneworthy.core.frozen import Frozen


class CurvePoint(Frozen):
    """The mean score of an arm's fits on so many training rows, with its interval where there is one."""

    rows: int = Field(gt=0)
    value: float
    low: float | None = None
    high: float | None = None
    fits: int = Field(1, gt=0)


class Growth(Frozen):
    """What the curve says of more rows: the change of the metric from `rows` to `more_rows`.

    `gain` is in the metric's own unit, negative for an error that falls; `low` and `high` are its interval.
    """

    rows: int
    more_rows: int
    gain: float
    low: float
    high: float
    confidence: float = 0.95


class LearningCurve(Frozen):
    """Points by ascending rows, a power law through them, and what it foresees, or why it does not.

    Attributes:
        method, metric: of which arm, by which metric.
        points: measured, all on the same test rows.
        top, loss, exponent: the curve top - loss x (rows / unit) ^ -exponent; of an error with its sign
            turned. None without `growth`.
        growth: at twice the rows; None where `reason` says why nothing is foreseen.
    """

    method: str
    metric: str
    points: tuple[CurvePoint, ...]
    top: float | None = None
    loss: float | None = None
    exponent: float | None = None
    unit: float | None = None
    growth: Growth | None = None
    reason: str | None = None

    @model_validator(mode="after")
    def _silence_has_a_reason(self) -> Self:
        if (self.growth is None) == (self.reason is None):
            raise ValueError("a curve foresees something or says why it does not")
        return self
