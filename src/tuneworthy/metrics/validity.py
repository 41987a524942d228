"""Validity: the share of answers that the task could read at all, right or wrong.

For records, those that are a JSON object.

Worked example: every answer in this notation is readable.

>>> from tuneworthy.metrics import worked_texts
>>> worked_texts(PLUGIN, targets=['{"a": "1"}'], answers=['{"a": "2"}'])
1.0
"""

from tuneworthy.metrics import Metric
from tuneworthy.metrics._answers import RowMean

PLUGIN: Metric = RowMean(name="validity", title="validity", score=lambda answer, target: 1.0, binary=True)
