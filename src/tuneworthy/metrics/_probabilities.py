"""Probabilities of labels, as a table."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tuneworthy.core.prediction import Prediction
from tuneworthy.metrics import check_lengths, columns_of

LEAST = 1e-6  # probabilities are kept to six decimals: none is taken to be smaller


def table(
    predictions: Sequence[Prediction], targets: Sequence[str], labels: Sequence[str]
) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """Probability of each label, [rows, K], and the number of the true one, [rows].

    An answer that is unparseable or failed gives its true label no chance and the others equal ones.

    Raises:
        ValueError: empty or unpaired input, a target that is no label, or an answer without probabilities.
    """
    check_lengths(predictions, targets)
    column = columns_of(labels, targets)
    truth = np.array([column[target] for target in targets])
    found = np.zeros((len(targets), len(labels)))
    for row, prediction in enumerate(predictions):
        if prediction.status != "parsed":
            found[row] = 1 / max(1, len(labels) - 1)
            found[row, truth[row]] = 0.0
        elif prediction.scores is None:
            raise ValueError(f"the answer to row '{prediction.example_id}' has no probabilities")
        else:
            found[row] = [prediction.scores.get(label, 0.0) for label in labels]
    return found, truth
