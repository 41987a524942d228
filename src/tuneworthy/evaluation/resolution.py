"""What the test rows can resolve: the power of so many, and how many would settle a difference seen."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, sqrt

import numpy as np
from scipy.stats import norm

from tuneworthy.core.evidence import Evidence, Power
from tuneworthy.core.example import Example, label_counts
from tuneworthy.core.prediction import Prediction
from tuneworthy.evaluation.assemble import (
    ArmOutput,
    Pair,
    Scores,
    best_untuned,
    differences,
    disagreement,
    on_shared_rows,
    spread,
)
from tuneworthy.evaluation.power import (
    ASSUMED_DISAGREEMENTS,
    ASSUMED_SPREADS,
    power_table,
    rows_for,
    rows_to_settle,
    rows_to_settle_means,
    spread_table,
)
from tuneworthy.evaluation.rows import rows_of
from tuneworthy.evaluation.seeds import parts_by_seed, variance_of_mean, without_each
from tuneworthy.metrics import ByLabel, Metric, OfProbabilities, is_error, oriented
from tuneworthy.metrics._numbers import Agreement
from tuneworthy.metrics._own import OwnMetric
from tuneworthy.metrics._traits import MeanOverRows
from tuneworthy.tasks import Task

POWER = 0.8
AT_MOST = 100_000  # rows, above which nothing is advised


@dataclass(frozen=True, slots=True)
class Claim:
    """What a verdict has to show.

    Attributes:
        margin: the smallest gain worth having, in the metric's unit.
        alpha: one-sided error rate.
        family: fine-tuned arms that share it.
        confidence: of the interval that rules a gain out.
    """

    margin: float
    alpha: float
    family: int
    confidence: float


def claim_of(evidence: Evidence, tuned: int, confidence: float) -> Claim:
    """What the verdict on so many fine-tuned arms has to show; those of earlier runs share its error rate."""
    asked = evidence.thresholds
    family = tuned + max(0, evidence.past_tuned_arms)
    return Claim(asked.smallest_gain_worth_having * evidence.whole, asked.alpha, family, confidence)


def whole_of(metric: Metric, task: Task, rows: Sequence[Example]) -> float:
    """What a gain is a share of: 1 for a score, the best constant answer's error where errors have no bound.

    Of numbers that is the error of their median, of a log-loss the entropy of the labels.
    """
    if not is_error(metric) or not (task.name == "regression" or _is_log_loss(metric)):
        return 1.0
    targets = [str(row.target) for row in rows]
    if task.name == "regression":
        constant, shares = sorted(targets, key=float)[len(targets) // 2], None
    else:
        counts = label_counts(rows)
        constant, shares = max(counts, key=lambda label: counts[label]), _shares(counts)
    answers = [Prediction(example_id=row.id, value=constant, scores=shares) for row in rows]
    parts = metric.parts(answers, targets, task.labels(rows))
    return float(metric.value(parts.sum(0))) or 1.0


def unevenness_of(metric: Metric, rows: Sequence[Example]) -> float:
    """By how much a macro average varies more than a share of right rows: 1 where labels are even.

    A row of label l moves the mean over L labels by 1 / (L n_l), so that where arms disagree as often on
    every label the variance is that of the share times (1 / L²) Σ n / n_l.
    """
    if not _by_label(metric):
        return 1.0
    counts = np.array([count for count in label_counts(rows).values() if count])
    return float(sqrt((counts.sum() / counts).sum()) / len(counts))


def power_of(
    metric: Metric,
    rows: int,
    truth: dict[str, Example] | None = None,
    pair: Pair | None = None,
    whole: float = 1.0,
    alpha: float = 0.05,
    unevenness: float = 1.0,
) -> tuple[Power, ...]:
    """What this many test rows can find: assumed, and as two arms were seen to differ.

    Of a log-loss and of a metric of the user's own, whose size nobody knows, nothing is assumed; of a metric
    that no single row has, such as a correlation, nothing is known at all.

    Args:
        metric: the one that decides.
        rows: how many.
        truth: the test rows by id.
        pair: two arms that have answered them.
        whole: see `whole_of`.
        alpha: two-sided level of the test.
        unevenness: see `unevenness_of`.
    """
    if not (_counts(metric) or _by_label(metric) or _has_row_scores(metric)):
        return ()
    seen, effective = None, rows
    if truth is not None and pair is not None:
        a, b = pair[0].predictions, pair[1].predictions
        seen = disagreement(a, b, truth) if _counts(metric) else _spread(metric, a, b, truth)
        effective = max(1, round(rows / _alike(metric, a, b, truth)))
    if _counts(metric):
        found = power_table(effective, seen, alpha=alpha)
    else:
        found = spread_table(effective, seen, _assumed(metric, whole, unevenness), alpha=alpha)
    return tuple(row.model_copy(update={"n": rows}) for row in found)


def deciding_pair(outputs: Sequence[ArmOutput], scores: Scores) -> Pair | None:
    """The best fine-tuned and the best untuned arm on the rows of both; before, the two best untuned ones."""
    tuned, untuned = scores.best("tuned"), scores.best("baseline", "classifier", "prompt")
    if tuned is None or untuned is None:
        return best_untuned(outputs, scores.arms)
    by_method = {output.method: output for output in outputs}
    return on_shared_rows(by_method[tuned.method], by_method[untuned.method])


def rows_to_settle_difference(
    metric: Metric, scores: Scores, outputs: Sequence[ArmOutput], truth: dict[str, Example], claim: Claim
) -> int | None:
    """Test rows that would settle a difference as large as the observed one, as much as the arms differ.

    A gain above the margin is settled when the corrected test finds it and it is seen to reach the margin; a
    smaller one when its interval ends below the margin: each with a probability of 80%. So close to the
    margin that no one labels so many rows it is None; so it is where the draw of seeds, which more rows do
    not settle, hides the difference.
    """
    pair = deciding_pair(outputs, scores)
    if pair is None or pair[0].kind != "tuned":
        return None
    tuned, untuned = pair
    names = {tuned.method, untuned.method}
    difference = next(
        found.difference
        for found in scores.comparisons
        if (found.method, found.against, found.metric) == (tuned.method, untuned.method, metric.name)
    )
    a, b = tuned.predictions, untuned.predictions
    gain = float(oriented(metric, np.array(difference)))
    between = sum(variance_of_mean(arm.by_seed) for arm in scores.arms if arm.method in names)
    if _counts(metric):
        rate = disagreement(a, b, truth)
        needed = _needed(gain, sqrt(max(rate - gain**2, 0.0)), claim, rate, between)
    elif _by_label(metric) or _has_row_scores(metric):
        needed = _needed(gain, _spread(metric, a, b, truth), claim, None, between)
    else:
        needed = None
    if needed is None:
        return None
    needed *= _alike(metric, a, b, truth)
    return ceil(needed) if needed <= AT_MOST else None


def _needed(
    gain: float, spread: float, claim: Claim, rate: float | None, between: float = 0.0
) -> float | None:
    """Independent rows that settle a gain.

    Args:
        gain: as seen.
        spread: standard deviation of a row's part in it.
        claim: what is to be shown.
        rate: of disagreement, where rows are right or wrong.
        between: variance of the gain over draws of as many seeds.
    """
    if spread == 0 or gain == claim.margin:
        return None
    away = abs(gain - claim.margin)
    if gain < claim.margin:
        z = float(norm.ppf((1 + claim.confidence) / 2) + norm.ppf(POWER))
        return _beside_seeds(rows_for(away, spread, z), away, z, between)
    level = min(1.0, 2 * claim.alpha / max(1, claim.family))  # two-sided, by Holm at its first step
    found = (
        rows_to_settle(gain, rate, POWER, level, AT_MOST)
        if rate is not None
        else rows_to_settle_means(gain, spread, POWER, level, AT_MOST)
    )
    if found is None:
        return None
    z = float(norm.ppf(POWER))
    shown = _beside_seeds(found, gain, float(norm.ppf(1 - level / 2)) + z, between)
    large = _beside_seeds(rows_for(away, spread, z), away, z, between)
    return None if shown is None or large is None else max(shown, large)


def _beside_seeds(rows: float, difference: float, z: float, between: float) -> float | None:
    """Rows that show a difference where seeds vary too: z² (spread² / n + between) = difference² for n."""
    left = 1 - z**2 * between / difference**2
    return rows / left if left > 0 else None


def _spread(
    metric: Metric, a: Sequence[Prediction], b: Sequence[Prediction], truth: dict[str, Example]
) -> float:
    """Standard deviation of a row's part in the difference; of a macro average by the jackknife."""
    if not _by_label(metric):
        return spread(metric, a, b, truth)
    examples = [truth[prediction.example_id] for prediction in a]
    rows, labels = rows_of(examples), sorted({str(row.target) for row in truth.values()})
    ours, theirs = (
        without_each(metric, rows, parts_by_seed(metric, rows, given, (), labels)) for given in (a, b)
    )
    away = (ours - theirs) - (ours - theirs).mean()
    variance = (rows.units - 1) / rows.units * float((away**2).sum())
    return sqrt(variance * len(rows.ids))


def _alike(
    metric: Metric, a: Sequence[Prediction], b: Sequence[Prediction], truth: dict[str, Example]
) -> float:
    """How many rows that share groups tell as much as one that shares none: the design effect (Kish 1965).

    The variance of the mean difference of two arms with whole groups as units, over the one of independent
    rows; at least 1, and 1 where no row shares a group. A macro average's spread counts groups already.
    """
    rows = rows_of([truth[prediction.example_id] for prediction in a])
    if not rows.grouped or _by_label(metric):
        return 1.0
    scores = dict(zip((one.example_id for one in a), differences(metric, a, b, truth), strict=True))
    away = np.array([scores[row_id] for row_id in rows.ids])[:, None]
    away = away - away.mean()
    alone = float((away**2).sum())
    return max(1.0, float((rows.by_unit(away) ** 2).sum()) / alone) if alone else 1.0


def _assumed(metric: Metric, whole: float, unevenness: float) -> tuple[float, ...]:
    """Spreads that are taken for granted before two arms have answered; none where nothing is known."""
    if _by_label(metric):
        return tuple(sqrt(rate) * unevenness for rate in ASSUMED_DISAGREEMENTS)
    sized = metric.open and not isinstance(metric, OwnMetric)
    return tuple(spread * whole for spread in ASSUMED_SPREADS) if sized else ()


def _counts(metric: Metric) -> bool:
    """Whether rows are right or wrong, and the metric is the share of right ones."""
    return not metric.open and not isinstance(metric, OwnMetric | OfProbabilities) and metric.binary


def _by_label(metric: Metric) -> bool:
    """Whether answers of one label each are counted label by label, and the metric is the mean over labels.

    Not Matthews' correlation, which is no such mean, nor an area under a curve, which counts no answers.
    """
    return (
        not metric.open
        and not metric.binary
        and isinstance(metric, ByLabel)
        and not isinstance(metric, OwnMetric | OfProbabilities)
    )


def _is_log_loss(metric: Metric) -> bool:
    return isinstance(metric, MeanOverRows) and isinstance(metric, OfProbabilities)


def _shares(counts: dict[str, int]) -> dict[str, float]:
    return {label: count / sum(counts.values()) for label, count in counts.items()}


def _has_row_scores(metric: Metric) -> bool:
    """Whether each row has a score, whose spread decides what can be found."""
    return isinstance(metric, MeanOverRows) or (metric.open and not isinstance(metric, Agreement))
