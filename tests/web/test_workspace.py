"""Names from the browser reach runs and uploaded tables, and no other file."""

from pathlib import Path

import pytest

from toy import toy_rows, write_csv
from tuneworthy.core.errors import DataError, JobError, NotFoundError
from tuneworthy.web.workspace import KeptTable, Workspace


@pytest.fixture
def place(tmp_path: Path) -> Workspace:
    made = Workspace(tmp_path / "runs", tmp_path)
    made.uploads.mkdir(parents=True)
    return made


@pytest.fixture
def table(place: Workspace) -> KeptTable:
    return place.keep(write_csv(place.uploads / "toy.csv", toy_rows(30)), "toy.csv")


def _run(folder: Path) -> Path:
    folder.mkdir(parents=True)
    (folder / "events.jsonl").write_text("", encoding="utf-8")
    return folder


@pytest.mark.parametrize("name", ["..", ".", "", "../secret", "/etc", ".ui", "a/b", "secret-link", "good\0"])
def test_only_run_folders_are_found_by_name(place: Workspace, name: str) -> None:
    good, secret = _run(place.runs / "good"), _run(place.runs.parent / "secret")
    _run(place.runs / "a" / "b")
    (place.runs / "secret-link").symlink_to(secret)
    assert place.run("good") == good
    with pytest.raises(NotFoundError):
        place.run(name)


@pytest.mark.parametrize("id", ["..", "", "../..", "/etc", "0" * 16])
def test_only_uploaded_tables_are_found(place: Workspace, table: KeptTable, id: str) -> None:
    assert place.table(table.id).path == table.path
    with pytest.raises(NotFoundError):
        place.table(id)


def test_a_file_that_was_not_uploaded_is_not_kept(place: Workspace, tmp_path: Path) -> None:
    outside = write_csv(tmp_path / "outside.csv", toy_rows(10))
    link = place.uploads / "link.csv"
    link.symlink_to(outside)
    for path in (outside, link):
        with pytest.raises(DataError, match="uploaded"):
            place.keep(path, "x.csv")


def test_a_name_cannot_lead_out_of_the_table_s_folder(place: Workspace) -> None:
    source = write_csv(place.uploads / "a.csv", toy_rows(10))
    kept = place.keep(source, "../../../<img src=x onerror=alert(1)>.csv")
    assert kept.path.parent.parent == place.own / "tables"
    assert kept.path.name == "img_src_x_onerror_alert_1.csv"


def test_what_is_no_table_leaves_nothing_behind(place: Workspace) -> None:
    bad = place.uploads / "bad.csv"
    bad.write_bytes(b"\x7fELF" + bytes(200))
    with pytest.raises(DataError):
        place.keep(bad, "bad.csv")
    assert place.tables() == []
    assert list((place.own / "tables").iterdir()) == []


@pytest.mark.parametrize(
    ("field", "says"),
    [
        ("data: {path: /etc/passwd}", "data.path"),
        ("data: {path: toy.csv, test: ../../../secret.csv}", "data.test"),
        ("data: {path: toy.csv}\nmetric: evil.py:run", "metric of your own"),
        ("data: {path: toy.csv}\nprompt: /etc/passwd", "prompt"),
        ("data: {path: toy.csv}\njson_schema: ../x.json", "json_schema"),
        ("data: {path: toy.csv}\nadapt: {text: /etc/passwd}", "adapt.text"),
        ("data: {path: toy.csv}\nbase_model: /etc", "base_model"),
        ("data: {path: toy.csv}\nembedding_model: ../..", "embedding_model"),
        (
            "data: {path: toy.csv}\nsend_rows: true\nprompt_model: 'openai:m@https://far.example/v1'",
            "prompt_model",
        ),
        ("data: {path: toy.csv}\njudge: {model: 'openai:m@https://far.example/v1'}", "judge.model"),
        ("data: {path: toy.csv}\nworkers: 'ray://far.example:10001'", "workers"),
        ("data: [", "job-"),
    ],
)
def test_a_job_reaches_its_table_and_nothing_else(
    place: Workspace, table: KeptTable, field: str, says: str
) -> None:
    with pytest.raises(JobError, match=says):
        place.keep_job(table, field)
    assert list(table.folder.glob("job-*.yaml")) == []


def test_a_job_on_its_own_table_is_kept(place: Workspace, table: KeptTable, tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    text = f"data: {{path: toy.csv}}\nbase_model: {tmp_path / 'model'}\n"
    path, job = place.keep_job(table, text)
    assert Path(job.data.path) == table.path
    assert path.read_text(encoding="utf-8") == text
