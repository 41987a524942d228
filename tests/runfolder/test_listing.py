"""The list of runs: state, minutes and scores from small files, and thousands of them at once."""

import json
import time
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from tuneworthy.runfolder.listing import list_runs

ESTIMATE = {"method": "tfidf", "metric": "accuracy", "value": 0.8, "low": 0.7, "high": 0.9, "n": 60}


def event(minute: float, kind: str, **fields: Any) -> dict[str, Any]:
    return {
        "time": f"2026-11-29T07:{int(minute):02d}:{int(60 * (minute % 1)):02d}.000+00:00",
        "event": kind,
        **fields,
    }


DONE = event(3, "run_finished", decision="classifier", recommended_method="tfidf")


def make(folder: Path, *events: dict[str, Any], units: int = 0) -> Path:
    folder.mkdir(parents=True)
    (folder / "events.jsonl").write_text("".join(json.dumps(one) + "\n" for one in events))
    (folder / "dataset.json").write_text(
        json.dumps({"name": "clauses", "rows": 60, "fingerprint": "f" * 16, "task": "text-classification"})
    )
    addresses = ["u0", "u1", "u2"]
    plan = {"stages": [{"name": "untuned", "units": [{"address": one} for one in addresses]}]}
    (folder / "plan.json").write_text(json.dumps(plan))
    other = {**ESTIMATE, "method": "lora", "value": 0.1}
    arms = [{"method": "lora", "estimate": other}, {"method": "tfidf", "estimate": ESTIMATE}]
    (folder / "evidence.json").write_text(json.dumps({"arms": arms}))
    for address in addresses[:units]:
        (folder / "units" / address).mkdir(parents=True)
        (folder / "units" / address / "checksums.json").write_text("{}")
    return folder


def test_a_finished_run_has_the_verdict_and_the_recommended_arms_score(tmp_path: Path) -> None:
    make(tmp_path / "a", event(1, "run_started"), DONE)
    (run,) = list_runs(tmp_path)
    assert (run.name, run.data, run.rows, run.task) == ("a", "clauses", 60, "text-classification")
    assert (run.state, run.decision, run.method, run.minutes) == ("finished", "classifier", "tfidf", 2.0)
    assert (run.metric, run.value, run.low, run.high) == ("accuracy", 0.8, 0.7, 0.9)


def test_a_run_that_stopped_says_at_which_unit(tmp_path: Path) -> None:
    make(tmp_path / "a", event(1, "run_started"), event(2, "unit_started"), units=2)
    (run,) = list_runs(tmp_path)
    assert (run.state, run.units, run.planned, run.decision) == ("stopped", 2, 3, None)


def test_a_run_stays_finished_when_another_arm_is_fitted_for_an_export(tmp_path: Path) -> None:
    make(tmp_path / "a", event(1, "run_started"), DONE, event(9, "unit_started"), event(10, "unit_finished"))
    (run,) = list_runs(tmp_path)
    assert (run.state, run.minutes, run.decision) == ("finished", 2.0, "classifier")


def test_a_run_whose_folder_is_locked_is_running_also_when_it_finished_before(tmp_path: Path) -> None:
    make(tmp_path / "a", event(1, "run_started"), DONE, event(5, "run_started"))
    make(tmp_path / "b", event(1, "run_started"), DONE)
    with FileLock(tmp_path / "a" / ".lock"), FileLock(tmp_path / "b" / ".lock"):
        assert {run.name: run.state for run in list_runs(tmp_path)} == {"a": "running", "b": "finished"}
    assert {run.name: run.state for run in list_runs(tmp_path)} == {"a": "stopped", "b": "finished"}


def test_the_pause_between_a_stop_and_the_next_start_is_not_counted(tmp_path: Path) -> None:
    first = (event(1, "run_started"), event(2, "note", text='say "event": "run_started"'))
    make(tmp_path / "a", *first, event(50, "run_started"), {**DONE, "time": "2026-11-29T07:53:00.000+00:00"})
    (run,) = list_runs(tmp_path)
    assert (run.minutes, run.when) == (4.0, "2026-11-29T07:50:00.000+00:00")


def test_a_clock_that_was_set_back_makes_no_negative_minutes(tmp_path: Path) -> None:
    make(tmp_path / "a", event(30, "run_started"), DONE)
    (run,) = list_runs(tmp_path)
    assert (run.state, run.minutes) == ("finished", 0.0)


def test_a_line_that_is_being_written_is_left_alone(tmp_path: Path) -> None:
    run = make(tmp_path / "a", event(1, "run_started"), event(2, "note"))
    with (run / "events.jsonl").open("a") as file:
        file.write('{"time": "2026-11-29T07:59:00.000+00:00", "ev')
    assert list_runs(tmp_path)[0].minutes == 1.0


def test_what_is_no_run_is_passed_over_and_a_damaged_run_says_so(tmp_path: Path) -> None:
    run = make(tmp_path / "a", event(1, "run_started"), DONE)
    (tmp_path / "trackio").mkdir()
    (tmp_path / "ledger.jsonl").write_text("{}\n")
    (make(tmp_path / "b", event(1, "run_started")) / "events.jsonl").write_text("no JSON\n")
    (make(tmp_path / "c", event(1, "run_started"), DONE) / "dataset.json").write_text("{")
    (make(tmp_path / "d", event(1, "run_started")) / "events.jsonl").write_text("")
    assert {one.name: one.damaged for one in list_runs(tmp_path)} == {"a": None, "c": "dataset.json"}
    assert [one.name for one in list_runs(run)] == ["a"]
    assert list_runs(tmp_path / "nowhere") == []


def test_the_latest_comes_first(tmp_path: Path) -> None:
    for name, minute in (("a", 1), ("b", 3), ("c", 2)):
        make(tmp_path / name, event(minute, "run_started"), {**DONE, "time": "2026-11-29T07:55:00.000+00:00"})
    assert [one.name for one in list_runs(tmp_path)] == ["b", "c", "a"]


@pytest.mark.parametrize("count", [500])
def test_ten_thousand_runs_would_be_listed_in_seconds(tmp_path: Path, count: int) -> None:
    filler = [event(2, "unit_progress", unit="u0", title="lora", loss=0.1, step=n) for n in range(100)]
    for n in range(count):
        make(tmp_path / f"run-{n:05d}", event(1, "run_started"), *filler, DONE)
    before = time.process_time()
    assert len(list_runs(tmp_path)) == count
    assert time.process_time() - before < count * 0.0004  # 4 s for ten thousand: twice what it takes
