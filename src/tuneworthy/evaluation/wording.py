"""How an arm writes: how long, how much of it is new, and how much is copied from the input."""

import re
from collections.abc import Sequence
from itertools import pairwise
from typing import TypedDict

import numpy as np

from tuneworthy.core.example import Example
from tuneworthy.core.prediction import Prediction
from tuneworthy.evaluation.rows import rows_of
from tuneworthy.metrics._answers import alternatives

RUN = 3  # words in a row that both texts have are a copy: fewer are the language's own
TASKS_OF_PROSE = ("summarization", "text-generation")
_WORDS = re.compile(r"\w+")


class Wording(TypedDict):
    """Means over the answers that have words.

    `words` is their number; `novel` the share of neighbouring words that the input has not in a row (See
    et al. 2017); `copied` the share of words in runs of three or more that the input has too (the extractive
    fragments of Grusky et al. 2018, short ones left out).
    """

    words: float
    novel: float
    copied: float


def wordings(predictions: dict[str, Sequence[Prediction]], examples: Sequence[Example]) -> dict[str, Wording]:
    """The wording of each arm's answers, and of the first acceptable answer under "reference"."""
    rows = rows_of(examples)
    inputs = [example.input for example in sorted(examples, key=lambda example: example.id)]
    texts = {"reference": [alternatives(target)[0] for target in rows.targets]}
    for method, found in predictions.items():
        texts[method] = [p.value or "" for p in rows.order(found)]
    return {name: wording(answers, inputs) for name, answers in texts.items()}


def wording(answers: Sequence[str], inputs: Sequence[str]) -> Wording:
    """Means over the answers that have words; zeros where none has.

    >>> wording(["the parcel is late again"], ["Hello, the parcel is late."])
    {'words': 5.0, 'novel': 0.25, 'copied': 0.8}
    """
    found = [
        _of_one(own, _WORDS.findall(text.casefold()))
        for answer, text in zip(answers, inputs, strict=True)
        if (own := _WORDS.findall(answer.casefold()))
    ]
    words, novel, copied = (round(float(x), 4) for x in np.mean(found or [(0, 0, 0)], axis=0))
    return {"words": words, "novel": novel, "copied": copied}


def _of_one(answer: Sequence[str], text: Sequence[str]) -> tuple[float, float, float]:
    pairs = list(pairwise(answer))
    known = set(pairwise(text))
    novel = sum(pair not in known for pair in pairs) / len(pairs) if pairs else 0.0
    runs = {tuple(text[i : i + RUN]) for i in range(len(text) - RUN + 1)}
    copied = {
        i + k for i in range(len(answer) - RUN + 1) if tuple(answer[i : i + RUN]) in runs for k in range(RUN)
    }
    return float(len(answer)), novel, len(copied) / len(answer)
