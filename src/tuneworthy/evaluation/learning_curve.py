"""From an arm's scores on nested parts of its rows to what twice the rows would bring."""

from collections.abc import Sequence

import numpy as np

from tuneworthy.core.example import Example
from tuneworthy.core.learning import CurvePoint, Growth, LearningCurve
from tuneworthy.evaluation.assemble import ArmOutput
from tuneworthy.evaluation.bootstrap import FEWEST_UNITS, Values, percentile_interval
from tuneworthy.evaluation.power_law import fit_power_law
from tuneworthy.evaluation.rows import rows_of
from tuneworthy.evaluation.seeds import mean_value, parts_by_seed, resampled_means
from tuneworthy.metrics import Metric, is_error, oriented

FEWEST_SIZES = 3  # with all rows among them: the curve has three unknowns, one of which is half known
UNKNOWN = 2  # of the three unknowns those that two points alone would settle
FEWEST_OF_LABEL = 5  # rows on average, below which labels come and go between the sizes (ours)
POOR = 3.0  # misfit in units of the points' own noise beyond which they follow no such curve (ours)


def learning_curve(
    metric: Metric,
    sizes: Sequence[tuple[int, ArmOutput]],
    rows_now: int,
    examples: Sequence[Example],
    labels: Sequence[str],
    *,
    method: str,
    confidence: float,
    resamples: int,
    seed: int,
) -> LearningCurve:
    """The curve of one arm, and the gain at twice its rows with a band.

    Every resample draws test rows (whole groups where rows share one) and, where a size has several fits,
    fits and gets a curve of its own: the band is a percentile interval of the gain over these curves, widened
    by how far a point misses its curve. Nothing is foreseen where the points are too few, where they scatter
    about the curve by more than three times what their resamples do, where no resample differs, or where a
    label has fewer than five rows on average, so that labels are learned at one size that another lacks.

    Args:
        metric: the primary one.
        sizes: training rows and what the fits on so many answered, the arm itself among them.
        rows_now: that the final fit learns from.
        examples: the test rows.
        labels: the closed set of answers.
        method: the arm.
        confidence, resamples, seed: of the intervals.
    """
    rows = rows_of(examples)
    ordered = sorted(sizes, key=lambda item: item[0])
    counts = np.array([count for count, _ in ordered], dtype=np.float64)
    parts = [parts_by_seed(metric, rows, output.predictions, output.repeats, labels) for _, output in ordered]
    values = np.array([mean_value(metric, one) for one in parts])
    drawn = np.zeros((0, len(parts)))
    if rows.units >= FEWEST_UNITS:
        drawn = np.stack([resampled_means(metric, rows, one, resamples, seed, 0) for one in parts], axis=1)
        drawn = drawn[~np.isnan(drawn).any(1)]
    ends = [percentile_interval(one, confidence, rows.bootstrap) for one in drawn.T] if len(drawn) else []
    points = tuple(
        CurvePoint(
            rows=int(count),
            value=float(value),
            low=ends[i].low if ends else None,
            high=ends[i].high if ends else None,
            fits=len(parts[i]),
        )
        for i, (count, value) in enumerate(zip(counts, values, strict=True))
    )

    def silent(reason: str) -> LearningCurve:
        return LearningCurve(method=method, metric=metric.name, points=points, reason=reason)

    if len(points) < FEWEST_SIZES:
        return silent(f"{len(points)} sizes are too few for a curve")
    if not metric.open and rows_now < FEWEST_OF_LABEL * len(labels):
        return silent(f"{rows_now} rows are fewer than {FEWEST_OF_LABEL} for each of {len(labels)} labels")
    if rows.units < FEWEST_UNITS:
        return silent(f"{rows.units} {rows.noun} are too few to resample")
    if 2 * len(drawn) < resamples:
        return silent("the score is undefined in most resamples of these rows")
    sign = -1.0 if is_error(metric) else 1.0
    scatter = oriented(metric, drawn)
    ceiling = float(oriented(metric, np.array(metric.best)))
    noise = _noise(scatter)
    if not noise.any():
        return silent("all sizes score the same in every resample")
    curves = fit_power_law(counts, np.vstack([oriented(metric, values), scatter]), noise, ceiling)
    misses = oriented(metric, values) - np.array([curves.at(count)[0] for count in counts])
    if np.sqrt(np.mean((misses / noise) ** 2)) > POOR:
        return silent("the scores do not follow a power law")
    more = 2 * rows_now
    gains = sign * (curves.at(more) - curves.at(rows_now))
    # A score at that size would miss the curve as points do, by the draw of what is learned from. So few
    # points may lie near their curve by luck: by their own noise at least.
    missed = max(noise[0], np.sqrt((misses**2).sum() / max(1, len(points) - UNKNOWN)))
    around = gains[1:] + missed * np.random.default_rng([seed, 3]).standard_normal(len(scatter))
    tail = (1 - confidence) / 2
    low, high = np.quantile(around, [tail, 1 - tail])
    return LearningCurve(
        method=method,
        metric=metric.name,
        points=points,
        top=float(curves.top[0]),
        loss=float(curves.loss[0]),
        exponent=float(curves.exponent[0]),
        unit=curves.unit,
        growth=Growth(
            rows=rows_now,
            more_rows=more,
            gain=float(gains[0]),
            low=float(low),
            high=float(high),
            confidence=confidence,
        ),
    )


def _noise(drawn: Values) -> Values:
    """Standard deviation of each size's score apart from what moves all sizes alike, [R, S] -> [S].

    Which test rows are drawn raises or lowers the whole curve; its shape is as uncertain as the differences
    between sizes are. One figure serves all sizes: that of a single size is too rough to weigh by.
    """
    apart = drawn - drawn.mean(1, keepdims=True)
    return np.full(drawn.shape[1], np.sqrt(apart.var(0).mean()))
