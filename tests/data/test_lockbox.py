"""The lockbox: every opening of the same test rows is known, whatever the run is called."""

from pathlib import Path

from tuneworthy.core.example import Example
from tuneworthy.data.lockbox import Lockbox

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


def test_a_torn_last_line_does_not_lose_the_others(tmp_path: Path) -> None:
    ledger = tmp_path / "ledger.jsonl"
    Lockbox(ROWS, ledger).open("plan", ["tfidf"], [], "run")
    with ledger.open("a") as file:
        file.write('{"time": "20')
    assert len(Lockbox(ROWS, ledger).openings()) == 1
