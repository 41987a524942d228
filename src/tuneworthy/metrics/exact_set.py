"""Exact set: the share of rows whose labels are all right, none missing and none too many.

Scikit-learn's subset accuracy.

Worked example: targets `late; rude` and `late`, answers `rude; late` and `none`: 1 of 2.

>>> from tuneworthy.metrics import worked_texts
>>> worked_texts(PLUGIN, targets=["late; rude", "late"], answers=["rude; late", "none"])
0.5
"""

from tuneworthy.metrics import Metric
from tuneworthy.metrics._answers import RowMean
from tuneworthy.metrics._sets import labels_of


def _same(answer: str, target: str) -> float:
    return float(labels_of(answer) == labels_of(target))


PLUGIN: Metric = RowMean(name="exact_set", title="exact set", score=_same, binary=True)
