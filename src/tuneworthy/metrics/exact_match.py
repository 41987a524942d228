"""Exact match: the share of answers that equal an acceptable one, by SQuAD's rules.

Equal after lower-casing and removing punctuation, articles and extra spaces.

Worked example: targets `The Nile`, `42 km`; answers `nile.`, `42`: 1 of 2.

>>> from tuneworthy.metrics import worked_texts
>>> worked_texts(PLUGIN, targets=["The Nile", "42 km"], answers=["nile.", "42"])
0.5
"""

from tuneworthy.metrics import Metric
from tuneworthy.metrics._answers import RowMean, best_of, exact

PLUGIN: Metric = RowMean(name="exact_match", title="exact match", score=best_of(exact), binary=True)
