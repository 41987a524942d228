"""A decision model leaves: what transformers' pipeline makes of the folder is what the fit says."""

import json
from pathlib import Path
from typing import Any

import pytest

import tuneworthy as tw
from toy import write_csv
from tuneworthy.core.errors import JobError
from tuneworthy.exporting import Wanted, export_run, verify
from tuneworthy.methods._options import Lettered
from tuneworthy.models.decider import lettered_question
from tuneworthy.refitting import final_fit
from tuneworthy.tasks import TASKS


def test_the_pipeline_gives_the_fits_calibrated_probabilities(lettered_run: Path) -> None:
    [exported] = export_run(lettered_run, Wanted(to=("decision",), arm="lora", rows=12))
    assert exported.parity.passed and exported.parity.same == 12
    assert exported.parity.nats is not None and exported.parity.nats < 1e-3
    config = json.loads((exported.folder / "decision.json").read_text(encoding="utf-8"))
    kept = json.loads((lettered_run / "calibration.json").read_text(encoding="utf-8"))
    assert config["labels"] == {"choice": ["A", "B", "C"]} and config["adapter"] == "adapter"
    assert (
        config["temperature"]["choice"] == kept[final_fit(lettered_run, "lora").unit.address]["temperature"]
    )
    config["temperature"]["choice"] *= 5
    (exported.folder / "decision.json").write_text(json.dumps(config), encoding="utf-8")
    assert not verify(exported.folder, lettered_run, rows=12).passed


def test_a_fit_that_answers_by_letter_leaves_in_no_other_form_and_one_that_writes_labels_not_in_this(
    lettered_run: Path, runs_of_labels: Path
) -> None:
    with pytest.raises(JobError, match="export decision"):
        export_run(lettered_run, Wanted(to=("merged",), arm="lora"))
    with pytest.raises(JobError, match="answer_format=option"):
        export_run(runs_of_labels, Wanted(to=("decision",), arm="lora"))


@pytest.fixture
def runs_of_labels(quick: dict[str, Any], toy_csv: Path, tmp_path: Path) -> Path:
    settings = {**quick, "arms": ["majority", "lora"], "train_anyway": True, "lora": {"max_steps": 2}}
    return tw.run(toy_csv, target="label", output=tmp_path / "run", **settings).path


def test_the_prompt_is_the_pipelines_own_and_letters_are_read_back() -> None:
    labels = ("account", "delivery", "refund")
    task = Lettered(TASKS.get("text-classification"), labels)
    [turn] = task.messages("Which?", "my text")
    assert turn["content"] == lettered_question("my text", "Which?", labels)
    assert "B. delivery" in turn["content"] and "(A to C)" in turn["content"]
    for label in labels:
        assert task.parse(task.format(label), labels) == label
    assert task.parse("D", labels) is None and task.parse("", labels) is None


def test_more_labels_than_letters_are_refused(quick: dict[str, Any], tmp_path: Path) -> None:
    rows = [{"text": f"text {i}", "label": f"label {i % 27}"} for i in range(81)]
    settings = {**quick, "arms": ["majority", "lora"], "train_anyway": True}
    settings["lora"] = {"max_steps": 2, "answer_format": "option"}
    with pytest.raises(JobError, match="27 labels"):
        tw.run(write_csv(tmp_path / "t.csv", rows), target="label", output=tmp_path / "run", **settings)
