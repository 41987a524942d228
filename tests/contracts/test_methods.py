"""Every file in `methods/` keeps the contract; a new file is found here by itself."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from toy import toy_rows
from tuneworthy.arms import unsuited
from tuneworthy.core.example import Example
from tuneworthy.methods import METHODS, LabelOnly, Setting
from tuneworthy.metrics import METRICS
from tuneworthy.tasks import TASKS

LABELLED = [
    Example(id=f"r{i}", input=row["text"], target=row["label"], row=i + 2)
    for i, row in enumerate(toy_rows(24))
]


def with_targets(make: Callable[[str, str], str]) -> list[Example]:
    """The rows with the target made of the first word of the text and the label."""
    return [
        row.model_copy(update={"target": make(row.input.split()[0], str(row.target))}) for row in LABELLED
    ]


ROWS = {
    "text-classification": LABELLED,
    "question-answering": with_targets(lambda word, label: word),
    "token-classification": with_targets(lambda word, label: json.dumps([{"type": label, "text": word}])),
}
NUMBERS = {label: str(number) for number, label in enumerate(sorted({str(r.target) for r in LABELLED}))}
ROWS["regression"] = with_targets(lambda word, label: NUMBERS[label])
ROWS["multi-label"] = with_targets(
    lambda word, label: json.dumps([label] * (word != "n0") + ["a"] * ("a" in word))
)
OWN = {
    "token-classification": ("tagger",),
    "regression": ("constant", "tfidf_ridge", "probe_ridge"),
    "multi-label": ("tfidf_one_vs_rest", "probe_one_vs_rest", "setfit", "encoder"),
}
METRIC = {
    "multi-label": "set_micro_f1",
    "regression": "mae",
    "text-classification": "accuracy",
    "question-answering": "answer_f1",
    "token-classification": "entity_f1",
}
QUICK: dict[str, dict[str, Any]] = {
    "few_shot": {"k": 3, "calibration_rows": 4},
    "knn_shot": {"k": 2, "calibration_rows": 4},
    "zero_shot": {"calibration_rows": 4},
    "lora": {"max_steps": 4, "learning_rate": 0.02},
    "qlora": {"max_steps": 4, "learning_rate": 0.02},
    "full": {"max_steps": 4, "learning_rate": 0.002, "layers": 1},
    "encoder": {"max_steps": 4},
    "tagger": {"max_steps": 4},
    "span": {"max_steps": 4},
    "setfit": {"pairs_per_row": 1},
}


def setting_for(task_name: str, metric: str, folders: tuple[Path, Path]) -> Setting:
    task = TASKS.get(task_name)
    labels = task.labels(ROWS[task_name])
    return Setting(
        task=task,
        labels=labels,
        instruction=task.instruction(labels),
        metric=METRICS.get(metric),
        seed=0,
        dtype="float32",
        models={"decoder": folders[0], "embedder": folders[1], "prompter": folders[0]},
        checkpoint=None,
        report=lambda done, total, facts: None,
    )


CASES = [
    (name, task)
    for name in METHODS.names()
    for task in ROWS
    if not unsuited(METHODS.get(name), TASKS.get(task), ROWS[task])
    and name in OWN.get(task, (name,))  # other methods meet these tasks as texts like any
]


@pytest.fixture(params=CASES, ids=lambda case: f"{case[0]}-{case[1]}")
def case(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture
def setting(case: tuple[str, str], decoder_folder: Path, embedder_folder: Path) -> Setting:
    return setting_for(case[1], METRIC[case[1]], (decoder_folder, embedder_folder))


@pytest.fixture
def rows(case: tuple[str, str]) -> list[Example]:
    return ROWS[case[1]]


@pytest.fixture
def parts(rows: list[Example]) -> tuple[list[Example], list[Example], list[Example]]:
    """Training and validation rows, and new ones."""
    return rows[:12], rows[12:18], [row.without_target() for row in rows[18:]]


@pytest.fixture
def method(case: tuple[str, str]) -> Any:
    return METHODS.get(case[0])


def parameters_of(method: Any) -> Any:
    return method.Parameters.model_validate(QUICK.get(method.name, {}))


def test_the_file_name_is_the_name(method: Any) -> None:
    assert METHODS.module_name(method.name).endswith(f".{method.name}")


def test_every_parameter_says_what_it_does(method: Any) -> None:
    for name, field in method.Parameters.model_fields.items():
        assert field.description or name == "class_weight", f"{method.name}.{name}"


def test_one_prediction_per_row_in_order_among_the_labels(method: Any, setting: Setting, parts: Any) -> None:
    train, validation, new = parts
    fitted = method.fit(setting, parameters_of(method), train, validation)
    predictions = fitted.predict(new)
    assert [p.example_id for p in predictions] == [row.id for row in new]
    if setting.task.open:
        assert all((p.value is None) == (p.status == "unparseable") for p in predictions)
        return
    assert {p.value for p in predictions} <= set(setting.labels)
    for prediction in predictions:
        assert prediction.scores is not None
        assert sum(prediction.scores.values()) == pytest.approx(1, abs=1e-4)


def test_label_only_gives_the_labels_of_the_full_prediction(
    method: Any, setting: Setting, parts: Any
) -> None:
    train, validation, new = parts
    fitted = method.fit(setting, parameters_of(method), train, validation)
    if not isinstance(fitted, LabelOnly):
        pytest.skip("scores every label at no extra cost")
    assert [p.value for p in fitted.predict_labels(new)] == [p.value for p in fitted.predict(new)]


def test_the_same_seed_gives_the_same_predictions(method: Any, setting: Setting, parts: Any) -> None:
    train, validation, new = parts
    first = method.fit(setting, parameters_of(method), train, validation).predict(new)
    again = method.fit(setting, parameters_of(method), train, validation).predict(new)
    assert first == again


def test_a_saved_method_predicts_the_same_after_loading(
    method: Any, setting: Setting, parts: Any, tmp_path: Path
) -> None:
    train, validation, new = parts
    fitted = method.fit(setting, parameters_of(method), train, validation)
    fitted.save(tmp_path)
    loaded = method.load(setting, parameters_of(method), tmp_path)
    for before, after in zip(fitted.predict(new), loaded.predict(new), strict=True):
        assert before.value == after.value
        if before.scores is not None:
            assert before.scores == pytest.approx(after.scores, abs=1e-5)
    assert not [p for p in tmp_path.rglob("*") if p.suffix in {".pkl", ".pickle", ".bin", ".pt", ".joblib"}]


def test_frozen_parameters_fit_all_rows_without_validation(method: Any, setting: Setting, parts: Any) -> None:
    train, validation, new = parts
    fitted = method.fit(setting, parameters_of(method), train, validation)
    frozen = method.freeze(parameters_of(method), [fitted.facts], [len(train)], 18)
    assert len(method.fit(setting, frozen, [*train, *validation], []).predict(new)) == len(new)


def test_an_empty_request_is_an_empty_answer(method: Any, setting: Setting, parts: Any) -> None:
    train, validation, _ = parts
    assert method.fit(setting, parameters_of(method), train, validation).predict([]) == []


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("probe_ridge", "numbers"),
        ("tfidf_one_vs_rest", "sets of labels"),
        ("tagger", "entities"),
        ("nearest", "texts"),
    ],
)
def test_why_a_method_cannot_answer_names_its_own_answers(name: str, why: str) -> None:
    assert why in unsuited(METHODS.get(name), TASKS.get("text-classification"), LABELLED)
