"""TF-IDF one-vs-rest: n-grams of words and characters into a logistic regression for each label."""

from collections.abc import Sequence
from pathlib import Path

from sklearn.pipeline import Pipeline

from tuneworthy.core.example import Example
from tuneworthy.core.unit import ModelRole
from tuneworthy.methods import Setting
from tuneworthy.methods._label_sets import truth_of
from tuneworthy.methods._one_vs_rest import (
    FittedOneVsRest,
    OneVsRestMethod,
    OneVsRestParameters,
    choose,
    fit_classifiers,
    load_one_vs_rest,
)
from tuneworthy.methods.tfidf import n_grams, vectoriser


class TfidfOneVsRest(OneVsRestMethod):
    """Word and character n-grams; penalty and thresholds are chosen on inner folds."""

    name = "tfidf_one_vs_rest"
    title = "TF-IDF + a linear classifier for each label"
    models: tuple[ModelRole, ...] = ()

    def fit(
        self,
        setting: Setting,
        parameters: OneVsRestParameters,
        train: Sequence[Example],
        validation: Sequence[Example],
    ) -> FittedOneVsRest:
        """Fits on train and validation rows: the inner folds need no validation rows of their own."""
        rows = [*train, *validation]
        texts = [row.input for row in rows]
        penalty, thresholds, facts = choose(setting, parameters, rows, n_grams(texts))
        features = vectoriser(texts)
        classifiers = fit_classifiers(penalty, features.fit_transform(texts), truth_of(rows, setting.labels))
        pipeline = Pipeline([("features", features), ("classifiers", classifiers)])
        return FittedOneVsRest(list, pipeline, setting.labels, thresholds, facts)

    def load(self, setting: Setting, parameters: OneVsRestParameters, folder: Path) -> FittedOneVsRest:
        """Reads classifiers and thresholds."""
        return load_one_vs_rest(folder, setting.labels, list)


PLUGIN = TfidfOneVsRest()
