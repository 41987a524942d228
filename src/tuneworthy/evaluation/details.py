"""Predictions row by row: the confusion matrix, and who has right what the other has not."""

from collections.abc import Sequence
from typing import TypedDict

import numpy as np
from numpy.typing import NDArray

from tuneworthy.core.example import Example
from tuneworthy.core.prediction import Prediction
from tuneworthy.evaluation.rows import rows_of
from tuneworthy.metrics import Metric, columns_of, oriented


class Confusion(TypedDict):
    """Rows: truth; columns: answered; the last column counts answers that are no label."""

    labels: list[str]
    matrix: list[list[int]]


class WonRow(TypedDict):
    """One row on which exactly one arm is right; `winner` and `against` are what each answered."""

    id: str
    target: str
    winner: str | None
    against: str | None


class Won(TypedDict):
    """Rows which only one of two arms has right."""

    winner: str
    against: str
    only_winner: list[WonRow]
    only_against: list[WonRow]


def confusion(
    predictions: Sequence[Prediction], examples: Sequence[Example], labels: Sequence[str]
) -> Confusion:
    """Counts of answers per true label, K rows of K + 1 columns, in the order of `labels`.

    Raises:
        ValueError: predictions for other rows than `examples`, or a target that is not among `labels`.
    """
    rows = rows_of(examples)
    column = columns_of(labels, rows.targets)
    matrix = [[0] * (len(labels) + 1) for _ in labels]
    for prediction, target in zip(rows.order(predictions), rows.targets, strict=True):
        answer = prediction.value if prediction.status == "parsed" else None
        matrix[column[target]][len(labels) if answer is None else column.get(answer, len(labels))] += 1
    return Confusion(labels=list(labels), matrix=matrix)


def won(
    winner_predictions: Sequence[Prediction],
    other_predictions: Sequence[Prediction],
    examples: Sequence[Example],
    limit: int = 20,
    *,
    winner: str,
    against: str,
) -> Won:
    """Up to `limit` rows that only the winner has right and as many that only the other has, by id.

    Raises:
        ValueError: predictions for other rows than `examples`.
    """
    rows = rows_of(examples)
    only_winner: list[WonRow] = []
    only_against: list[WonRow] = []
    pairs = zip(rows.order(winner_predictions), rows.order(other_predictions), rows.targets, strict=True)
    for ours, theirs, target in pairs:
        right = _right(ours, target)
        if right == _right(theirs, target):
            continue
        found = only_winner if right else only_against
        if len(found) < limit:
            found.append(WonRow(id=ours.example_id, target=target, winner=ours.value, against=theirs.value))
    return Won(winner=winner, against=against, only_winner=only_winner, only_against=only_against)


def ahead(
    metric: Metric,
    labels: Sequence[str],
    winner_predictions: Sequence[Prediction],
    other_predictions: Sequence[Prediction],
    examples: Sequence[Example],
    limit: int = 20,
    *,
    winner: str,
    against: str,
) -> Won:
    """Where answers are texts: up to `limit` rows on which each arm is ahead, the largest lead first.

    Raises:
        ValueError: predictions for other rows than `examples`.
    """
    rows = rows_of(examples)
    ours, theirs = rows.order(winner_predictions), rows.order(other_predictions)
    in_order = sorted(examples, key=lambda example: example.id)
    lead = row_scores(metric, ours, in_order, labels) - row_scores(metric, theirs, in_order, labels)
    lead = oriented(metric, lead)
    sides: dict[bool, list[WonRow]] = {True: [], False: []}
    for i in sorted(range(len(lead)), key=lambda i: (-abs(lead[i]), rows.ids[i])):
        side = sides[bool(lead[i] > 0)]
        if lead[i] and len(side) < limit:
            side.append(
                WonRow(id=rows.ids[i], target=rows.targets[i], winner=ours[i].value, against=theirs[i].value)
            )
    return Won(winner=winner, against=against, only_winner=sides[True], only_against=sides[False])


def row_scores(
    metric: Metric, predictions: Sequence[Prediction], examples: Sequence[Example], labels: Sequence[str] = ()
) -> NDArray[np.float64]:
    """The metric of each row on its own, shape [rows]; predictions and examples in the same order."""
    return metric.value(metric.parts(predictions, [str(row.target) for row in examples], labels))


def _right(prediction: Prediction, target: str) -> bool:
    return prediction.status == "parsed" and prediction.value == target
