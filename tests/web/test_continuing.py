"""*Continue* starts what a page may start, and nothing that a run folder of a stranger would like to run."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from toy import toy_rows, write_csv
from tuneworthy.core.errors import JobError, NotFoundError
from tuneworthy.web.launching import stop
from tuneworthy.web.runs import Runs
from tuneworthy.web.workspace import Workspace

FAR = "'openai:m@https://far.example/v1'"
NAME = "not mine"


@pytest.fixture
def runs(tmp_path: Path) -> Iterator[Runs]:
    """One run that was stopped before it wrote anything but its first event."""
    folder = tmp_path / "runs" / NAME
    folder.mkdir(parents=True)
    write_csv(folder / "toy.csv", toy_rows(30))
    (folder / "events.jsonl").write_text("", encoding="utf-8")
    made = Runs(Workspace(tmp_path / "runs", tmp_path))
    yield made
    stop(_record(made))


def _record(runs: Runs) -> Path:
    return runs.workspace.own / "launched" / f"{NAME}.json"


def _job(runs: Runs, text: str = "") -> Path:
    job = runs.workspace.runs / NAME / "job.yaml"
    job.write_text(f"data: {{path: toy.csv}}\n{text}", encoding="utf-8")
    return job


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("metric: metric.py:f", "is code"),
        ("workers: 'ray://far.example:10001'", "workers"),
        *((f"send_rows: true\n{field}: {FAR}", field) for field in ("base_model", "prompt_model")),
        (f"send_rows: true\nembedding_model: {FAR}", "embedding_model"),
        (f"send_rows: true\njudge: {{model: {FAR}}}", "judge.model"),
    ],
)
def test_a_job_that_runs_code_or_sends_rows_is_not_continued(runs: Runs, text: str, says: str) -> None:
    _job(runs, text)
    with pytest.raises(JobError, match=says) as refused:
        runs.resume(NAME)
    assert f"`tuneworthy run 'runs/{NAME}/job.yaml' --output 'runs/{NAME}'`" in str(refused.value)
    assert not _record(runs).exists()


def test_what_a_page_once_continued_is_looked_at_again(runs: Runs) -> None:
    _job(runs)
    runs.resume(NAME)
    stop(_record(runs))
    before = _record(runs).read_bytes()
    _job(runs, "metric: metric.py:f")
    with pytest.raises(JobError, match="is code"):
        runs.resume(NAME)
    assert _record(runs).read_bytes() == before


def test_another_job_goes_on_in_its_folder(runs: Runs) -> None:
    job = _job(runs)
    runs.resume(NAME)
    asked = json.loads(_record(runs).read_text(encoding="utf-8"))["arguments"]
    assert asked == ["run", str(job), "--output", str(job.parent)]


def test_a_run_that_was_stopped_before_it_kept_its_job_is_started_as_the_page_did(runs: Runs) -> None:
    place = runs.workspace
    place.uploads.mkdir(parents=True)
    table = place.keep(write_csv(place.uploads / "toy.csv", toy_rows(30)), "toy.csv")
    name = runs.start(table, "data: {path: toy.csv}\n", "baseline")
    record = place.own / "launched" / f"{name}.json"
    stop(record)
    before = json.loads(record.read_text(encoding="utf-8"))
    runs.resume(name)
    after = json.loads(record.read_text(encoding="utf-8"))
    stop(record)
    assert after["arguments"] == before["arguments"] and after["process"] != before["process"]


def test_a_folder_without_a_job_is_said_to_have_none(runs: Runs) -> None:
    with pytest.raises(NotFoundError, match=r"job\.yaml"):
        runs.resume(NAME)
