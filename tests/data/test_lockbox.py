"""The lockbox: every opening of the same test rows is known, whatever the run is called."""

from pathlib import Path

import pytest

from toy import toy_rows, write_csv
from tuneworthy import pipeline
from tuneworthy.core.errors import RunFolderError
from tuneworthy.core.example import Example
from tuneworthy.core.job import DataSpec, Job
from tuneworthy.data.lockbox import Lockbox, read_openings, record

ROWS = [Example(id=f"r{i}", input=f"text {i}", target="a") for i in range(4)]


def test_the_same_plan_opens_once(tmp_path: Path) -> None:
    box = Lockbox(ROWS, tmp_path / "ledger.jsonl")
    box.open("plan", ["tfidf"], [], "run")
    box.open("plan", ["tfidf"], [], "run")
    assert len(box.openings()) == 1


def test_other_rows_have_openings_of_their_own(tmp_path: Path) -> None:
    Lockbox(ROWS, tmp_path / "ledger.jsonl").open("plan", ["tfidf"], [], "run")
    assert Lockbox(ROWS[:3], tmp_path / "ledger.jsonl").openings() == []


def test_the_order_of_rows_does_not_make_a_fresh_test_set(tmp_path: Path) -> None:
    Lockbox(ROWS, tmp_path / "ledger.jsonl").open("plan", ["tfidf"], [], "run")
    assert len(Lockbox(ROWS[::-1], tmp_path / "ledger.jsonl").openings()) == 1


def test_tuned_arms_of_other_plans_are_counted(tmp_path: Path) -> None:
    box = Lockbox(ROWS, tmp_path / "ledger.jsonl")
    box.open("first", ["tfidf", "lora"], ["lora"], "a")
    box.open("second", ["tfidf", "lora"], ["lora"], "b")
    assert box.past_tuned_arms("second") == 1
    assert box.past_tuned_arms("third") == 2


def test_an_arm_is_counted_when_it_is_scored_and_once_a_plan(tmp_path: Path) -> None:
    box = Lockbox(ROWS, tmp_path / "ledger.jsonl")
    box.open("first", ["tfidf"], [], "a")  # lora was planned, and is not scored yet
    assert box.past_tuned_arms("second") == 0
    for _ in range(2):
        box.open("first", ["tfidf", "lora"], ["lora"], "a")
    assert box.past_tuned_arms("second") == 1
    assert [(one.arms, one.tuned) for one in box.openings()] == [(("tfidf", "lora"), ("lora",))]


def test_arms_that_were_scored_elsewhere_in_the_meantime_are_added_to_those_known(tmp_path: Path) -> None:
    here, there = (Lockbox(ROWS, tmp_path / name / "ledger.jsonl") for name in ("here", "there"))
    here.open("plan", ["tfidf"], [], "a")
    there.open("plan", ["tfidf", "lora"], ["lora"], "a")
    for new in (1, 0):
        assert record(tmp_path / "here" / "ledger.jsonl", there.openings()) == new
    assert here.openings()[0].arms == ("tfidf", "lora")


def test_a_torn_last_line_does_not_lose_the_others(tmp_path: Path) -> None:
    ledger = tmp_path / "ledger.jsonl"
    Lockbox(ROWS, ledger).open("plan", ["tfidf"], [], "run")
    with ledger.open("a") as file:
        file.write('{"time": "20')
    assert len(Lockbox(ROWS, ledger).openings()) == 1


def test_an_opening_after_a_torn_line_is_counted_and_so_is_one_from_elsewhere(tmp_path: Path) -> None:
    ledger = tmp_path / "ledger.jsonl"
    for plan in ("first", "second"):
        with ledger.open("a") as file:
            file.write('{"time": "20')
        Lockbox(ROWS, ledger).open(plan, ["tfidf"], [], "run")
    with ledger.open("a") as file:
        file.write('{"time": "20')
    elsewhere = read_openings(ledger)[0].model_copy(update={"plan": "third"})
    assert record(ledger, [elsewhere]) == 1
    assert [one.plan for one in Lockbox(ROWS, ledger).openings()] == ["first", "second", "third"]


def test_a_workspace_that_cannot_be_written_is_said_before_anything_is_fitted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "runs").write_text("a file")
    monkeypatch.setenv("TUNEWORTHY_WORKSPACE", str(tmp_path / "runs"))
    table = write_csv(tmp_path / "t.csv", toy_rows(30))
    job = Job(data=DataSpec(path=str(table)), arms=("majority", "tfidf"))
    with pytest.raises(RunFolderError, match="TUNEWORTHY_WORKSPACE"):
        pipeline.run(job, tmp_path / "elsewhere")
    assert not (tmp_path / "elsewhere").exists()
