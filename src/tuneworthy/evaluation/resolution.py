"""What the test rows can resolve: the power of so many, and how many would settle a difference seen."""

from collections.abc import Sequence
from math import ceil

import numpy as np

from tuneworthy.core.evidence import Power
from tuneworthy.core.example import Example
from tuneworthy.core.prediction import Prediction
from tuneworthy.evaluation.assemble import (
    ArmOutput,
    Scores,
    differences,
    disagreement,
    on_shared_rows,
    spread,
)
from tuneworthy.evaluation.power import power_table, rows_to_settle, rows_to_settle_means, spread_table
from tuneworthy.evaluation.rows import rows_of
from tuneworthy.metrics import ByLabel, Metric, OfProbabilities, is_error
from tuneworthy.metrics._numbers import Agreement
from tuneworthy.metrics._own import OwnMetric
from tuneworthy.metrics._traits import MeanOverRows
from tuneworthy.tasks import Task


def whole_of(metric: Metric, task: Task, rows: Sequence[Example]) -> float:
    """What a gain is a share of: 1 for a score, for an error of numbers that of the best constant answer."""
    if not is_error(metric) or task.name != "regression":
        return 1.0
    targets = [str(row.target) for row in rows]
    constant = sorted(targets, key=float)[len(targets) // 2]
    answers = [Prediction(example_id=row.id, value=constant) for row in rows]
    parts = metric.parts(answers, targets, task.labels(rows))
    return float(metric.value(parts.sum(0))) or 1.0


def power_of(
    metric: Metric,
    rows: int,
    truth: dict[str, Example] | None = None,
    pair: tuple[ArmOutput, ArmOutput] | None = None,
    whole: float = 1.0,
) -> tuple[Power, ...]:
    """What this many test rows can find: assumed, and as two arms were seen to differ.

    Of a log-loss and of a metric of the user's own, whose size nobody knows, nothing is assumed; of a metric
    that no single row has, such as a correlation, nothing is known at all.
    """
    if not (_counts(metric) or _has_row_scores(metric)):
        return ()
    seen, effective = None, rows
    if truth is not None and pair is not None:
        a, b = pair[0].predictions, pair[1].predictions
        seen = disagreement(a, b, truth) if _counts(metric) else spread(metric, a, b, truth)
        effective = max(1, round(rows / _alike(metric, a, b, truth)))
    if _counts(metric):
        found = power_table(effective, seen)
    else:
        sized = metric.open and not isinstance(metric, OwnMetric)
        found = spread_table(effective, seen, whole if sized else None)
    return tuple(row.model_copy(update={"n": rows}) for row in found)


def rows_to_settle_difference(
    metric: Metric, scores: Scores, outputs: Sequence[ArmOutput], truth: dict[str, Example]
) -> int | None:
    """Test rows that would settle a difference as large as the observed one, as much as the arms differ."""
    tuned, untuned = scores.best("tuned"), scores.best("baseline", "classifier", "prompt")
    if tuned is None or untuned is None:
        return None
    by_method = {output.method: output for output in outputs}
    shared = on_shared_rows(by_method[tuned.method], by_method[untuned.method])
    pair = shared[0].predictions, shared[1].predictions
    difference = next(
        found.difference
        for found in scores.comparisons
        if (found.method, found.against, found.metric) == (tuned.method, untuned.method, metric.name)
    )
    needed = None
    if _counts(metric):
        rate = disagreement(*pair, truth)
        needed = rows_to_settle(difference, rate) if rate else None
    elif _has_row_scores(metric):
        needed = rows_to_settle_means(difference, spread(metric, *pair, truth))
    return None if needed is None else ceil(needed * _alike(metric, *pair, truth))


def _alike(
    metric: Metric, a: Sequence[Prediction], b: Sequence[Prediction], truth: dict[str, Example]
) -> float:
    """How many rows that share groups tell as much as one that shares none: the design effect (Kish 1965).

    The variance of the mean difference of two arms with whole groups as units, over the one of independent
    rows; at least 1, and 1 where no row shares a group.
    """
    rows = rows_of([truth[prediction.example_id] for prediction in a])
    if not rows.grouped:
        return 1.0
    scores = dict(zip((one.example_id for one in a), differences(metric, a, b, truth), strict=True))
    away = np.array([scores[row_id] for row_id in rows.ids])[:, None]
    away = away - away.mean()
    alone = float((away**2).sum())
    return max(1.0, float((rows.by_unit(away) ** 2).sum()) / alone) if alone else 1.0


def _counts(metric: Metric) -> bool:
    """Whether rows are right or wrong, and the metric is the share of right ones, or its mean over labels.

    What holds of the share all but holds of macro-F1, by simulation; it does not of Matthews' correlation,
    which is twice as wide on two labels, and an area under the ROC curve counts no answers.
    """
    return (
        not metric.open
        and not isinstance(metric, OwnMetric | OfProbabilities)
        and (metric.binary or isinstance(metric, ByLabel))
    )


def _has_row_scores(metric: Metric) -> bool:
    """Whether each row has a score, whose spread decides what can be found."""
    return isinstance(metric, MeanOverRows) or (metric.open and not isinstance(metric, Agreement))
