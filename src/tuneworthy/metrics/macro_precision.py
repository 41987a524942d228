"""Macro-precision: of the rows given a label, how many bear it; every label counts the same.

Mean over labels of tp / (tp + fp).

Averaged as scikit-learn does with `zero_division=0`: over the labels that occur in targets or answers.
An answer that is unparseable or failed is a false negative of its true label and nobody's false positive.

Worked example: targets `a a a b`, answers `a a b b`. Label a: 2 of 2; label b: 1 of 2; mean 0.75.

>>> from tuneworthy.metrics import worked
>>> worked(PLUGIN, targets="a a a b", answers="a a b b")
0.75
"""

from tuneworthy.metrics import Metric
from tuneworthy.metrics._confusion import Macro, precision_of

PLUGIN: Metric = Macro(name="macro_precision", title="macro-precision", of=precision_of)
