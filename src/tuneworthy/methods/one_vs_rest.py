"""One-vs-rest: a linear classifier for each label on TF-IDF of words and characters, one tuned threshold."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import KFold
from sklearn.pipeline import make_union

from tuneworthy.core.example import Example
from tuneworthy.core.frozen import Frozen
from tuneworthy.core.prediction import Prediction
from tuneworthy.core.unit import ArmKind, ModelRole
from tuneworthy.methods import Answers, Setting
from tuneworthy.methods._prompting import load_examples, save_examples
from tuneworthy.metrics._sets import labels_of, written

THRESHOLDS = (0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.6, 0.7)
FOLDS = 5
Matrix = NDArray[np.float64]


class _Scorer:
    """Probabilities of every label from labelled rows; the same rows give the same ones."""

    def __init__(self, rows: Sequence[Example], labels: Sequence[str], penalty: float) -> None:
        self._view = make_union(
            TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, token_pattern=r"(?u)\b\w+\b"),
            TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), sublinear_tf=True),
        )
        features = self._view.fit_transform([row.input for row in rows])
        truth = np.array([[label in labels_of(str(row.target)) for label in labels] for row in rows])
        self._models = [
            LogisticRegression(C=penalty, max_iter=1000).fit(features, column)
            if 0 < column.sum() < len(column)
            else float(column[0])
            for column in truth.T
        ]

    def probabilities(self, texts: Sequence[str]) -> Matrix:
        """Shape [texts, labels]; a label that all rows or none have is as sure as it looked."""
        features = self._view.transform(texts)
        columns = [
            np.full(len(texts), model) if isinstance(model, float) else model.predict_proba(features)[:, 1]
            for model in self._models
        ]
        return np.stack(columns, axis=1) if columns else np.zeros((len(texts), 0))


@dataclass
class FittedOneVsRest:
    """The rows, a classifier for each label, and the probability from which a label is given."""

    setting: Setting
    rows: list[Example]
    penalty: float
    threshold: float
    facts: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._scorer = _Scorer(self.rows, self.setting.labels, self.penalty)

    def predict(self, examples: Sequence[Example]) -> list[Prediction]:
        """Every label whose probability reaches the threshold."""
        if not examples:
            return []
        table = self._scorer.probabilities([row.input for row in examples])
        return _answers(examples, table, self.setting.labels, self.threshold)

    def save(self, folder: Path) -> None:
        """Writes the rows and the two numbers."""
        save_examples(folder / "rows.jsonl", self.rows)
        stored = {"penalty": self.penalty, "threshold": self.threshold}
        (folder / "one_vs_rest.json").write_text(json.dumps(stored), encoding="utf-8")


class OneVsRest:
    """A classifier for each label; penalty and threshold are chosen out of fold by the primary metric."""

    name = "one_vs_rest"
    title = "a linear classifier for each label"
    kind: ArmKind = "classifier"
    models: tuple[ModelRole, ...] = ()
    answers: Answers = "texts"

    class Parameters(Frozen):
        """Both are chosen on inner folds when absent."""

        C: float | None = Field(None, gt=0, description="inverse penalty; default: chosen among 1, 10, 100")
        threshold: float | None = Field(
            None,
            gt=0,
            lt=1,
            description="probability from which a label is given; default: chosen",
        )

    def fit(
        self,
        setting: Setting,
        parameters: Parameters,
        train: Sequence[Example],
        validation: Sequence[Example],
    ) -> FittedOneVsRest:
        """Fits on train and validation rows: the inner folds need no validation rows of their own."""
        rows = [*train, *validation]
        targets = [str(row.target) for row in rows]
        best, chosen = -1.0, (10.0, 0.5)
        for penalty in (parameters.C,) if parameters.C else (1.0, 10.0, 100.0):
            table = _out_of_fold(rows, setting.labels, penalty, setting.seed)
            for threshold in (parameters.threshold,) if parameters.threshold else THRESHOLDS:
                given = _answers(rows, table, setting.labels, threshold)
                parts = setting.metric.parts(given, targets, setting.labels)
                score = float(setting.metric.value(parts.sum(0)))
                if score > best:
                    best, chosen = score, (penalty, threshold)
        facts = {"C": chosen[0], "threshold": chosen[1], "out_of_fold_score": round(best, 4)}
        return FittedOneVsRest(setting, rows, *chosen, facts)

    def freeze(
        self, parameters: Parameters, facts: Sequence[dict[str, Any]], rows: Sequence[int], all_rows: int
    ) -> Parameters:
        """What most folds chose."""
        pairs = [(fact["C"], fact["threshold"]) for fact in facts]
        penalty, threshold = max(pairs, key=pairs.count)
        return parameters.model_copy(update={"C": penalty, "threshold": threshold})

    def load(self, setting: Setting, parameters: Parameters, folder: Path) -> FittedOneVsRest:
        """Reads the rows and fits them again: the same rows give the same classifiers."""
        stored = json.loads((folder / "one_vs_rest.json").read_text(encoding="utf-8"))
        rows = load_examples(folder / "rows.jsonl")
        return FittedOneVsRest(setting, rows, stored["penalty"], stored["threshold"])


def _out_of_fold(rows: Sequence[Example], labels: Sequence[str], penalty: float, seed: int) -> Matrix:
    table = np.zeros((len(rows), len(labels)))
    for fit, held in KFold(min(FOLDS, len(rows)), shuffle=True, random_state=seed).split(table):
        scorer = _Scorer([rows[i] for i in fit], labels, penalty)
        table[held] = scorer.probabilities([rows[i].input for i in held])
    return table


def _answers(
    rows: Sequence[Example], table: Matrix, labels: Sequence[str], threshold: float
) -> list[Prediction]:
    return [
        Prediction(
            example_id=row.id,
            value=written([label for label, p in zip(labels, chances, strict=True) if p >= threshold]),
        )
        for row, chances in zip(rows, table, strict=True)
    ]


PLUGIN = OneVsRest()
