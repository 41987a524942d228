"""Where there are more runs than a page shows, it shows the newest, and still finds an older one by name."""

import json
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tuneworthy.web.runs import Runs
from tuneworthy.web.workspace import Workspace

NOW = 1_700_000_000


@pytest.fixture
def runs(tmp_path: Path) -> Runs:
    """Nine finished runs, run-0 the oldest."""
    for number in range(9):
        folder = tmp_path / f"run-{number}"
        folder.mkdir()
        _write(folder, [{"event": "run_started"}, {"event": "run_finished", "decision": "collect"}])
        (folder / "model.json").write_text("{}", encoding="utf-8")
        os.utime(folder / "events.jsonl", (NOW + number, NOW + number))
    return Runs(Workspace(tmp_path))


def _write(folder: Path, events: list[dict[str, str]]) -> None:
    when = datetime.fromtimestamp(NOW, UTC).isoformat()
    lines = [json.dumps({"time": when, **event}) + "\n" for event in events]
    (folder / "events.jsonl").write_text("".join(lines), encoding="utf-8")


def test_the_newest_are_listed_and_the_others_counted(runs: Runs) -> None:
    latest, more = runs.latest(3)
    assert [run.name for run in latest] == ["run-8", "run-7", "run-6"]
    assert more == 6


def test_an_older_run_that_is_asked_for_can_be_chosen(runs: Runs) -> None:
    assert runs.finished(["run-1", "no-such"], most=2) == ["run-1", "run-8", "run-7"]


def test_a_run_that_was_started_again_is_no_longer_finished(runs: Runs, tmp_path: Path) -> None:
    assert "run-8" in runs.finished()
    with (tmp_path / "run-8" / "events.jsonl").open("a", encoding="utf-8") as file:
        file.write(json.dumps({"time": "2030-01-01T00:00:00+00:00", "event": "run_started"}) + "\n")
    assert "run-8" not in runs.finished()


@pytest.mark.parametrize(
    "line",
    [
        {"event": "planned"},
        {"event": "run_started"},
        {"event": "run_started", "time": "x"},
        {"event": "planned", "time": "2030-01-01T00:00:00", "stages": []},
        *({"event": "note", "time": "2030-01-01T00:00:00+00:00", "text": text} for text in ([], {})),
    ],
    ids=str,
)
def test_a_run_whose_events_are_odd_is_damaged_and_the_others_are_shown(
    runs: Runs, tmp_path: Path, line: dict[str, object]
) -> None:
    (tmp_path / "run-8" / "events.jsonl").write_text(json.dumps(line) + "\n", encoding="utf-8")
    latest, _ = runs.latest()
    assert {run.name: run.state for run in latest} == {
        "run-8": "damaged",
        **{f"run-{number}": "finished" for number in range(8)},
    }
    assert runs.read("run-8").state == "damaged"
    assert "run-8" not in runs.finished() and len(runs.finished()) == 8


def test_a_time_without_a_zone_is_damage_as_well(runs: Runs, tmp_path: Path) -> None:
    when, unit = "2030-01-01T00:00:00", {"unit": "a", "title": "tfidf fold 1"}
    events = [{"event": "run_started", "time": when}, {"event": "unit_started", "time": when, **unit}]
    lines = "".join(json.dumps(event) + "\n" for event in events)
    (tmp_path / "run-8" / "events.jsonl").write_text(lines, encoding="utf-8")
    assert runs.read("run-8").state == "damaged"
