"""Exact record: the share of rows whose every field is right, none missing and none too many.

Case and white space do not count.

Worked example: two rows, one with every field right, one with a wrong day: 1 of 2.

>>> from tuneworthy.metrics import worked_texts
>>> rome, monday = '{"city": "Rome"}', '{"day": "Monday"}'
>>> worked_texts(PLUGIN, targets=[rome, monday], answers=['{"city": "ROME"}', '{"day": "Sunday"}'])
0.5
"""

from tuneworthy.metrics import Metric
from tuneworthy.metrics._answers import RowMean
from tuneworthy.metrics._records import pairs_of, record_of, wanted_record


def _same(answer: str, target: str) -> float:
    given, wanted = record_of(answer), wanted_record(target, record_of)
    return float(given is not None and pairs_of(given) == pairs_of(wanted))


PLUGIN: Metric = RowMean(name="exact_record", title="exact record", score=_same, binary=True)
