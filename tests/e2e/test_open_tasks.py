"""The main job on tasks whose answers are texts, with tiny random models."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest

import tuneworthy as tw
from toy import toy_rows, write_csv
from tuneworthy.core.errors import DataError, JobError
from tuneworthy.predicting import predict_file

ROWS = toy_rows(60)
TABLES: dict[str, list[dict[str, str]]] = {
    "question-answering": [
        {"text": f"question: what is it about?\ncontext: {row['text']}. More of it.", "answer": row["label"]}
        for row in ROWS
    ],
    "summarization": [
        {"text": f"{row['text']}. And then more. And more.", "answer": row["text"]} for row in ROWS
    ],
    "text-generation": [
        {"text": row["text"], "answer": json.dumps([f"about {row['label']}", row["label"]])} for row in ROWS
    ],
    "token-classification": [
        {"text": row["text"], "answer": json.dumps([{"type": "topic", "text": row["text"].split()[0]}])}
        for row in ROWS
    ],
    "multi-label": [
        {"text": row["text"], "answer": f"{row['label']}; {'long' if len(row['text']) > 30 else 'short'}"}
        for row in ROWS
    ],
    "structured-extraction": [
        {"text": row["text"], "answer": json.dumps({"topic": row["label"], "n": 1})} for row in ROWS
    ],
}


@pytest.fixture(params=list(TABLES))
def task(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def settings_of(quick: dict[str, Any], **more: Any) -> dict[str, Any]:
    kept = {key: value for key, value in quick.items() if key != "arms"}
    return {**kept, "protocol": "holdout", **more}


def test_every_arm_of_the_task_is_measured_and_the_recommended_one_answers(
    task: str, quick: dict[str, Any], tmp_path: Path
) -> None:
    table = write_csv(tmp_path / "t.csv", TABLES[task])
    run = tw.run(
        table, target="answer", input="text", output=tmp_path / "run", **settings_of(quick, task=task)
    )
    evidence = json.loads((run.path / "evidence.json").read_text())
    arms = {arm["method"]: arm["estimate"] for arm in evidence["arms"]}
    assert {"majority", "nearest", "zero_shot", "few_shot", "knn_shot", "lora"} <= set(arms)
    assert len({arm["n"] for arm in arms.values()}) == 1
    page = run.report.read_text(encoding="utf-8")
    assert 'id="confusion"' not in page
    assert f"<code>tfidf</code>: it answers with labels, which {task} does not ask for." in page
    new = write_csv(tmp_path / "new.csv", [{"text": row["text"]} for row in TABLES[task][:3]])
    predict_file(run.path, new, tmp_path / "out.csv", (), 0.0, lambda done, total, facts: None)
    with (tmp_path / "out.csv").open(newline="", encoding="utf-8") as file:
        assert next(iter(csv.DictReader(file))).keys() == {"text", "answer"}


def test_a_classifier_is_refused_where_answers_are_texts(quick: dict[str, Any], tmp_path: Path) -> None:
    table = write_csv(tmp_path / "t.csv", TABLES["summarization"])
    with pytest.raises(
        JobError, match="tfidf cannot be compared on summarization, since it answers with labels"
    ):
        tw.run(table, target="answer", **settings_of(quick, task="summarization", arms=["tfidf", "lora"]))


def test_a_target_that_is_no_record_is_named(quick: dict[str, Any], tmp_path: Path) -> None:
    rows = [*TABLES["structured-extraction"], {"text": "one more", "answer": "Rome"}]
    table = write_csv(tmp_path / "t.csv", rows)
    with pytest.raises(DataError, match="line 62: the target 'Xxxx' is no JSON object"):
        tw.run(table, target="answer", **settings_of(quick, task="structured-extraction"))


def test_the_answer_column_is_found_by_its_name(quick: dict[str, Any], tmp_path: Path) -> None:
    table = write_csv(tmp_path / "t.csv", TABLES["question-answering"])
    run = tw.run(table, **settings_of(quick, task="question-answering", arms=["majority", "nearest"]))
    assert json.loads((run.path / "dataset.json").read_text())["target_column"] == "answer"


def test_fields_have_scores_of_their_own(quick: dict[str, Any], tmp_path: Path) -> None:
    table = write_csv(tmp_path / "t.csv", TABLES["structured-extraction"])
    run = tw.run(
        table,
        target="answer",
        **settings_of(quick, task="structured-extraction", arms=["majority", "nearest"]),
    )
    found = {e.label for e in run.estimates if e.method == "nearest" and e.label is not None}
    assert found == {"n", "topic"}
