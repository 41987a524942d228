"""A score with its interval: Wilson where rows are right or wrong, a seeded bootstrap elsewhere."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from scipy.stats import binomtest

from tuneworthy.core.evidence import Estimate
from tuneworthy.core.example import Example
from tuneworthy.core.prediction import Prediction
from tuneworthy.evaluation.bootstrap import (
    FEWEST_UNITS,
    Interval,
    Values,
    bca_interval,
    percentile_interval,
    resampled_sums,
)
from tuneworthy.evaluation.rows import Rows, rows_of
from tuneworthy.evaluation.seeds import mean_value, parts_by_seed, resampled_means, without_each
from tuneworthy.metrics import ByLabel, Metric, Parts
from tuneworthy.metrics._confusion import confusion_parts, f1_of, precision_of, recall_of, split_sums

FEWEST_LABEL_ROWS = 5  # true rows of a label below which its interval would span nearly everything

LABEL_METRICS: dict[str, Callable[..., Parts]] = {
    "precision": precision_of,
    "recall": recall_of,
    "f1": f1_of,
}


def wilson(successes: int, trials: int, confidence: float) -> Interval:
    """The score interval of a proportion (Wilson 1927); its width is never zero."""
    ends = binomtest(successes, trials).proportion_ci(confidence_level=confidence, method="wilson")
    return Interval(float(ends.low), float(ends.high), "wilson")


def estimate(
    metric: Metric,
    predictions: Sequence[Prediction],
    examples: Sequence[Example],
    labels: Sequence[str],
    *,
    method: str,
    repeats: Sequence[Sequence[Prediction]] = (),
    constant: bool = False,
    split: str = "test",
    confidence: float = 0.95,
    resamples: int = 10_000,
    seed: int = 0,
) -> Estimate:
    """The metric of one arm over all rows, with an interval that covers the draw of the rows.

    With `repeats`, the answers of fits on other seeds, the mean over seeds, and an interval that covers the
    draw of the seeds too (`seeds.resampled_means`).

    Wilson's interval for right-or-wrong metrics whose rows are independent; else a BCa bootstrap, of
    whole groups where rows share one. The interval is absent, with the reason, when there are fewer than
    five units to resample, when a rare label decides a macro average, when too many resamples score the best
    or the worst possible, or when they do not vary. `n` counts rows. `constant` says that the arm's answers
    are the same whatever the input.

    Raises:
        ValueError: no rows, rows without targets, or predictions for other rows than `examples`.
    """
    rows = rows_of(examples)
    parts = parts_by_seed(metric, rows, predictions, repeats, labels)
    if metric.binary and not rows.grouped and not repeats:
        interval = wilson(round(parts[0, :, 0].sum()), len(rows.ids), confidence)
    elif rows.units < FEWEST_UNITS:
        interval = Interval.absent(f"{rows.units} {rows.noun} are too few to resample")
    elif isinstance(metric, ByLabel) and (rare := metric.too_rare(parts.mean(0).sum(0), labels, constant)):
        interval = Interval.absent(rare)
    else:
        values = resampled_means(metric, rows, parts, resamples, seed, 0)
        interval = _at_an_end(metric, values) or bca_interval(
            values, mean_value(metric, parts), without_each(metric, rows, parts), confidence, rows.bootstrap
        )
    return Estimate(
        method=method,
        metric=metric.name,
        split=split,
        value=mean_value(metric, parts),
        low=interval.low,
        high=interval.high,
        n=len(rows.ids),
        confidence=confidence,
        interval=interval.name,
        reason=interval.reason,
    )


def _at_an_end(metric: Metric, values: Values) -> Interval | None:
    """No interval where few rows decide the score: a resample misses k such rows with probability exp(-k)."""
    for name, end in (("worst", metric.worst), ("best", metric.best)):
        share = float(np.mean(values == end))
        if np.exp(-FEWEST_UNITS) < share < 1:
            return Interval.absent(
                f"{share:.1%} of the resamples score the {name} possible: few rows decide it"
            )
    return None


def bootstrapped(
    value: Callable[[Parts], Parts], parts: Parts, rows: Rows, confidence: float, resamples: int, seed: int
) -> Interval:
    """The percentile interval of a value of summed parts [rows, P]; absent below five units to resample."""
    if rows.units < FEWEST_UNITS:
        return Interval.absent(f"{rows.units} {rows.noun} are too few to resample")
    values = value(resampled_sums(rows.by_unit(parts), resamples, seed))
    return percentile_interval(values, confidence, rows.bootstrap, rows.units)


def mean_estimate(
    values: Mapping[str, float],
    examples: Mapping[str, Example],
    *,
    method: str,
    metric: str,
    confidence: float,
    resamples: int,
    seed: int,
) -> Estimate:
    """The mean of a number per row that no metric computes, with the interval that metrics get.

    Args:
        values: by row id; at least one.
        examples: the rows by id.
        method: whose rows they are.
        metric: what the numbers are called.
        confidence, resamples, seed: of the interval.
    """
    rows = rows_of([examples[row_id] for row_id in values])
    parts = np.array([(values[row_id], 1.0) for row_id in rows.ids])
    interval = bootstrapped(
        lambda sums: sums[..., 0] / sums[..., 1], parts, rows, confidence, resamples, seed
    )
    return Estimate(
        method=method,
        metric=metric,
        value=float(parts[:, 0].mean()),
        low=interval.low,
        high=interval.high,
        n=len(parts),
        confidence=confidence,
        interval=interval.name,
        reason=interval.reason,
    )


def label_estimates(
    predictions: Sequence[Prediction],
    examples: Sequence[Example],
    labels: Sequence[str],
    *,
    method: str,
    split: str = "test",
    confidence: float = 0.95,
    resamples: int = 10_000,
    seed: int = 0,
) -> tuple[Estimate, ...]:
    """Precision, recall and F1 of every label that occurs in the targets, each with its interval.

    `n` is the label's number of true rows; with fewer than five of them the interval is absent. A label
    without a true row has no estimate. Rows that share groups: a bootstrap of whole groups; otherwise Wilson
    (see `_label_wilson`).

    Raises:
        ValueError: as `estimate`; also a target that is not among `labels`.
    """
    rows = rows_of(examples)
    parts = confusion_parts(rows.order(predictions), rows.targets, labels)
    sums = parts.sum(axis=0)
    resampled = resampled_sums(rows.by_unit(parts), resamples, seed) if rows.grouped else None
    estimates = []
    for index, label in enumerate(labels):
        tp, fp, fn = (int(column[index]) for column in split_sums(sums))
        units = {unit for unit, target in zip(rows.unit, rows.targets, strict=True) if target == label}
        for name, per_label in LABEL_METRICS.items():
            if tp + fn == 0:
                continue
            if tp + fn < FEWEST_LABEL_ROWS:
                interval = Interval.absent(f"{tp + fn} true rows are too few for an interval")
            elif name == "precision" and tp + fp == 0:
                interval = Interval.absent("the label was never answered")
            elif resampled is None:
                interval = _label_wilson(name, tp, fp, fn, confidence)
            elif len(units) < FEWEST_UNITS:
                interval = Interval.absent(f"{len(units)} groups hold the label, too few to resample")
            else:
                values = per_label(resampled, float("nan"))[:, index]
                interval = percentile_interval(values, confidence, rows.bootstrap, len(units))
            estimates.append(
                Estimate(
                    method=method,
                    metric=name,
                    split=split,
                    label=label,
                    value=float(per_label(sums)[index]),
                    low=interval.low,
                    high=interval.high,
                    n=tp + fn,
                    confidence=confidence,
                    interval=interval.name,
                    reason=interval.reason,
                )
            )
    return tuple(estimates)


def field_estimates(
    metric: Metric,
    predictions: Sequence[Prediction],
    examples: Sequence[Example],
    labels: Sequence[str],
    *,
    method: str,
    split: str = "test",
    confidence: float = 0.95,
    resamples: int = 10_000,
    seed: int = 0,
) -> tuple[Estimate, ...]:
    """A metric of texts for each field or type that it tells apart, with a bootstrap interval; often none.

    `n` counts rows in which the field has a say.

    Raises:
        ValueError: as `estimate`.
    """
    rows = rows_of(examples)
    parts = metric.parts(rows.order(predictions), rows.targets, labels)
    whole = metric.per_label(parts.sum(axis=0), labels)
    if not whole:
        return ()
    resampled = resampled_sums(rows.by_unit(parts), resamples, seed)
    values = metric.per_label(resampled, labels)
    width = parts.shape[1] // 3
    estimates = []
    for index, label in enumerate(labels):
        own = [index, width + index, 2 * width + index]
        says = parts[:, own].sum(1) > 0
        n, units = int(says.sum()), len(set(rows.unit[says]))
        if not n:
            continue
        if n < FEWEST_LABEL_ROWS:
            interval = Interval.absent(f"{n} rows are too few for an interval")
        elif units < FEWEST_UNITS:
            interval = Interval.absent(f"{units} groups hold the field, too few to resample")
        else:
            drawn = np.where(resampled[:, own].sum(1) > 0, values[label], np.nan)
            interval = percentile_interval(drawn, confidence, rows.bootstrap, units)
        estimates.append(
            Estimate(
                method=method,
                metric=metric.name,
                split=split,
                label=label,
                value=float(whole[label]),
                low=interval.low,
                high=interval.high,
                n=n,
                confidence=confidence,
                interval=interval.name,
                reason=interval.reason,
            )
        )
    return tuple(estimates)


def _label_wilson(name: str, tp: int, fp: int, fn: int, confidence: float) -> Interval:
    """Wilson's interval for one label's precision, recall or F1.

    Given how often the label was answered (or true, or either), its true positives are binomial. F1 is
    2J / (1 + J) with J = tp / (tp + fp + fn), which rises with J: the ends for J map to the ends for F1
    (J is the "F*" of Hand, Christen & Kirielle 2021).
    """
    if name == "precision":
        return wilson(tp, tp + fp, confidence)
    if name == "recall":
        return wilson(tp, tp + fn, confidence)
    ends = wilson(tp, tp + fp + fn, confidence)
    assert ends.low is not None and ends.high is not None
    return Interval(2 * ends.low / (1 + ends.low), 2 * ends.high / (1 + ends.high), "wilson")
