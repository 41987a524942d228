"""TF-IDF: words and character n-grams into a logistic regression. Cheap, old, and hard to beat."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import FeatureUnion, Pipeline

from tuneworthy.core.example import Example
from tuneworthy.core.prediction import Prediction
from tuneworthy.core.unit import ModelRole
from tuneworthy.methods import Setting
from tuneworthy.methods import _linear as linear
from tuneworthy.methods._saved import load_fitted, save_fitted


def vectoriser(texts: Sequence[str]) -> FeatureUnion:
    """Word 1-2-grams and char_wb 2-5-grams, sublinear term frequency, each block of unit length.

    To be fitted on these texts: without a word of two characters in any of them, there are characters alone.
    """
    words = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, strip_accents="unicode")
    characters = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), sublinear_tf=True)
    return FeatureUnion(
        [*([("words", words)] if has_words(words, texts) else []), ("characters", characters)]
    )


def has_words(words: TfidfVectorizer, texts: Sequence[str]) -> bool:
    """Whether its pattern matches in any text; fitted on emoji or single letters alone it would fail."""
    analyse = words.build_analyzer()
    return any(analyse(text) for text in texts)


def n_grams(texts: Sequence[str]) -> linear.Featurise:
    """The texts' n-grams for inner folds: vocabulary and weights are those of the fitted rows."""

    def featurise(fit_rows: NDArray[np.intp], held_rows: NDArray[np.intp]) -> tuple[Any, Any]:
        known = [texts[i] for i in fit_rows]
        union = vectoriser(known)
        fitted = union.fit_transform(known)
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
        save_fitted(self.pipeline, folder / "tfidf.skops")


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
        facts = linear.settled(setting, parameters, rows, n_grams(texts))
        n_grams_of = vectoriser(texts)
        features = n_grams_of.fit_transform(texts)
        regression = linear.new_regression(facts["C"], facts["class_weight"])
        fitted = linear.fit_quietly(regression, features, targets)
        facts["features"] = int(features.shape[1])
        pipeline = Pipeline([("features", n_grams_of), ("regression", fitted)])
        return FittedTfidf(pipeline, setting.labels, facts)

    def load(self, setting: Setting, parameters: linear.LinearParameters, folder: Path) -> FittedTfidf:
        """Reads the skops file."""
        return FittedTfidf(load_fitted(folder / "tfidf.skops"), setting.labels)


PLUGIN = Tfidf()
