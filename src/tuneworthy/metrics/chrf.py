"""chrF: F-score of character n-grams (Popovic 2015), as sacrebleu computes it over all rows."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tuneworthy.core.prediction import Prediction
from tuneworthy.metrics import Metric, Parts
from tuneworthy.metrics._sacrebleu import corpus_parts
from tuneworthy.metrics._traits import OfWholeRows

BETA = 2.0  # recall counts twice as much: sacrebleu's chrF2


class Chrf(OfWholeRows):
    """F2 of precision and recall, each averaged over n-grams of 1 to 6 characters; counts summed over rows.

    Worked example: target `abc`, answer `abd`. Of 3, 2 and 1 n-grams 2, 1 and 0 are shared: precision and
    recall are (2/3 + 1/2 + 0) / 3 = 0.3889, and so is F2.

    >>> from tuneworthy.metrics import worked_texts
    >>> worked_texts(PLUGIN, targets=["abc"], answers=["abd"])
    0.3889
    """

    name = "chrf"
    title = "chrF"
    best = 1.0
    worst = 0.0
    binary = False
    open = True

    def parts(
        self, predictions: Sequence[Prediction], targets: Sequence[str], labels: Sequence[str]
    ) -> Parts:
        """Shape [rows, 18]: n-grams written, in the reference, and shared, for each of six lengths.

        Raises ValueError on empty or unpaired input.
        """
        return corpus_parts("CHRF", predictions, targets)

    def value(self, sums: Parts) -> Parts:
        """The F-score from summed counts, shape [..., 18] -> [...], over the lengths that occur."""
        counts = sums.reshape(*sums.shape[:-1], -1, 3)
        written, wanted, shared = counts[..., 0], counts[..., 1], counts[..., 2]
        occurs = (written > 0) & (wanted > 0)
        orders = np.maximum(occurs.sum(-1), 1)
        precision = _over(shared, written, occurs).sum(-1) / orders
        recall = _over(shared, wanted, occurs).sum(-1) / orders
        under = BETA**2 * precision + recall
        return _over((1 + BETA**2) * precision * recall, under, under > 0)


def _over(over: Parts, under: Parts, where: NDArray[np.bool_]) -> Parts:
    return np.divide(over, under, out=np.zeros(np.shape(over)), where=where)


PLUGIN: Metric = Chrf()
