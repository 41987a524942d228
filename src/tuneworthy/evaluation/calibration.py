"""Temperature scaling: one number, fitted on unseen rows, that makes probabilities mean what they say.

p(label)^(1/T), normalised. It changes no answer: the order of a row's labels stays as it is.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.stats import norm

from tuneworthy.core.evidence import Estimate
from tuneworthy.core.example import Example
from tuneworthy.core.frozen import Frozen
from tuneworthy.core.prediction import Prediction
from tuneworthy.evaluation.intervals import estimate
from tuneworthy.metrics import METRICS

Array = NDArray[np.float64]
FEWEST_ROWS = 30  # below which T stays 1
COOLEST, HOTTEST = 0.05, 20.0  # ends of the search for T
LEAST = 5e-7  # half of the last decimal that stored probabilities have
SAME = 1e-4  # between stored probabilities and those of the raw scores, where nothing was corrected
FOLDS = 5  # of the rows on which T is judged by rows it was not fitted on
BINS = 10


class Calibration(Frozen):
    """The temperature of an arm, and what it does to probabilities of rows that it was not fitted on.

    Attributes:
        temperature: above 1 the arm was too sure of itself.
        rows: how many rows it was fitted on.
        source: which rows: "crossfit" (each predicted by the fold that never saw it) or "holdout".
        estimates: log-loss and debiased calibration error, with methods "as it was" and "calibrated".
        reason: why the temperature is 1, where nothing could be fitted.
    """

    temperature: float = 1.0
    rows: int = 0
    source: str = ""
    estimates: tuple[Estimate, ...] = ()
    reason: str | None = None


def calibrate(
    predictions: Sequence[Prediction], examples: Sequence[Example], labels: Sequence[str], source: str
) -> Calibration:
    """Fits the temperature on an arm's answers to rows it never saw.

    The estimates come from five parts of the rows, each read at a temperature that the other parts give.

    Args:
        predictions: the arm's, in the order of `examples`.
        examples: with targets.
        labels: all labels.
        source: which rows these are.
    """
    pairs = [
        (p, row)
        for p, row in zip(predictions, examples, strict=True)
        if p.scores is not None and row.target in p.scores
    ]
    if len(pairs) < FEWEST_ROWS:
        why = "the arm gives no probabilities" if not pairs else f"{len(pairs)} rows are too few"
        return Calibration(rows=len(pairs), source=source, reason=why)
    answered, rows = [p for p, _ in pairs], [row for _, row in pairs]
    scores = np.array([log_scores(p, labels) for p in answered])
    truth = np.array([labels.index(str(row.target)) for row in rows])
    part = np.random.default_rng(0).permutation(len(rows)) % FOLDS
    cooled = np.zeros_like(scores)
    for fold in range(FOLDS):
        temperature = fit_temperature(scores[part != fold], truth[part != fold])
        cooled[part == fold] = softened(scores[part == fold], temperature)
    estimates = []
    for name, table in (("as it was", softened(scores, 1.0)), ("calibrated", cooled)):
        given = [
            p.model_copy(update={"scores": dict(zip(labels, map(float, row), strict=True))})
            for p, row in zip(answered, table, strict=True)
        ]
        estimates.append(
            estimate(METRICS.get("log_loss"), given, rows, labels, method=name, split=source, resamples=2000)
        )
        chosen = table[np.arange(len(rows)), [labels.index(str(p.value)) for p in answered]]
        right = np.array([p.value == row.target for p, row in pairs])
        estimates.append(debiased_calibration_error(chosen, right, method=name, split=source))
    return Calibration(
        temperature=round(fit_temperature(scores, truth), 4),
        rows=len(rows),
        source=source,
        estimates=tuple(estimates),
    )


def log_scores(prediction: Prediction, labels: Sequence[str]) -> Array:
    """What the temperature divides, shape [labels]: raw scores where no prior was corrected, else log p.

    Raises:
        ValueError: the prediction has no probabilities.
    """
    if prediction.scores is None:
        raise ValueError(f"the prediction of {prediction.example_id} has no probabilities")
    p = np.array([prediction.scores[label] for label in labels], dtype=np.float64)
    if prediction.log_scores is not None:
        raw = np.array([prediction.log_scores[label] for label in labels], dtype=np.float64)
        if np.abs(softened(raw[None], 1.0)[0] - p).max() < SAME:
            return np.asarray(raw - raw.max())
    return np.asarray(np.log(np.maximum(p, LEAST)))


def softened(scores: Array, temperature: float) -> Array:
    """Rows of log scores to rows of probabilities at a temperature, both [rows, labels]."""
    scaled = (scores - scores.max(-1, keepdims=True)) / temperature
    exponential = np.exp(scaled)
    return np.asarray(exponential / exponential.sum(-1, keepdims=True))


def fit_temperature(scores: Array, truth: NDArray[np.int64]) -> float:
    """The temperature of least log-loss (Guo et al. 2017, "On Calibration of Modern Neural Networks", 4.2).

    With a normal prior on log T around 0 with a standard deviation of 1: on rows that are all answered
    rightly the least log-loss is at T = 0, which a few rows cannot support. On hundreds of rows it changes
    little.

    Args:
        scores: log p up to a constant a row, shape [rows, labels].
        truth: index of the right label, shape [rows].
    """

    def loss(log_t: float) -> float:
        scaled = scores / np.exp(log_t)
        top = scaled.max(1)
        normaliser = top + np.log(np.exp(scaled - top[:, None]).sum(1))
        return float((normaliser - scaled[np.arange(len(truth)), truth]).sum() + log_t**2 / 2)

    ends = (float(np.log(COOLEST)), float(np.log(HOTTEST)))
    return float(np.exp(minimize_scalar(loss, bounds=ends, method="bounded", options={"xatol": 1e-5}).x))


def debiased_calibration_error(
    confidence: Array, right: NDArray[np.bool_], *, method: str, split: str, level: float = 0.95
) -> Estimate:
    """How far confidence is from being right as often as it says, less what chance adds.

    The root of the mean square over ten bins of equally many rows, each bin's squared distance of mean
    confidence and share right less the variance p(1 - p)/n that the share has by chance: the debiased L2
    error of Kumar et al. 2019 ("Verified Uncertainty Calibration", 4.2). On 300 rows of a perfectly
    calibrated arm of three labels the plain expected error is 0.06 and this one 0.02. The interval is the
    normal one of the mean square, whose bins have variance 2s^4 + 4d^2 s^2, cut at 0.

    Args:
        confidence: probability of the answer given, shape [rows].
        right: whether it was right, shape [rows].
        method, split: of the estimate.
        level: confidence of the interval.
    """
    order = np.argsort(confidence, kind="stable")
    square = variance = 0.0
    for rows in np.array_split(order, min(BINS, len(order))):
        gap = float(confidence[rows].mean() - right[rows].mean())
        share = (float(right[rows].sum()) + 1) / (
            len(rows) + 2
        )  # Laplace: a bin without errors has noise too
        noise = share * (1 - share) / len(rows)
        weight = len(rows) / len(order)
        square += weight * (gap**2 - noise)
        variance += weight**2 * (2 * noise**2 + 4 * max(0.0, gap**2 - noise) * noise)
    reach = float(norm.ppf((1 + level) / 2) * np.sqrt(variance))
    value, low, high = (
        float(np.sqrt(max(0.0, x))) for x in (square, square - reach, max(reach, square + reach))
    )
    return Estimate(
        method=method,
        metric="debiased_calibration_error",
        split=split,
        value=value,
        low=low,
        high=high,
        n=len(order),
        confidence=level,
        interval="normal",
    )
