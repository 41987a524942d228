"""Entity F1: how many entities are found with the right words and the right type, over all rows.

Where every entity's words occur once in a text this is seqeval's micro-F1 of whole entities; it does not see
which of two equal mentions was meant. Case and white space do not count.

Worked example: target city Rome, person Ada; answer city Rome, city Ada: tp 1, fp 1, fn 1, F1 1/2.

>>> from tuneworthy.metrics import worked_texts
>>> worked_texts(PLUGIN, targets=["city: Rome; person: Ada"], answers=["city: Rome; city: Ada"])
0.5
"""

from tuneworthy.metrics import Metric
from tuneworthy.metrics._entities import as_record
from tuneworthy.metrics._records import PairF1

PLUGIN: Metric = PairF1(name="entity_f1", title="F1 of entities", read=as_record)
