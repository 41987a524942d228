"""Field F1: how many (field, value) pairs of the records are right, over all rows.

A list's items are pairs of their own; case and white space do not count.

Worked example: target city Rome, day Monday; answer city Rome, day Sunday: tp 1, fp 1, fn 1, F1 1/2.

>>> from tuneworthy.metrics import worked_texts
>>> target, answer = '{"city": "Rome", "day": "Monday"}', '{"city": "rome", "day": "Sunday"}'
>>> worked_texts(PLUGIN, targets=[target], answers=[answer])
0.5
"""

from tuneworthy.metrics import Metric
from tuneworthy.metrics._records import PairF1, record_of

PLUGIN: Metric = PairF1(name="field_f1", title="F1 of fields", read=record_of)
