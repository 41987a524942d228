"""Sentence: the sentence of the context that has most words in common with the question."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from math import log
from pathlib import Path
from typing import Any

from tuneworthy.core.example import Example
from tuneworthy.core.frozen import Frozen
from tuneworthy.core.prediction import Prediction
from tuneworthy.core.unit import ArmKind, ModelRole
from tuneworthy.methods import Answers, Setting
from tuneworthy.methods._sentences import sentences
from tuneworthy.methods._traits import AnswersSentences, KeepsParameters

_WORDS = re.compile(r"\w+")


@dataclass
class FittedSentence:
    """Nothing is learned."""

    facts: dict[str, Any] = field(default_factory=dict)

    def predict(self, examples: Sequence[Example]) -> list[Prediction]:
        """One sentence for each row; ties go to the first."""
        return [Prediction(example_id=row.id, value=_best(row.input)) for row in examples]

    def save(self, folder: Path) -> None:
        """Nothing to write."""


class Sentence(KeepsParameters, AnswersSentences):
    """Retrieval by words alone: what an answer is worth that only says where to look."""

    name = "sentence"
    title = "best-overlap sentence"
    kind: ArmKind = "classifier"
    models: tuple[ModelRole, ...] = ()
    answers: Answers = "texts"

    class Parameters(Frozen):
        """None."""

    def fit(
        self,
        setting: Setting,
        parameters: Parameters,
        train: Sequence[Example],
        validation: Sequence[Example],
    ) -> FittedSentence:
        """Nothing is fitted."""
        return FittedSentence()

    def load(self, setting: Setting, parameters: Parameters, folder: Path) -> FittedSentence:
        """Nothing to read."""
        return FittedSentence()


def _best(input: str) -> str:
    """The question is the line that ends in a question mark or is called so, else the first line."""
    lines = [line for line in input.splitlines() if line.strip()]
    asks = [line for line in lines if line.lower().startswith("question") or line.rstrip().endswith("?")]
    question = asks[0] if asks else lines[0]
    pieces = [piece for line in lines if line is not question for piece in sentences(line)]
    pieces = [re.sub(r"^(?:context|passage|text|document): ", "", piece) for piece in pieces] or lines
    asked = set(_WORDS.findall(question.lower()))
    bags = [set(_WORDS.findall(piece.lower())) for piece in pieces]
    weight = {word: log(1 + len(bags) / (1 + sum(word in bag for bag in bags))) for word in asked}
    scores = [sum(weight[word] for word in asked & bag) for bag in bags]
    return pieces[max(range(len(pieces)), key=scores.__getitem__)]


PLUGIN = Sentence()
