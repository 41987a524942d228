"""Quadratic weighted kappa: agreement on an ordered scale beyond chance, far misses counting most.

1 - mean squared distance / the one expected of independent answers (Cohen 1968). Where all targets are whole
numbers answers are rounded to whole ones, and it is scikit-learn's `cohen_kappa_score(weights="quadratic")`;
elsewhere it is Lin's (1989) concordance correlation. 0 where nothing varies.

Worked example: targets 1 2 3, answers 1 2 2: distances 0 0 1, mean 1/3; expected 10/9 less what the means
share; 1 - (1/3) / (8/9 + 1/9) = 0.6667.

>>> from tuneworthy.metrics import worked_texts
>>> worked_texts(PLUGIN, targets=["1", "2", "3"], answers=["1", "2", "2"])
0.6667
"""

import numpy as np

from tuneworthy.metrics import Metric
from tuneworthy.metrics._numbers import Agreement, Numbers


def _on_the_scale(given: Numbers, wanted: Numbers) -> tuple[Numbers, Numbers]:
    whole = bool((wanted == np.round(wanted)).all())
    return (np.floor(given + 0.5) if whole else given), wanted


PLUGIN: Metric = Agreement(
    name="quadratic_kappa",
    title="quadratic weighted kappa",
    seen=_on_the_scale,
    over=lambda given, wanted, both, shift: 2 * both,
    under=lambda given, wanted, both, shift: given + wanted + shift,
)
