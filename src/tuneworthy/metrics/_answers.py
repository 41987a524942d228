"""Targets with several acceptable answers, and SQuAD's rules for comparing an answer with them.

The rules are those of the official evaluation script of SQuAD 1.1 and 2.0 (Rajpurkar et al. 2016 and 2018):
lower case, punctuation and articles removed, single spaces; the best of the acceptable answers counts.
"""

import re
import string
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from tuneworthy.core.prediction import Prediction
from tuneworthy.core.strict_json import strict_json
from tuneworthy.metrics import Parts, check_lengths
from tuneworthy.metrics._traits import MeanOverRows

NO_ANSWER = "no answer"  # what is written where the text does not hold an answer
_ARTICLES = re.compile(r"\b(?:a|an|the)\b")
_PUNCTUATION = str.maketrans("", "", string.punctuation)


def alternatives(target: str) -> list[str]:
    """The acceptable answers: a target is one, or a JSON list of them; an empty list means no answer.

    >>> alternatives("Paris"), alternatives('["Paris", "in Paris"]'), alternatives("[]")
    (['Paris'], ['Paris', 'in Paris'], ['no answer'])
    """
    if target.startswith("[") and target.endswith("]"):
        try:
            found = strict_json(target)
        except ValueError:
            return [target]
        if isinstance(found, list) and all(isinstance(one, str) for one in found):
            return [one for one in found if one.strip()] or [NO_ANSWER]
    return [target]


def squad_normalised(text: str) -> str:
    """What SQuAD compares.

    >>> squad_normalised("The  Eiffel-Tower, a landmark!")
    'eiffeltower landmark'
    """
    lowered = text.lower().translate(_PUNCTUATION)
    plain = " ".join(_ARTICLES.sub(" ", lowered).split())
    return "" if plain == NO_ANSWER else plain


def exact(answer: str, gold: str) -> float:
    """1 when both are the same after normalisation."""
    return float(squad_normalised(answer) == squad_normalised(gold))


def overlap_f1(answer: str, gold: str) -> float:
    """F1 of the two bags of tokens; when either is empty, 1 if both are."""
    ours, theirs = squad_normalised(answer).split(), squad_normalised(gold).split()
    if not ours or not theirs:
        return float(ours == theirs)
    same = (Counter(ours) & Counter(theirs)).total()
    if not same:
        return 0.0
    precision, recall = same / len(ours), same / len(theirs)
    return 2 * precision * recall / (precision + recall)


def best_of(score: Callable[[str, str], float]) -> Callable[[str, str], float]:
    """The score against a target's likest alternative."""
    return lambda answer, target: max(score(answer, gold) for gold in alternatives(target))


@dataclass(frozen=True, slots=True)
class RowMean(MeanOverRows):
    """A metric that is the mean over rows of a score between 0 and 1; unparseable and failed answers score 0.

    Attributes:
        name, title: as every metric has them.
        score: of an answer against the row's target.
        binary: True when the score is 0 or 1.
    """

    name: str
    title: str
    score: Callable[[str, str], float]
    binary: bool = False
    best: float = 1.0
    worst: float = 0.0
    open: bool = True

    def parts(
        self, predictions: Sequence[Prediction], targets: Sequence[str], labels: Sequence[str]
    ) -> Parts:
        """Shape [rows, 2]: the score, and 1 for the row.

        Raises ValueError on empty or unpaired input, and on a target that the score cannot read.
        """
        check_lengths(predictions, targets)
        found = [
            self.score(prediction.value, target)
            if prediction.status == "parsed" and prediction.value is not None
            else 0.0
            for prediction, target in zip(predictions, targets, strict=True)
        ]
        return np.column_stack([np.array(found), np.ones(len(found))])
