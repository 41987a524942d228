"""ROUGE-2: overlap with a reference (Lin 2004), as the rouge-score package computes it.

F1 without stemming; mean over rows of the best reference.

Worked example: target `the cat sat`, answer `the cat ran`: one of two pairs of words is
shared, F1 1/2.

>>> from tuneworthy.metrics import worked_texts
>>> worked_texts(PLUGIN, targets=["the cat sat"], answers=["the cat ran"])
0.5
"""

from tuneworthy.metrics import Metric
from tuneworthy.metrics._answers import RowMean, best_of
from tuneworthy.metrics._rouge import rouge

PLUGIN: Metric = RowMean(name="rouge_2", title="ROUGE-2", score=best_of(rouge("rouge2")))
