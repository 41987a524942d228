"""What the test rows can resolve: the power of so many, and how many would settle a difference seen."""

from collections.abc import Sequence

from tuneworthy.core.evidence import Power
from tuneworthy.core.example import Example
from tuneworthy.core.prediction import Prediction
from tuneworthy.evaluation.assemble import ArmOutput, Scores, disagreement, on_shared_rows, spread
from tuneworthy.evaluation.power import power_table, rows_to_settle, rows_to_settle_means, spread_table
from tuneworthy.metrics import Metric, is_error
from tuneworthy.metrics._own import OwnMetric
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

    Of a metric of the user's own, whose size nobody knows, nothing is assumed.
    """
    seen = None
    if truth is not None and pair is not None:
        a, b = pair[0].predictions, pair[1].predictions
        seen = spread(metric, a, b, truth) if _by_spread(metric) else disagreement(a, b, truth)
    if not _by_spread(metric):
        return power_table(rows, seen)
    return spread_table(rows, seen, None if isinstance(metric, OwnMetric) else whole)


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
    if _by_spread(metric):
        return rows_to_settle_means(difference, spread(metric, *pair, truth))
    rate = disagreement(*pair, truth)
    return rows_to_settle(difference, rate) if rate else None


def _by_spread(metric: Metric) -> bool:
    """Whether rows have scores, whose spread decides what can be found, and are not right or wrong."""
    return metric.open or isinstance(metric, OwnMetric)
