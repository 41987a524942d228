"""BLEU: precision of word n-grams (Papineni et al. 2002), as sacrebleu computes it over all rows."""

from collections.abc import Sequence

import numpy as np

from tuneworthy.core.prediction import Prediction
from tuneworthy.metrics import Metric, Parts
from tuneworthy.metrics._sacrebleu import corpus_parts
from tuneworthy.metrics._traits import OfWholeRows

ORDERS = 4


class Bleu(OfWholeRows):
    """Geometric mean of the precisions of 1 to 4 words, times a penalty for brevity; counts summed over rows.

    Tokens are sacrebleu's 13a; a precision of 0 is smoothed exponentially, also as there.

    Worked example: target `a b c d e`, answer `a b c d x`: precisions 4/5, 3/4, 2/3 and 1/2, lengths equal,
    so the fourth root of 1/5.

    >>> from tuneworthy.metrics import worked_texts
    >>> worked_texts(PLUGIN, targets=["a b c d e"], answers=["a b c d x"])
    0.6687
    """

    name = "bleu"
    title = "BLEU"
    best = 1.0
    worst = 0.0
    binary = False
    open = True

    def parts(
        self, predictions: Sequence[Prediction], targets: Sequence[str], labels: Sequence[str]
    ) -> Parts:
        """Shape [rows, 10]: tokens written and wanted, then shared and written n-grams of each length.

        Raises ValueError on empty or unpaired input.
        """
        return corpus_parts("BLEU", predictions, targets)

    def value(self, sums: Parts) -> Parts:
        """BLEU from summed counts, shape [..., 10] -> [...]; 0 where nothing of some length was written."""
        written, wanted = sums[..., 0], sums[..., 1]
        shared, tried = sums[..., 2 : 2 + ORDERS], sums[..., 2 + ORDERS :]
        misses = np.cumsum((shared == 0) & (tried > 0), axis=-1)
        smoothed = np.where(shared > 0, shared, 0.5**misses)
        precision = np.divide(smoothed, tried, out=np.zeros(tried.shape), where=tried > 0)
        whole = (tried > 0).all(-1) & (shared > 0).any(-1)
        logs = np.log(np.where(precision > 0, precision, 1.0)).mean(-1)
        short = np.divide(wanted, written, out=np.ones(np.shape(written)), where=written > 0)
        penalty = np.exp(np.minimum(0.0, 1 - short))
        return np.where(whole, penalty * np.exp(logs), 0.0)


PLUGIN: Metric = Bleu()
