"""TF-IDF: words and character n-grams into a logistic regression. Cheap, old, and hard to beat."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import skops.io
from numpy.typing import NDArray
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import FeatureUnion, Pipeline

from tuneworthy.core.example import Example
from tuneworthy.core.prediction import Prediction
from tuneworthy.core.unit import ModelRole
from tuneworthy.methods import Setting
from tuneworthy.methods import _linear as linear


def vectoriser() -> FeatureUnion:
    """Word 1-2-grams and char_wb 2-5-grams, sublinear term frequency, each block of unit length."""
    return FeatureUnion(
        [
            ("words", TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, strip_accents="unicode")),
            ("characters", TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), sublinear_tf=True)),
        ]
    )


def n_grams(texts: Sequence[str]) -> linear.Featurise:
    """The texts' n-grams for inner folds: vocabulary and weights are those of the fitted rows."""

    def featurise(fit_rows: NDArray[np.intp], held_rows: NDArray[np.intp]) -> tuple[Any, Any]:
        union = vectoriser()
        fitted = union.fit_transform([texts[i] for i in fit_rows])
        return fitted, union.transform([texts[i] for i in held_rows])

    return featurise


@dataclass
class FittedTfidf:
    """A fitted scikit-learn pipeline."""

    pipeline: Pipeline
    labels: tuple[str, ...]
    facts: dict[str, Any] = field(default_factory=dict)

    def predict(self, examples: Sequence[Example]) -> list[Prediction]:
        """Label and probabilities per row."""
        if not examples:
            return []
        table = np.zeros((len(examples), len(self.labels)))
        columns = [self.labels.index(label) for label in self.pipeline.classes_]
        table[:, columns] = self.pipeline.predict_proba([row.input for row in examples])
        return linear.to_predictions([row.id for row in examples], table, self.labels)

    def save(self, folder: Path) -> None:
        """Writes one skops file: no pickle."""
        skops.io.dump(self.pipeline, folder / "tfidf.skops")


class Tfidf(linear.LinearMethod):
    """Word and character n-grams, logistic regression; C and class weights by inner cross-validation."""

    name = "tfidf"
    title = "TF-IDF + logistic regression"
    models: tuple[ModelRole, ...] = ()

    def fit(
        self,
        setting: Setting,
        parameters: linear.LinearParameters,
        train: Sequence[Example],
        validation: Sequence[Example],
    ) -> FittedTfidf:
        """Fits on train and validation rows: the inner folds need no validation rows of their own."""
        rows = [*train, *validation]
        texts = [row.input for row in rows]
        targets = [str(row.target) for row in rows]
        facts = linear.settled(setting, parameters, targets, n_grams(texts))
        regression = linear.new_regression(facts["C"], facts["class_weight"])
        pipeline = Pipeline([("features", vectoriser()), ("regression", regression)])
        features = pipeline[0].fit_transform(texts)
        linear.fit_quietly(regression, features, targets)
        facts["features"] = int(features.shape[1])
        return FittedTfidf(pipeline, setting.labels, facts)

    def load(self, setting: Setting, parameters: linear.LinearParameters, folder: Path) -> FittedTfidf:
        """Reads the skops file."""
        return FittedTfidf(linear.load_fitted(folder / "tfidf.skops"), setting.labels)


PLUGIN = Tfidf()
