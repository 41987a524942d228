"""Quadratic weighted kappa: agreement on an ordered scale beyond chance, far misses counting most."""

from collections.abc import Sequence

import numpy as np

from tuneworthy.core.prediction import Prediction
from tuneworthy.metrics import Metric, Parts
from tuneworthy.metrics._numbers import covariances, moments, pairs


class QuadraticKappa:
    """1 - mean squared distance / the one expected of independent answers (Cohen 1968).

    Where all targets are whole numbers answers are rounded to whole ones, and it is scikit-learn's
    `cohen_kappa_score(weights="quadratic")`; elsewhere it is Lin's (1989) concordance correlation.

    Worked example: targets 1 2 3, answers 1 2 2: distances 0 0 1, mean 1/3; expected 10/9 less what the
    means share; 1 - (1/3) / (8/9 + 1/9) = 0.6667.

    >>> from tuneworthy.metrics import worked_texts
    >>> worked_texts(PLUGIN, targets=["1", "2", "3"], answers=["1", "2", "2"])
    0.6667
    """

    name = "quadratic_kappa"
    title = "quadratic weighted kappa"
    best = 1.0
    worst = -1.0
    binary = False
    open = True

    def parts(
        self, predictions: Sequence[Prediction], targets: Sequence[str], labels: Sequence[str]
    ) -> Parts:
        """Shape [rows, 6]: moments of answers and targets; see `_numbers`.

        Raises ValueError on empty or unpaired input and on a target that is no number.
        """
        given, wanted = pairs(predictions, targets, labels)
        if (wanted == np.round(wanted)).all():
            given = np.floor(given + 0.5)
        return moments(given, wanted)

    def value(self, sums: Parts) -> Parts:
        """Kappa from summed moments, shape [..., 6] -> [...]; 0 where nothing varies."""
        given, wanted, both, shift = covariances(sums)
        expected = given + wanted + shift
        return np.divide(2 * both, expected, out=np.zeros(np.shape(both)), where=expected > 1e-12)

    def per_label(self, sums: Parts, labels: Sequence[str]) -> dict[str, Parts]:
        """Empty: numbers are no labels."""
        return {}


PLUGIN: Metric = QuadraticKappa()
