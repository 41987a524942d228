"""Macro-F1 of label sets: every label counts the same, however rare.

Mean of 2tp / (2tp + fp + fn) over the labels that occur in targets or answers.

Worked example: targets `late; rude` and `late`, answers `late` twice: late 1, rude 0, mean 1/2.

>>> from tuneworthy.metrics import worked_texts
>>> worked_texts(PLUGIN, targets=["late; rude", "late"], answers=["late", "late"])
0.5
"""

from tuneworthy.metrics import Metric
from tuneworthy.metrics._records import MacroPairF1
from tuneworthy.metrics._sets import as_record

PLUGIN: Metric = MacroPairF1(name="set_macro_f1", title="macro-F1 of labels", read=as_record)
