"""Ridge regression whose penalty is chosen by leave-one-out error on the training rows."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import RidgeCV

from tuneworthy.core.example import Example
from tuneworthy.core.prediction import Prediction
from tuneworthy.metrics._numbers import written

GRID = tuple(float(a) for a in np.logspace(-3, 3, 13))


def fit_ridge(features: Any, rows: Sequence[Example]) -> RidgeCV:
    """The ridge of features [rows, D] on the rows' numbers (leave-one-out, Golub et al. 1979)."""
    return RidgeCV(alphas=GRID).fit(features, [float(str(row.target)) for row in rows])


def to_answers(
    rows: Sequence[Example], numbers: NDArray[np.float64], labels: Sequence[str]
) -> list[Prediction]:
    """Numbers as answers, kept within the range of the training targets."""
    low, high = float(labels[0]), float(labels[-1])
    found = [written(float(min(max(number, low), high))) for number in numbers]
    pairs = zip(rows, found, strict=True)
    return [Prediction(example_id=row.id, value=value, raw=value) for row, value in pairs]
