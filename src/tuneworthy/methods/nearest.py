"""Nearest: the answer of the training row whose input is most like this one. What copying is worth."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import make_union

from tuneworthy.core.example import Example
from tuneworthy.core.frozen import Frozen
from tuneworthy.core.prediction import Prediction
from tuneworthy.core.unit import ArmKind, ModelRole
from tuneworthy.methods import Answers, Setting
from tuneworthy.methods._prompting import load_examples, save_examples
from tuneworthy.methods._traits import KeepsParameters
from tuneworthy.methods.tfidf import has_words
from tuneworthy.tasks._chats import gist


@dataclass
class FittedNearest:
    """The labelled rows, as TF-IDF vectors of words and of characters within words."""

    setting: Setting
    rows: list[Example]
    facts: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        texts = [gist(row.input) for row in self.rows]
        words = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, token_pattern=r"(?u)\b\w+\b")
        characters = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 4), sublinear_tf=True)
        self._view = make_union(*([words] if has_words(words, texts) else []), characters)
        self._known = self._view.fit_transform(texts)

    def predict(self, examples: Sequence[Example]) -> list[Prediction]:
        """The most similar row's answer by cosine; ties go to the first row."""
        if not examples:
            return []
        likeness = (self._view.transform([gist(row.input) for row in examples]) @ self._known.T).toarray()
        return [
            Prediction(example_id=row.id, value=self.setting.task.format(str(self.rows[int(i)].target)))
            for row, i in zip(examples, np.argmax(likeness, axis=1), strict=True)
        ]

    def save(self, folder: Path) -> None:
        """Writes the rows."""
        save_examples(folder / "rows.jsonl", self.rows)


class Nearest(KeepsParameters):
    """Copies the answer of the nearest training row."""

    name = "nearest"
    title = "answer of the nearest training row"
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
    ) -> FittedNearest:
        """Keeps train and validation rows: nothing is chosen."""
        return FittedNearest(setting, [*train, *validation])

    def load(self, setting: Setting, parameters: Parameters, folder: Path) -> FittedNearest:
        """Reads the rows."""
        return FittedNearest(setting, load_examples(folder / "rows.jsonl"))


PLUGIN = Nearest()
