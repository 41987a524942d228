"""What the test rows can resolve: the power of so many, and how many would settle a difference seen."""

from collections.abc import Sequence

from tuneworthy.core.evidence import Power
from tuneworthy.core.example import Example
from tuneworthy.evaluation.assemble import ArmOutput, Scores, disagreement, spread
from tuneworthy.evaluation.power import power_table, rows_to_settle, rows_to_settle_means, spread_table
from tuneworthy.metrics import Metric


def power_of(
    metric: Metric,
    rows: int,
    truth: dict[str, Example] | None = None,
    pair: tuple[ArmOutput, ArmOutput] | None = None,
) -> tuple[Power, ...]:
    """What this many test rows can find: assumed, and as two arms were seen to differ."""
    seen = None
    if truth is not None and pair is not None:
        a, b = pair[0].predictions, pair[1].predictions
        seen = spread(metric, a, b, truth) if metric.open else disagreement(a, b, truth)
    return spread_table(rows, seen) if metric.open else power_table(rows, seen)


def rows_to_settle_difference(
    metric: Metric, scores: Scores, outputs: Sequence[ArmOutput], truth: dict[str, Example]
) -> int | None:
    """Test rows that would settle a difference as large as the observed one, as much as the arms differ."""
    tuned, untuned = scores.best("tuned"), scores.best("baseline", "classifier", "prompt")
    if tuned is None or untuned is None:
        return None
    by_method = {output.method: output.predictions for output in outputs}
    pair = by_method[tuned.method], by_method[untuned.method]
    difference = tuned.estimate.value - untuned.estimate.value
    if metric.open:
        return rows_to_settle_means(difference, spread(metric, *pair, truth))
    rate = disagreement(*pair, truth)
    return rows_to_settle(difference, rate) if rate else None
