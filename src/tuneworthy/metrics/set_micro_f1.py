"""Micro-F1 of label sets: every label of every row counts once, as scikit-learn's micro average does.

Worked example: target `late; damaged`, answer `late; rude`: tp 1, fp 1, fn 1, F1 1/2.

>>> from tuneworthy.metrics import worked_texts
>>> worked_texts(PLUGIN, targets=["late; damaged"], answers=["late; rude"])
0.5
"""

from tuneworthy.metrics import Metric
from tuneworthy.metrics._records import PairF1
from tuneworthy.metrics._sets import as_record

PLUGIN: Metric = PairF1(name="set_micro_f1", title="micro-F1 of labels", read=as_record)
