"""Macro-F1: every label's F1 counts the same, however rare the label.

Mean over labels of 2tp / (2tp + fp + fn).

Averaged as scikit-learn does with `zero_division=0`: over the labels that occur in targets or answers.
An answer that is unparseable or failed is a false negative of its true label and nobody's false positive.

Worked example: targets `a a a b`, answers `a a b b`. Label a: tp 2, fp 0, fn 1, F1 4/5; label b: tp 1,
fp 1, fn 0, F1 2/3; macro-F1 (4/5 + 2/3) / 2 = 0.7333.

>>> from tuneworthy.metrics import worked
>>> worked(PLUGIN, targets="a a a b", answers="a a b b")
0.7333
"""

from tuneworthy.metrics import Metric
from tuneworthy.metrics._confusion import Macro, f1_of

PLUGIN: Metric = Macro(name="macro_f1", title="macro-F1", of=f1_of)
