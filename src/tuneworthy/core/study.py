"""`Study` and `Trial`: a search over the settings of an arm, and one setting that it tried."""

from typing import Any

from tuneworthy.core.frozen import Frozen


class Trial(Frozen):
    """One setting that was tried.

    Attributes:
        number: 0 is what the arm would have had anyway.
        values: the parameters tried.
        score: on validation rows, the higher the better; None where the fit failed.
        log_loss: of the right answers there, in nats; None where the arm gives no probabilities.
        error: standard error of the score.
        share: of its steps that it was trained for.
        failed: why there is no score.
    """

    number: int
    values: dict[str, Any]
    score: float | None = None
    log_loss: float | None = None
    error: float = 0.0
    share: float = 0.0
    failed: str | None = None

    @property
    def rank(self) -> tuple[float, float]:
        """What trials are ordered by: the score, then the log-loss."""
        score = float("-inf") if self.score is None else self.score
        return score, -(self.log_loss if self.log_loss is not None else float("inf"))


class Study(Frozen):
    """The trials of one arm in one fold, and what came of them.

    Attributes:
        method, fold: whose settings.
        parameters: the names that were searched.
        metric: that trials are ordered by, negative for an error.
        validation_rows: how many rows judged them.
        trials: in the order they were proposed.
        chosen: number of the trial whose settings the arm has from now on.
        because: the sentence that says why.
        fits: training steps of the search over those of one default fit; None for arms that train nothing.
        importance: share of the variation of the first rung's scores that each parameter explains.
    """

    method: str
    fold: int | None
    parameters: tuple[str, ...]
    metric: str
    validation_rows: int
    trials: tuple[Trial, ...]
    chosen: int
    because: str
    fits: float | None
    importance: dict[str, float]
