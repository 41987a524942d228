"""F1 of answers: how many tokens an answer shares with an acceptable one, by SQuAD's rules."""

from collections.abc import Sequence

from tuneworthy.core.prediction import Prediction
from tuneworthy.metrics import Metric, Parts
from tuneworthy.metrics._answers import mean_parts, mean_value, overlap_f1


class AnswerF1:
    """Bags of tokens, repeated ones counted; mean over rows of the best acceptable answer.

    Worked example: target `the river Nile in Egypt` (4 tokens without the article), answer `Nile river` (2
    tokens, both shared): precision 1, recall 1/2, F1 2/3.

    >>> from tuneworthy.metrics import worked_texts
    >>> worked_texts(PLUGIN, targets=["the river Nile in Egypt"], answers=["Nile river"])
    0.6667
    """

    name = "answer_f1"
    title = "F1 of answers"
    best = 1.0
    worst = 0.0
    binary = False
    open = True

    def parts(
        self, predictions: Sequence[Prediction], targets: Sequence[str], labels: Sequence[str]
    ) -> Parts:
        """Shape [rows, 2]: the score, and 1 for the row. Raises ValueError on empty or unpaired input."""
        return mean_parts(predictions, targets, overlap_f1)

    def value(self, sums: Parts) -> Parts:
        """Mean over rows, shape [..., 2] -> [...]."""
        return mean_value(sums)

    def per_label(self, sums: Parts, labels: Sequence[str]) -> dict[str, Parts]:
        """Empty: answers are no labels."""
        return {}


PLUGIN: Metric = AnswerF1()
