"""F1 of answers: how many tokens an answer shares with an acceptable one, by SQuAD's rules.

Bags of tokens, repeated ones counted; mean over rows of the best acceptable answer.

Worked example: target `the river Nile in Egypt` (4 tokens without the article), answer `Nile river` (2
tokens, both shared): precision 1, recall 1/2, F1 2/3.

>>> from tuneworthy.metrics import worked_texts
>>> worked_texts(PLUGIN, targets=["the river Nile in Egypt"], answers=["Nile river"])
0.6667
"""

from tuneworthy.metrics import Metric
from tuneworthy.metrics._answers import RowMean, best_of, overlap_f1

PLUGIN: Metric = RowMean(name="answer_f1", title="F1 of answers", score=best_of(overlap_f1))
