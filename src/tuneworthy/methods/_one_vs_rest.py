"""One-vs-rest: a logistic regression for each label, shared by TF-IDF, frozen embeddings and SetFit's."""

import json
import statistics
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field
from sklearn.multiclass import OneVsRestClassifier

from tuneworthy.core.example import Example
from tuneworthy.core.frozen import Frozen
from tuneworthy.core.prediction import Prediction
from tuneworthy.core.unit import ArmKind
from tuneworthy.methods import Answers, Setting
from tuneworthy.methods._inner_folds import plain_folds
from tuneworthy.methods._label_sets import (
    Flags,
    Table,
    Threshold,
    answers,
    asked_thresholds,
    choose_thresholds,
    frozen_thresholds,
    log_loss,
    named,
    shared_threshold,
    threshold_field,
    truth_of,
)
from tuneworthy.methods._linear import Featurise, new_regression, row_space
from tuneworthy.methods._saved import load_fitted, save_fitted
from tuneworthy.methods._traits import AnswersLabelSets

GRID_C = (1.0, 10.0, 100.0)
FILE = "one_vs_rest"


class OneVsRestParameters(Frozen):
    """Both are chosen on inner folds when absent."""

    C: float | None = Field(None, gt=0, description="inverse penalty; default: chosen among 1, 10, 100")
    threshold: Threshold | None = threshold_field("inner folds")


@dataclass
class FittedOneVsRest:
    """Classifiers of features, and the threshold of each label."""

    features: Callable[[list[str]], Any]
    classifier: Any  # what scikit-learn fitted: features to probabilities
    labels: tuple[str, ...]
    thresholds: Table
    facts: dict[str, Any] = field(default_factory=dict)

    def predict(self, examples: Sequence[Example]) -> list[Prediction]:
        """Every label whose probability reaches its threshold."""
        if not examples:
            return []
        return answers(examples, self.probabilities(examples) >= self.thresholds, self.labels)

    def probabilities(self, examples: Sequence[Example]) -> Table:
        """Of each label, shape [rows, labels]."""
        return np.asarray(self.classifier.predict_proba(self.features([row.input for row in examples])))

    def save(self, folder: Path) -> None:
        """Writes one skops file, no pickle, and the thresholds."""
        save_fitted(self.classifier, folder / f"{FILE}.skops")
        (folder / f"{FILE}.json").write_text(
            json.dumps(named(self.thresholds, self.labels), ensure_ascii=False), encoding="utf-8"
        )


def load_one_vs_rest(
    folder: Path, labels: tuple[str, ...], features: Callable[[list[str]], Any]
) -> FittedOneVsRest:
    """Classifiers and thresholds from their files."""
    stored = json.loads((folder / f"{FILE}.json").read_text(encoding="utf-8"))
    thresholds = np.array([stored[label] for label in labels])
    return FittedOneVsRest(features, load_fitted(folder / f"{FILE}.skops"), labels, thresholds)


def fit_classifiers(penalty: float, features: Any, truth: Flags) -> OneVsRestClassifier:
    """A logistic regression for each label; one that all rows have, or none, is as sure as it looked."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # such a label, and an optimiser not quite at its end
        return OneVsRestClassifier(new_regression(penalty, None)).fit(features, truth.astype(int))


def choose(
    setting: Setting, parameters: OneVsRestParameters, rows: Sequence[Example], featurise: Featurise
) -> tuple[float, Table, dict[str, Any]]:
    """Penalty and thresholds, and the facts of their choice.

    The penalty by the primary metric of out-of-fold answers at the threshold all labels share, ties by
    log-loss; then the thresholds, on the chosen penalty's out-of-fold probabilities.
    """
    asked = asked_thresholds(parameters.threshold, setting.labels)
    if parameters.C is not None and asked is not None:
        return parameters.C, asked, {"C": parameters.C, "threshold": named(asked, setting.labels)}
    truth = truth_of(rows, setting.labels)
    grid = GRID_C if parameters.C is None else (parameters.C,)
    tables: dict[float, Table] = {penalty: np.zeros(truth.shape) for penalty in grid}
    folds = plain_folds(rows, setting.seed)
    for number, (fit, held) in enumerate(folds):
        x_fit, x_held = row_space(*featurise(fit, held))
        for penalty, table in tables.items():
            table[held] = fit_classifiers(penalty, x_fit, truth[fit]).predict_proba(x_held)
        setting.report(number + 1, len(folds), {})

    def rank(penalty: float) -> tuple[float, float]:
        return shared_threshold(setting, rows, tables[penalty])[1], -log_loss(tables[penalty], truth)

    best = max(grid, key=rank)
    thresholds = choose_thresholds(setting, rows, tables[best]) if asked is None else asked
    given = answers(rows, tables[best] >= thresholds, setting.labels)
    parts = setting.metric.parts(given, [str(row.target) for row in rows], setting.labels)
    score = round(float(setting.metric.value(parts.sum(0))), 4)
    facts = {"C": best, "threshold": named(thresholds, setting.labels), "out_of_fold_score": score}
    return best, thresholds, facts


class OneVsRestMethod(AnswersLabelSets):
    """What methods that fit a classifier for each label have in common; the features are their own."""

    kind: ArmKind = "classifier"
    answers: Answers = "texts"
    Parameters = OneVsRestParameters

    def freeze(
        self,
        parameters: OneVsRestParameters,
        facts: Sequence[dict[str, Any]],
        rows: Sequence[int],
        all_rows: int,
    ) -> OneVsRestParameters:
        """The folds' median penalty and median thresholds."""
        penalty = float(statistics.median(fact["C"] for fact in facts))
        return parameters.model_copy(update={"C": penalty, **frozen_thresholds(facts)})
