"""The main job on records: no answer is invalid JSON, and how many would have been is on the page."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest

import tuneworthy as tw
from toy import toy_rows, write_csv
from tuneworthy.cli.main import app
from tuneworthy.core.errors import DataError, JobError, NotFoundError
from tuneworthy.predicting import predict_file
from tuneworthy.runfolder.folder import RunFolder

ROWS = [
    {"text": row["text"], "answer": json.dumps({"topic": row["label"], "n": i % 3})}
    for i, row in enumerate(toy_rows(60))
]
TOPICS = ["refund", "delivery", "account"]
SCHEMA = {
    "type": "object",
    "properties": {
        "topic": {"enum": TOPICS},
        "n": {"type": "integer", "minimum": 0, "maximum": 2},
    },
    "required": ["topic", "n"],
}


@pytest.fixture
def settings(quick: dict[str, Any]) -> dict[str, Any]:
    return {**quick, "task": "structured-extraction", "arms": ["majority", "zero_shot", "lora"]}


@pytest.fixture
def table(tmp_path: Path) -> Path:
    return write_csv(tmp_path / "t.csv", ROWS)


def schema_file(folder: Path, schema: Any = SCHEMA) -> Path:
    path = folder / "fields.json"
    path.write_text(json.dumps(schema), encoding="utf-8")
    return path


def arms_of(run: tw.Run) -> dict[str, dict[str, Any]]:
    return {arm["method"]: arm for arm in json.loads((run.path / "evidence.json").read_text())["arms"]}


def facts_of(run: tw.Run, method: str) -> dict[str, Any]:
    for folder in (run.path / "units").iterdir():
        unit = json.loads((folder / "unit.json").read_text())
        if unit["method"] == method and unit["purpose"] == "evaluate":
            return dict(json.loads((folder / "metrics.json").read_text())["facts"])
    raise LookupError(method)


def recommend(run: tw.Run, method: str, decoder: str) -> None:
    """Makes the method's measured fit the one that `predict` uses."""
    for folder in (run.path / "units").iterdir():
        if json.loads((folder / "unit.json").read_text())["method"] == method:
            final = {"unit": folder.name, "method": method, "folders": {"decoder": decoder}}
            RunFolder(run.path).write("model.json", final)


def test_no_answer_is_unparseable_and_the_page_says_how_many_were_written_again(
    settings: dict[str, Any], table: Path, tmp_path: Path
) -> None:
    schema = schema_file(tmp_path)
    run = tw.run(table, target="answer", output=tmp_path / "run", json_schema=str(schema), **settings)
    arms = arms_of(run)
    assert {name: arm["unparseable"] for name, arm in arms.items()} == {
        "majority": 0,
        "zero_shot": 0,
        "lora": 0,
    }
    assert arms["zero_shot"]["valid_without_constraint"] == 0  # a random model
    assert arms["majority"]["valid_without_constraint"] is None
    assert facts_of(run, "zero_shot")["valid_without_constraint"] == 0
    assert {e.method: e.value for e in run.estimates if e.metric == "validity"} == dict.fromkeys(arms, 1.0)
    page = " ".join(run.report.read_text(encoding="utf-8").replace("&nbsp;", " ").split())
    assert '<th scope="col">Valid as first written</th>' in page
    recommend(run, "lora", str(settings["base_model"]))
    write_csv(tmp_path / "new.csv", [{"text": f"quite new {i}"} for i in range(4)])
    schema.unlink()  # the run has its own copy
    predict_file(
        run.path, tmp_path / "new.csv", tmp_path / "out.csv", (), 0.0, lambda done, total, facts: None
    )
    with (tmp_path / "out.csv").open(newline="", encoding="utf-8") as file:
        answers = [json.loads(row["answer"]) for row in csv.DictReader(file)]
    assert all(answer["topic"] in TOPICS and answer["n"] in (0, 1, 2) for answer in answers)


def test_without_a_constraint_answers_stay_as_they_were_written(
    settings: dict[str, Any], table: Path, tmp_path: Path
) -> None:
    kept = {**settings, "arms": ["majority", "zero_shot"], "constrain": False}
    run = tw.run(table, target="answer", output=tmp_path / "run", **kept)
    arm = arms_of(run)["zero_shot"]
    assert arm["unparseable"] == arm["estimate"]["n"]
    assert arm["valid_without_constraint"] is None
    assert "valid_without_constraint" not in facts_of(run, "zero_shot")


@pytest.mark.parametrize(
    ("schema", "more", "error", "words"),
    [
        ({**SCHEMA, "required": ["city"]}, {}, JobError, "json_schema cannot be used"),
        (
            {**SCHEMA, "properties": {"n": {"type": "integer"}}, "required": []},
            {},
            DataError,
            r"row 2 \(and 59 more",
        ),
        ("{}", {}, JobError, "fields.json holds no JSON Schema of an object"),
        (SCHEMA, {"task": "summarization"}, JobError, "json_schema is for structured-extraction"),
        (SCHEMA, {"json_schema": "other.json"}, NotFoundError, "there is no file other.json"),
    ],
)
def test_a_schema_that_does_not_suit_is_said_before_anything_is_written(
    schema: Any,
    more: dict[str, Any],
    error: type[Exception],
    words: str,
    settings: dict[str, Any],
    table: Path,
    tmp_path: Path,
) -> None:
    given = {**settings, "arms": ["majority", "nearest"], "json_schema": str(schema_file(tmp_path, schema))}
    with pytest.raises(error, match=words):
        tw.run(table, target="answer", output=tmp_path / "run", **{**given, **more})
    assert not (tmp_path / "run").exists()


def test_the_schema_is_found_from_the_job_file_and_from_the_run_folder(table: Path, tmp_path: Path) -> None:
    from typer.testing import CliRunner

    (tmp_path / "jobs").mkdir()
    schema_file(tmp_path / "jobs")
    lines = "task: structured-extraction\njson_schema: fields.json\narms: [majority, nearest]\n"
    data = "data: {path: ../t.csv, target: answer}\nresamples: 200\n"
    (tmp_path / "jobs" / "job.yaml").write_text(lines + data, encoding="utf-8")
    for job in ("jobs/job.yaml", "run/job.yaml"):
        done = CliRunner().invoke(app, ["run", job, "--output", "run"])
        assert done.exit_code == 0, done.output
    kept = [
        json.loads(path.read_text())["json_schema"] for path in (tmp_path / "run").glob("units/*/unit.json")
    ]
    assert kept == [SCHEMA] * len(kept)
