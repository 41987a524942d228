"""Linear classifiers: what a fit says to the user."""

import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.model_selection import KFold, StratifiedKFold

from tuneworthy.core.errors import JobError
from tuneworthy.core.example import Example
from tuneworthy.methods import METHODS, Setting
from tuneworthy.methods._inner_folds import plain_folds, stratified_folds
from tuneworthy.methods._linear import (
    GRID_C,
    LinearParameters,
    choose,
    fit_quietly,
    new_regression,
    settled,
)
from tuneworthy.metrics import METRICS
from tuneworthy.tasks import TASKS


def test_more_labels_than_half_the_rows_are_no_news_to_the_user() -> None:
    labels = [f"label {i // 2}" for i in range(44)] + [f"alone {i}" for i in range(20)]
    vectors = np.random.default_rng(0).normal(size=(len(labels), 4))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fit_quietly(new_regression(1.0, None), vectors, labels)


def asked(labels: tuple[str, ...], metric: str = "accuracy") -> Setting:
    return Setting(
        task=TASKS.get("text-classification"),
        labels=labels,
        instruction="",
        metric=METRICS.get(metric),
        seed=0,
        dtype="float32",
        models={},
        checkpoint=None,
        report=lambda done, total, facts: None,
    )


def rows_of(targets: list[str], groups: list[str] | None = None) -> list[Example]:
    return [
        Example(id=str(i), input=f"row {i}", target=target, group=groups[i] if groups else None)
        for i, target in enumerate(targets)
    ]


@pytest.mark.parametrize("rare", [1, 2])
def test_two_labels_one_of_them_nearly_absent_can_be_fitted(rare: int) -> None:
    targets = ["rare"] * rare + ["common"] * 20
    vectors = np.random.default_rng(0).normal(size=(len(targets), 4))
    found = choose(
        asked(("common", "rare")), rows_of(targets), lambda fit, held: (vectors[fit], vectors[held])
    )
    assert found.score >= 20 / len(targets) - 0.1


def test_of_a_metric_of_errors_the_settings_with_the_least_are_chosen() -> None:
    rng = np.random.default_rng(0)
    rows = rows_of(["a", "b"] * 40)
    vectors = rng.normal(size=(80, 6))
    vectors[::2, 0] += 1.0

    def log_loss(grid: tuple[float, ...]) -> float:
        given = asked(("a", "b"), "log_loss")
        return choose(given, rows, lambda fit, held: (vectors[fit], vectors[held]), grid).log_loss

    each = [log_loss((c,)) for c in GRID_C]
    assert log_loss(GRID_C) == min(each) < max(each)


def test_rows_of_one_label_alone_give_that_label_and_can_be_saved(
    embedder_folder: Path, decoder_folder: Path, tmp_path: Path
) -> None:
    models: Any = {"embedder": embedder_folder, "decoder": decoder_folder}
    given, rows = replace(asked(("a", "b")), models=models), rows_of(["b"] * 6)
    for name in ("tfidf", "probe", "probe_decoder"):
        method: Any = METHODS.get(name)
        fitted = method.fit(given, method.Parameters(), rows, [])
        folder = tmp_path / name
        folder.mkdir()
        fitted.save(folder)
        for one in (fitted, method.load(given, method.Parameters(), folder)):
            [prediction] = one.predict([Example(id="new", input="unseen")])
            assert (prediction.value, prediction.scores) == ("b", {"a": 0.0, "b": 1.0})


def test_the_class_weight_that_a_job_names_is_the_only_one_tried() -> None:
    rows = rows_of(["a"] * 20 + ["b"] * 10)
    vectors = np.random.default_rng(0).normal(size=(30, 4))
    facts = []
    for named in (None, "balanced"):
        given = LinearParameters(class_weight=named)
        facts.append(settled(asked(("a", "b")), given, rows, lambda f, h: (vectors[f], vectors[h])))
    assert [fact["class_weight"] for fact in facts] == [None, "balanced"]


def test_states_that_are_not_read_are_refused_with_those_that_are(decoder_folder: Path) -> None:
    probe: Any = METHODS.get("probe_decoder")
    given = replace(asked(("a", "b")), models={"decoder": decoder_folder})
    with pytest.raises(JobError, match="'mean@16' is not read of this model: say mean@1, last@1, mean@2"):
        probe.fit(given, probe.Parameters(states="mean@16"), rows_of(["a", "b"] * 4), [])


def test_inner_folds_of_rows_that_share_nothing_are_scikit_learns_own() -> None:
    rows = rows_of(["a", "a", "b"] * 7)
    targets = [row.target for row in rows]
    for found, wanted in (
        (stratified_folds(rows, 3), StratifiedKFold(5, shuffle=True, random_state=3).split(targets, targets)),
        (plain_folds(rows, 3), KFold(5, shuffle=True, random_state=3).split(targets)),
    ):
        assert [[part.tolist() for part in fold] for fold in found] == [
            [part.tolist() for part in fold] for fold in wanted
        ]


@pytest.mark.parametrize("draw", [stratified_folds, plain_folds])
@pytest.mark.parametrize("groups", [2, 4, 9])
def test_no_inner_fold_parts_a_group_and_every_row_is_held_out_once(draw: Any, groups: int) -> None:
    rows = rows_of(["a", "b", "a"] * 12, [str(i % groups) for i in range(36)])
    folds = draw(rows, 0)
    assert sorted(np.concatenate([held for _, held in folds]).tolist()) == list(range(36))
    for fit, held in folds:
        assert len(fit) and not {rows[i].group for i in fit} & {rows[i].group for i in held}


@pytest.mark.parametrize("draw", [stratified_folds, plain_folds])
def test_rows_of_one_group_alone_are_told_apart_all_the_same(draw: Any) -> None:
    rows = rows_of(["a", "b"] * 5, ["one"] * 10)
    assert sorted(np.concatenate([held for _, held in draw(rows, 0)]).tolist()) == list(range(10))


@pytest.mark.parametrize("method", ["tfidf", "nearest", "tfidf_ridge", "tfidf_one_vs_rest"])
@pytest.mark.parametrize("texts", [("🙂 🙂", "🚀"), ("a b", "c")], ids=["emoji", "single letters"])
def test_texts_without_a_word_of_two_characters_are_told_apart_by_their_characters(
    method: str, texts: tuple[str, str], tmp_path: Path
) -> None:
    task, metric, targets = {
        "tfidf_ridge": ("regression", "mae", ("1", "5")),
        "tfidf_one_vs_rest": ("multi-label", "set_micro_f1", ("a", "b")),
    }.get(method, ("text-classification", "accuracy", ("a", "b")))
    given = replace(asked(targets, metric), task=TASKS.get(task))
    rows = [Example(id=str(i), input=texts[i % 2], target=targets[i % 2]) for i in range(12)]
    plugin: Any = METHODS.get(method)
    fitted = plugin.fit(given, plugin.Parameters(), rows, [])
    fitted.save(tmp_path)
    found = plugin.load(given, plugin.Parameters(), tmp_path).predict(rows[:2])
    if method == "tfidf_ridge":
        assert [round(float(p.value)) for p in found] == [1, 5]
    else:
        assert [p.value for p in found] == list(targets)
