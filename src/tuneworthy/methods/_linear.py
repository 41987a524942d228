"""Logistic regression whose penalty and class weights are chosen by inner cross-validation.

Shared by tfidf and probe, and in part by one-vs-rest: a cheap arm that is not tuned is a straw man, and a
straw man makes a false verdict.
"""

import statistics
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression

from tuneworthy.core.example import Example
from tuneworthy.core.frozen import Frozen
from tuneworthy.core.prediction import Prediction
from tuneworthy.core.unit import ArmKind
from tuneworthy.methods import Answers, Setting
from tuneworthy.methods._inner_folds import stratified_folds
from tuneworthy.metrics import Metric, oriented

ClassWeight = str | None
GRID_C = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0)
GRID_WEIGHT: tuple[ClassWeight, ...] = (None, "balanced")
LARGEST_ROW_SPACE = 2000
# Features for (fit rows, rows to transform), both by index: refitted inside every inner fold.
Featurise = Callable[[NDArray[np.intp], NDArray[np.intp]], tuple[Any, Any]]


class LinearParameters(Frozen):
    """Both are chosen by inner cross-validation when C is absent."""

    C: float | None = Field(
        None, gt=0, description="inverse penalty; default: chosen among 0.1 to 300 on inner folds"
    )
    class_weight: Literal["balanced"] | None = Field(
        None, description="'balanced' weights rare labels up; chosen together with C when C is absent"
    )


class LinearMethod:
    """What tfidf and probe have in common; the features are their own."""

    kind: ArmKind = "classifier"
    answers: Answers = "labels"
    Parameters = LinearParameters

    def freeze(
        self,
        parameters: LinearParameters,
        facts: Sequence[dict[str, Any]],
        rows: Sequence[int],
        all_rows: int,
    ) -> LinearParameters:
        """The folds' median C and most frequent class weight."""
        return usual(facts)


def usual(facts: Sequence[dict[str, Any]]) -> LinearParameters:
    """The folds' median C and most frequent class weight."""
    weights = Counter(fact["class_weight"] for fact in facts)
    return LinearParameters(
        C=float(statistics.median(fact["C"] for fact in facts)),
        class_weight="balanced" if weights["balanced"] > weights[None] else None,
    )


@dataclass(frozen=True, slots=True)
class Choice:
    """The chosen settings and what they scored in the inner folds.

    Attributes:
        C, class_weight: as in `LinearParameters`.
        score: of the metric, oriented: the higher the better.
        log_loss: in nats.
    """

    C: float
    class_weight: ClassWeight
    score: float
    log_loss: float


def new_regression(C: float, class_weight: ClassWeight) -> LogisticRegression:  # noqa: N803
    """Multinomial logistic regression with an L2 penalty of 1/C (scikit-learn, lbfgs)."""
    return LogisticRegression(C=C, class_weight=class_weight, max_iter=2000)


def fit_quietly(model: LogisticRegression, x: Any, y: Sequence[str]) -> LogisticRegression | DummyClassifier:
    """Fits without two warnings that are no news to the user.

    An optimiser has not quite converged on an extreme C; or labels are more than half as many as rows. Rows
    of one label alone, which a regression refuses, give that label whatever the input.
    """
    if len(set(y)) == 1:
        return DummyClassifier(strategy="most_frequent").fit(x, y)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        model.fit(x, y)
    return model


def settled(
    setting: Setting,
    parameters: LinearParameters,
    rows: Sequence[Example],
    featurise: Featurise,
) -> dict[str, Any]:
    """C and class weight as the job names them, or as inner folds choose them; the facts of the fit."""
    if parameters.C is not None:
        return parameters.model_dump()

    choice = choose(setting, rows, featurise, weights=weights_tried(parameters))
    return {
        "C": choice.C,
        "class_weight": choice.class_weight,
        "inner_score": round(float(oriented(setting.metric, np.array(choice.score))), 4),
    }


def weights_tried(parameters: LinearParameters) -> Sequence[ClassWeight]:
    """The class weights to choose from: the job's own alone, where it names one."""
    return GRID_WEIGHT if parameters.class_weight is None else (parameters.class_weight,)


def choose(
    setting: Setting,
    rows: Sequence[Example],
    featurise: Featurise,
    grid: Sequence[float] = GRID_C,
    weights: Sequence[ClassWeight] = GRID_WEIGHT,
) -> Choice:
    """C and class weights by stratified inner cross-validation (up to 5 folds) on the given rows.

    The metric of pooled out-of-fold predictions decides, then their log-loss: on a few hundred rows many
    settings tie on the metric.
    """
    targets, labels, metric = [str(row.target) for row in rows], setting.labels, setting.metric
    y = np.array(targets)
    splits = stratified_folds(rows, setting.seed)
    probabilities: dict[tuple[float, ClassWeight], NDArray[np.float64]] = {
        (c, weight): np.zeros((len(y), len(labels))) for c in grid for weight in weights
    }
    for number, (fit_rows, held_rows) in enumerate(splits):
        x_fit, x_held = row_space(*featurise(fit_rows, held_rows))
        for (c, weight), table in probabilities.items():
            model = fit_quietly(new_regression(c, weight), x_fit, list(y[fit_rows]))
            columns = [list(labels).index(label) for label in model.classes_]
            table[np.ix_(held_rows, np.array(columns))] = model.predict_proba(x_held)
        setting.report(number + 1, len(splits), {})
    scored = [(_score(table, targets, labels, metric), key) for key, table in probabilities.items()]
    (score, log_loss), (c, weight) = max(scored, key=lambda item: (item[0][0], -item[0][1]))
    return Choice(c, weight, score, log_loss)


def _score(
    table: NDArray[np.float64], targets: Sequence[str], labels: Sequence[str], metric: Metric
) -> tuple[float, float]:
    predictions = to_predictions([str(i) for i in range(len(targets))], table, labels)
    score = float(oriented(metric, metric.value(metric.parts(predictions, targets, labels).sum(0))))
    index = [list(labels).index(target) for target in targets]
    true = np.clip(table[np.arange(len(targets)), index], 1e-6, 1)
    return score, float(-np.log(true).mean())


def to_predictions(ids: Sequence[str], table: NDArray[np.float64], labels: Sequence[str]) -> list[Prediction]:
    """Probabilities [rows, labels] to predictions."""
    return [
        Prediction(
            example_id=row_id,
            value=labels[int(row.argmax())],
            scores={label: round(float(p), 6) for label, p in zip(labels, row, strict=True)},
        )
        for row_id, row in zip(ids, table, strict=True)
    ]


def row_space(x_fit: Any, x_held: Any) -> tuple[Any, Any]:
    """Wide features as coordinates in the span of the fitted rows: exact, and small.

    An L2-penalised linear model's weights lie in the span of its training rows (representer theorem), so with
    300 rows and 40,000 n-grams the same model is found on 300 columns. Used while choosing settings only.
    """
    rows, columns = x_fit.shape
    if columns <= rows or rows > LARGEST_ROW_SPACE:
        return x_fit, x_held
    gram = _dense(x_fit @ x_fit.T)
    values, vectors = np.linalg.eigh(gram)
    kept = values > 1e-10 * values.max()
    basis = vectors[:, kept] / np.sqrt(values[kept])
    return gram @ basis, _dense(x_held @ x_fit.T) @ basis


def _dense(matrix: Any) -> NDArray[np.float64]:
    return np.asarray(matrix.toarray() if hasattr(matrix, "toarray") else matrix, dtype=np.float64)


def one_row_per_label(
    model: LogisticRegression | DummyClassifier, labels: Sequence[str], width: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Weights with a row of `width` for every label: two-label models have one, unseen labels have none."""
    if isinstance(model, DummyClassifier):
        known, bias = np.zeros((1, width)), np.zeros(1)
    else:
        known, bias = model.coef_, model.intercept_
    if len(model.classes_) == 2:
        known, bias = np.vstack([np.zeros_like(known), known]), np.append(0.0, bias)
    weights = np.zeros((len(labels), known.shape[1]))
    biases = np.full(len(labels), -1e9)
    for row, label in enumerate(model.classes_):
        weights[labels.index(label)] = known[row]
        biases[labels.index(label)] = bias[row]
    return weights, biases
