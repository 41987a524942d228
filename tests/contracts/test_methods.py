"""Every file in `methods/` keeps the contract; a new file is found here by itself."""

from pathlib import Path
from typing import Any

import pytest

from toy import toy_rows
from tuneworthy.core.example import Example
from tuneworthy.methods import METHODS, LabelOnly, Setting
from tuneworthy.metrics import METRICS
from tuneworthy.tasks import TASKS

ROWS = [
    Example(id=f"r{i}", input=row["text"], target=row["label"], row=i + 2)
    for i, row in enumerate(toy_rows(24))
]
TRAIN, VALIDATION, NEW = ROWS[:12], ROWS[12:18], [row.without_target() for row in ROWS[18:]]
QUICK: dict[str, dict[str, Any]] = {
    "few_shot": {"k": 3, "calibration_rows": 4},
    "knn_shot": {"k": 2, "calibration_rows": 4},
    "zero_shot": {"calibration_rows": 4},
    "lora": {"max_steps": 4, "learning_rate": 0.02},
}


def setting_for(task_name: str, metric: str, folders: tuple[Path, Path]) -> Setting:
    task = TASKS.get(task_name)
    labels = task.labels(ROWS)
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
    for task, answers in (("text-classification", "labels"), ("question-answering", "texts"))
    if METHODS.get(name).answers in (answers, "any")
]


@pytest.fixture(params=CASES, ids=lambda case: f"{case[0]}-{case[1]}")
def case(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture
def setting(case: tuple[str, str], decoder_folder: Path, embedder_folder: Path) -> Setting:
    metric = "accuracy" if case[1] == "text-classification" else "answer_f1"
    return setting_for(case[1], metric, (decoder_folder, embedder_folder))


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


def test_one_prediction_per_row_in_order_among_the_labels(method: Any, setting: Setting) -> None:
    fitted = method.fit(setting, parameters_of(method), TRAIN, VALIDATION)
    predictions = fitted.predict(NEW)
    assert [p.example_id for p in predictions] == [row.id for row in NEW]
    if setting.task.open:
        assert all((p.value is None) == (p.status == "unparseable") for p in predictions)
        return
    assert {p.value for p in predictions} <= set(setting.labels)
    for prediction in predictions:
        assert prediction.scores is not None
        assert sum(prediction.scores.values()) == pytest.approx(1, abs=1e-4)


def test_label_only_gives_the_labels_of_the_full_prediction(method: Any, setting: Setting) -> None:
    fitted = method.fit(setting, parameters_of(method), TRAIN, VALIDATION)
    if not isinstance(fitted, LabelOnly):
        pytest.skip("scores every label at no extra cost")
    assert [p.value for p in fitted.predict_labels(NEW)] == [p.value for p in fitted.predict(NEW)]


def test_the_same_seed_gives_the_same_predictions(method: Any, setting: Setting) -> None:
    first = method.fit(setting, parameters_of(method), TRAIN, VALIDATION).predict(NEW)
    again = method.fit(setting, parameters_of(method), TRAIN, VALIDATION).predict(NEW)
    assert first == again


def test_a_saved_method_predicts_the_same_after_loading(
    method: Any, setting: Setting, tmp_path: Path
) -> None:
    fitted = method.fit(setting, parameters_of(method), TRAIN, VALIDATION)
    fitted.save(tmp_path)
    loaded = method.load(setting, parameters_of(method), tmp_path)
    for before, after in zip(fitted.predict(NEW), loaded.predict(NEW), strict=True):
        assert before.value == after.value
        if before.scores is not None:
            assert before.scores == pytest.approx(after.scores, abs=1e-5)
    assert not [p for p in tmp_path.rglob("*") if p.suffix in {".pkl", ".pickle", ".bin", ".pt", ".joblib"}]


def test_frozen_parameters_fit_all_rows_without_validation(method: Any, setting: Setting) -> None:
    fitted = method.fit(setting, parameters_of(method), TRAIN, VALIDATION)
    frozen = method.freeze(parameters_of(method), [fitted.facts], [len(TRAIN)], len(ROWS))
    assert len(method.fit(setting, frozen, ROWS, []).predict(NEW)) == len(NEW)


def test_an_empty_request_is_an_empty_answer(method: Any, setting: Setting) -> None:
    assert method.fit(setting, parameters_of(method), TRAIN, VALIDATION).predict([]) == []
