"""TF-IDF ridge: words and character n-grams into a ridge regression."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sklearn.pipeline import Pipeline

from tuneworthy.core.example import Example
from tuneworthy.core.frozen import Frozen
from tuneworthy.core.prediction import Prediction
from tuneworthy.core.unit import ArmKind, ModelRole
from tuneworthy.methods import Answers, Setting
from tuneworthy.methods._ridge import fit_ridge, to_answers
from tuneworthy.methods._saved import load_fitted, save_fitted
from tuneworthy.methods._traits import AnswersNumbers, KeepsParameters
from tuneworthy.methods.tfidf import vectoriser


@dataclass
class FittedTfidfRidge:
    """A fitted scikit-learn pipeline."""

    pipeline: Pipeline
    labels: tuple[str, ...]
    facts: dict[str, Any] = field(default_factory=dict)

    def predict(self, examples: Sequence[Example]) -> list[Prediction]:
        """A number per row."""
        if not examples:
            return []
        numbers = self.pipeline.predict([row.input for row in examples])
        return to_answers(examples, numbers, self.labels)

    def save(self, folder: Path) -> None:
        """Writes one skops file: no pickle."""
        save_fitted(self.pipeline, folder / "tfidf.skops")


class TfidfRidge(AnswersNumbers, KeepsParameters):
    """Word and character n-grams, ridge regression; the penalty by leave-one-out error."""

    name = "tfidf_ridge"
    title = "TF-IDF + ridge regression"
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
    ) -> FittedTfidfRidge:
        """Fits on train and validation rows."""
        rows = [*train, *validation]
        texts = [row.input for row in rows]
        features = vectoriser(texts)
        ridge = fit_ridge(features.fit_transform(texts).toarray(), rows)
        pipeline = Pipeline([("features", features), ("ridge", ridge)])
        return FittedTfidfRidge(pipeline, setting.labels, {"penalty": float(ridge.alpha_)})

    def load(self, setting: Setting, parameters: Parameters, folder: Path) -> FittedTfidfRidge:
        """Reads the skops file."""
        return FittedTfidfRidge(load_fitted(folder / "tfidf.skops"), setting.labels)


PLUGIN = TfidfRidge()
