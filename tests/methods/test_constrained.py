"""Free first, constrained where needed."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from toy import toy_rows
from tuneworthy.core.example import Example
from tuneworthy.methods import METHODS, Setting
from tuneworthy.metrics import METRICS
from tuneworthy.tasks import TASKS

TASK = TASKS.get("structured-extraction")
ROWS = [
    Example(id=f"r{i}", input=row["text"], target=json.dumps({"n": i % 3}), row=i + 2)
    for i, row in enumerate(toy_rows(24))
]
NEW = [row.without_target() for row in ROWS[18:]]


@pytest.fixture
def setting(decoder_folder: Path) -> Setting:
    return Setting(
        task=TASK,
        labels=("n",),
        instruction="Answer.",
        metric=METRICS.get("field_f1"),
        seed=0,
        dtype="float32",
        models={"decoder": decoder_folder, "prompter": decoder_folder},
        checkpoint=None,
        report=lambda done, total, facts: None,
    )


def test_valid_answers_stay_and_only_the_others_are_written_again(setting: Setting) -> None:
    lora = METHODS.get("lora")
    parameters = lora.Parameters.model_validate({"steps": 60, "learning_rate": 0.02})
    fitted = lora.fit(setting, parameters, ROWS[:18], [])
    held = fitted.predict(NEW)
    fitted.schema = None
    free = fitted.predict(NEW)
    assert [p.raw for p in held] == [p.raw for p in free]
    assert {p.valid_without_constraint for p in held} == {True}
    assert [p.value for p in held] == [p.value for p in free]
    fitted.schema = {"type": "object", "properties": {"n": {"const": 7}}, "required": ["n"]}
    again = fitted.predict(NEW)
    assert {(p.value, p.valid_without_constraint) for p in again} == {('{"n": 7}', False)}
    assert [p.raw for p in again] == [p.raw for p in free]


@pytest.mark.parametrize("name", ["zero_shot", "lora"])
def test_the_schema_is_that_of_the_rows_that_were_fitted_and_is_saved(
    name: str, setting: Setting, tmp_path: Path
) -> None:
    method = METHODS.get(name)
    parameters = method.Parameters.model_validate({"steps": 1} if name == "lora" else {})
    fitted = method.fit(setting, parameters, ROWS[:18], ROWS[18:])
    assert fitted.schema["properties"] == {"n": {"type": "integer"}}
    fitted.save(tmp_path)
    assert method.load(setting, parameters, tmp_path).schema == fitted.schema


def test_the_users_schema_takes_the_place_of_the_inferred_one(setting: Setting) -> None:
    own = {"type": "object", "properties": {"n": {"type": "number"}}}
    method = METHODS.get("zero_shot")
    for given, found in ((replace(setting, json_schema=own), own), (replace(setting, constrain=False), None)):
        assert method.fit(given, method.Parameters(), ROWS, []).schema == found
