"""Macro-recall (balanced accuracy when every label occurs): every label counts the same.

Mean over labels of tp / (tp + fn).

Averaged as scikit-learn does with `zero_division=0`: over the labels that occur in targets or answers.
An answer that is unparseable or failed is a false negative of its true label and nobody's false positive.

Worked example: targets `a a a b`, answers `a a b b`. Label a: 2 of 3; label b: 1 of 1; mean 0.8333.

>>> from tuneworthy.metrics import worked
>>> worked(PLUGIN, targets="a a a b", answers="a a b b")
0.8333
"""

from tuneworthy.metrics import Metric
from tuneworthy.metrics._confusion import Macro, recall_of

PLUGIN: Metric = Macro(name="macro_recall", title="macro-recall", of=recall_of)
