"""One file per metric. A metric is additive parts per row, and what the sum of the parts is worth.

Written that way every metric gets the same vectorised bootstrap and permutation test: resampling rows is a
matrix product of resampling weights and parts. Accuracy has two parts per row (right or not, and one),
macro-F1 three per label (true positive, false positive, false negative), and so on.
"""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from tuneworthy.core.prediction import Prediction
from tuneworthy.core.registry import Registry

Parts = NDArray[np.float64]


class Metric(Protocol):
    """The contract of a file in `metrics/`.

    Attributes:
        name: the file name.
        title: how a report calls it.
        best, worst: the ends of its range.
        binary: True when each row is simply right or wrong (exact tests apply).
        open: True when it compares texts, False when it counts labels.
    """

    @property
    def name(self) -> str: ...
    @property
    def title(self) -> str: ...
    @property
    def best(self) -> float: ...
    @property
    def worst(self) -> float: ...
    @property
    def binary(self) -> bool: ...
    @property
    def open(self) -> bool: ...

    def parts(
        self, predictions: Sequence[Prediction], targets: Sequence[str], labels: Sequence[str]
    ) -> Parts:
        """Additive parts, shape [rows, parts], one more axis of size one for single-part metrics.

        Raises ValueError on empty input or when predictions and targets differ in length.
        """

    def value(self, sums: Parts) -> Parts:
        """The metric from summed parts, shape [..., parts] -> [...]."""

    def per_label(self, sums: Parts, labels: Sequence[str]) -> dict[str, Parts]:
        """The metric for each label from summed parts; empty for metrics without labels."""


@runtime_checkable
class ByLabel(Protocol):
    """A metric that gives every label the same weight, so that a rare one may decide it."""

    def too_rare(self, sums: Parts, labels: Sequence[str], constant: bool) -> str | None:
        """Why rows with these summed parts have too few of some label to be resampled; else None.

        `constant` answers are the same whatever the input.
        """


@runtime_checkable
class OfProbabilities(Protocol):
    """A metric of the labels' probabilities, which not every method gives."""

    needs_probabilities: bool


def can_score(metric: Metric, predictions: Sequence[Prediction]) -> bool:
    """Whether the predictions have what the metric looks at."""
    if not isinstance(metric, OfProbabilities):
        return True
    return all(p.scores is not None or p.status != "parsed" for p in predictions)


METRICS: Registry[Metric] = Registry("metrics", "metric")


def is_error(metric: Metric) -> bool:
    """Whether the lower is the better."""
    return metric.best < metric.worst


def is_share(metric: Metric) -> bool:
    """Whether it lies between 0 and 1 and is read as a percentage."""
    return (metric.worst, metric.best) == (0.0, 1.0)


def title_of(name: str) -> str:
    """What a sentence calls a metric. A user's own is not at hand once a run is over: its name will do."""
    return METRICS.get(name).title if name in METRICS.names() else name.replace("_", " ")


def oriented(metric: Metric, value: Parts) -> Parts:
    """The value, or its negative where the lower is the better: then the higher always is."""
    return -value if is_error(metric) else value


def check_lengths(predictions: Sequence[Prediction], targets: Sequence[str]) -> None:
    """Raises ValueError on empty or unpaired input: a metric of nothing is not zero."""
    if not predictions:
        raise ValueError("a metric needs at least one prediction")
    if len(predictions) != len(targets):
        raise ValueError(f"{len(predictions)} predictions for {len(targets)} targets")


def columns_of(labels: Sequence[str], targets: Sequence[str]) -> dict[str, int]:
    """Each label's column; raises ValueError when a label is given twice or a target is no label."""
    column = {label: index for index, label in enumerate(labels)}
    if len(column) != len(labels):
        raise ValueError("a label is given twice")
    unknown = sorted(set(targets) - set(column))
    if unknown:
        raise ValueError(f"target '{unknown[0]}' is not among the labels {list(labels)}")
    return column


def worked(metric: Metric, targets: str, answers: str) -> float:
    """A metric by hand, for docstrings: words as targets and answers, '-' for an unparseable one."""
    truth, given = targets.split(), answers.split()
    predictions = [
        Prediction(
            example_id=str(i),
            value=None if word == "-" else word,
            status="unparseable" if word == "-" else "parsed",
        )
        for i, word in enumerate(given)
    ]
    labels = sorted({*truth, *(word for word in given if word != "-")})
    return round(float(metric.value(metric.parts(predictions, truth, labels).sum(0))), 4)


def worked_texts(metric: Metric, targets: Sequence[str], answers: Sequence[str]) -> float:
    """A metric of texts by hand, for docstrings."""
    predictions = [Prediction(example_id=str(i), value=answer) for i, answer in enumerate(answers)]
    return round(float(metric.value(metric.parts(predictions, list(targets), ()).sum(0))), 4)


def worked_probabilities(metric: Metric, targets: str, shares: Sequence[Sequence[float]]) -> float:
    """A metric of probabilities by hand, for docstrings: words as targets, shares of the sorted labels."""
    truth = targets.split()
    labels = sorted(set(truth))
    scores = [dict(zip(labels, row, strict=True)) for row in shares]
    predictions = [
        Prediction(example_id=str(i), value=max(row, key=lambda label: row[label]), scores=row)
        for i, row in enumerate(scores)
    ]
    return round(float(metric.value(metric.parts(predictions, truth, labels).sum(0))), 4)
