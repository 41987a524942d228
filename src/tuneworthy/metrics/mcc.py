"""Matthews' correlation: agreement of answers and labels beyond what their frequencies explain."""

from collections.abc import Sequence

import numpy as np

from tuneworthy.core.prediction import Prediction
from tuneworthy.metrics import Metric, Parts, check_lengths, columns_of
from tuneworthy.metrics._traits import OfWholeRows


class Mcc(OfWholeRows):
    """R_K of Gorodkin (2004), for any number of labels: scikit-learn's `matthews_corrcoef`.

    (right x rows - sum of answered x true) / sqrt((rows^2 - sum answered^2) (rows^2 - sum true^2)); 0 where
    answers or targets do not vary. An unparseable answer is a label of its own.

    Worked example: targets `a a b b`, answers `a b b b`: (3 x 4 - (1 x 2 + 3 x 2)) / sqrt(6 x 8) = 0.5774.

    >>> from tuneworthy.metrics import worked
    >>> worked(PLUGIN, targets="a a b b", answers="a b b b")
    0.5774
    """

    name = "mcc"
    title = "Matthews correlation"
    best = 1.0
    worst = -1.0
    binary = False
    open = False

    def parts(
        self, predictions: Sequence[Prediction], targets: Sequence[str], labels: Sequence[str]
    ) -> Parts:
        """Shape [rows, 2 (K + 1) + 1]: which label was answered, which is true, and whether they agree.

        Raises ValueError on empty or unpaired input, and on a target that is not among `labels`.
        """
        check_lengths(predictions, targets)
        column = columns_of(labels, targets)
        width = len(labels) + 1
        parts = np.zeros((len(targets), 2 * width + 1))
        for row, (prediction, target) in enumerate(zip(predictions, targets, strict=True)):
            answer = prediction.value if prediction.status == "parsed" else None
            parts[row, column.get(answer or "", len(labels))] = 1.0
            parts[row, width + column[target]] = 1.0
            parts[row, -1] = float(answer == target)
        return parts

    def value(self, sums: Parts) -> Parts:
        """The correlation from summed parts, shape [..., 2 (K + 1) + 1] -> [...]."""
        width = sums.shape[-1] // 2
        answered, true, right = sums[..., :width], sums[..., width : 2 * width], sums[..., -1]
        rows = true.sum(-1)
        over = right * rows - (answered * true).sum(-1)
        under = np.sqrt((rows**2 - (answered**2).sum(-1)) * (rows**2 - (true**2).sum(-1)))
        found: Parts = np.divide(over, under, out=np.zeros(np.shape(over)), where=under > 0)
        return found


PLUGIN: Metric = Mcc()
