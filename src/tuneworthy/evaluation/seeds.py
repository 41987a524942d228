"""An arm that was fitted on several seeds: its mean, and an interval over the draws of rows and of seeds."""

from collections.abc import Sequence

import numpy as np

from tuneworthy.core.prediction import Prediction
from tuneworthy.evaluation.bootstrap import Values, resampled_sums
from tuneworthy.evaluation.rows import Rows
from tuneworthy.metrics import Metric, Parts


def parts_by_seed(
    metric: Metric,
    rows: Rows,
    predictions: Sequence[Prediction],
    repeats: Sequence[Sequence[Prediction]],
    labels: Sequence[str],
) -> Parts:
    """Parts of every seed's answers, shape [seeds, rows, P]."""
    answers = (predictions, *repeats)
    return np.stack([metric.parts(rows.order(given), rows.targets, labels) for given in answers])


def mean_value(metric: Metric, parts: Parts) -> float:
    """The metric's mean over seeds, from parts [seeds, rows, P]."""
    return float(metric.value(parts.sum(axis=1)).mean())


def resampled_means(metric: Metric, rows: Rows, parts: Parts, resamples: int, seed: int, arm: int) -> Values:
    """The mean over seeds in each resample of rows and, independently, of seeds, shape [resamples].

    A two-level bootstrap (Davison & Hinkley 1997, section 3.8): rows are drawn as for any arm, and so many
    seeds as there are are drawn with replacement. With three seeds the spread over seeds is understated, by a
    third in variance; `arm` tells the draws of two arms apart.
    """
    values = np.stack(
        [metric.value(resampled_sums(rows.by_unit(one), resamples, seed)) for one in parts], axis=1
    )
    count = len(parts)
    if count == 1:
        return np.asarray(values[:, 0])
    drawn = np.random.default_rng([seed, arm, 2]).integers(0, count, size=(resamples, count))
    return np.asarray(np.take_along_axis(values, drawn, axis=1).mean(axis=1))
