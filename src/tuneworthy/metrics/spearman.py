"""Spearman's rank correlation: whether answers order the rows as the targets do.

Pearson's correlation of the ranks, ties at their mean rank; 0 where all answers are the same. Ranks are those
among all the rows: a resample keeps them.

Worked example: targets 1 2 3, answers 10 30 20: ranks 1 2 3 and 1 3 2, correlation 1/2.

>>> from tuneworthy.metrics import worked_texts
>>> worked_texts(PLUGIN, targets=["1", "2", "3"], answers=["10", "30", "20"])
0.5
"""

import numpy as np
from scipy.stats import rankdata

from tuneworthy.metrics import Metric
from tuneworthy.metrics._numbers import Agreement

PLUGIN: Metric = Agreement(
    name="spearman",
    title="Spearman's rank correlation",
    seen=lambda given, wanted: (rankdata(given), rankdata(wanted)),
    over=lambda given, wanted, both, shift: both,
    under=lambda given, wanted, both, shift: np.sqrt(np.maximum(given * wanted, 0.0)),
)
