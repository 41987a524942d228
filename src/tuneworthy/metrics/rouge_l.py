"""ROUGE-L: overlap with a reference (Lin 2004), as the rouge-score package computes it.

F1 without stemming; mean over rows of the best reference.

Worked example: target `the cat sat`, answer `the cat ran`: the longest common subsequence
has two of three words, F1 2/3.

>>> from tuneworthy.metrics import worked_texts
>>> worked_texts(PLUGIN, targets=["the cat sat"], answers=["the cat ran"])
0.6667
"""

from tuneworthy.metrics import Metric
from tuneworthy.metrics._answers import RowMean, best_of
from tuneworthy.metrics._rouge import rouge

PLUGIN: Metric = RowMean(name="rouge_l", title="ROUGE-L", score=best_of(rouge("rougeL")))
