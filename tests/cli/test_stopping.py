"""SIGTERM, as a scheduler sends it; a machine that sleeps; a clock that goes back; two runs on one folder."""

import os
import signal
import subprocess
import sys
import time
from datetime import datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

import tuneworthy as tw
from tuneworthy.core import ending
from tuneworthy.core.ending import Ended, ended_by_sigterm, noticing, request
from tuneworthy.core.errors import RunFolderError
from tuneworthy.data import lockbox
from tuneworthy.runfolder import folder
from tuneworthy.runfolder.events import Event, read_event
from tuneworthy.runfolder.folder import RunFolder
from tuneworthy.runfolder.listing import list_runs

PATIENCE_S = 300.0  # of the tests, on a machine that is busy


def events(run: Path) -> list[Event]:
    file = run / "events.jsonl"
    return [read_event(line) for line in file.read_bytes().split(b"\n")[:-1]] if file.exists() else []


def command(job: Path, run: str, *more: str) -> list[str]:
    return [sys.executable, "-m", "tuneworthy.cli.main", "run", str(job), "--output", run, *more]


@pytest.fixture
def job(toy_csv: Path, quick: dict[str, Any]) -> Path:
    """A fine-tune of many steps, none of which is a validation's: no checkpoint but that of the end."""
    lora = {"steps": 3000, "learning_rate": 0.001}
    tree = {**quick, "arms": ["majority", "lora"], "seeds": 2, "lora": lora, "train_anyway": True}
    tree["data"] = {"path": str(toy_csv), "input": ["text"], "target": "label"}
    path = toy_csv.parent / "job.yaml"
    YAML().dump(tree, path)
    return path


@pytest.mark.parametrize("workers", ["1", "2"])
def test_sigterm_leaves_a_checkpoint_of_the_last_step_within_ten_seconds(job: Path, workers: str) -> None:
    process = subprocess.Popen(
        command(job, "runs/a", "--workers", workers),
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    began = time.monotonic()
    while not [one for one in events(Path("runs/a")) if one["event"] == "unit_progress"]:
        assert process.poll() is None and time.monotonic() - began < PATIENCE_S
        time.sleep(0.1)
    asked = time.monotonic()
    os.killpg(process.pid, signal.SIGTERM)  # schedulers tell every process of a job
    _, said = process.communicate(timeout=60)
    assert time.monotonic() - asked < 10
    assert process.returncode == 143
    assert "stopped; the same command again continues where this one was." in said
    assert "Traceback" not in said
    states = list(Path("runs/a/checkpoints").glob("*/state-*.pt"))
    assert len(states) in range(1, int(workers) + 1)


def test_a_request_waits_for_a_loop_that_notices_and_a_second_one_does_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    timers: list[float] = []
    monkeypatch.setattr(signal, "setitimer", lambda which, seconds: timers.append(seconds))
    with ended_by_sigterm():
        with pytest.raises(Ended):
            os.kill(os.getpid(), signal.SIGTERM)
        with noticing():
            request("it was stopped")
            assert ending.asked() == "it was stopped"
            assert timers == [ending.GRACE_S]
            with pytest.raises(Ended, match="it was stopped"):
                request("again")
    assert ending.asked() is None


def test_a_worker_that_its_scheduler_and_its_parent_tell_still_ends_at_its_next_step(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(signal, "setitimer", lambda which, seconds: None)
    with ended_by_sigterm(insisting=False), noticing():
        for _ in range(2):
            os.kill(os.getpid(), signal.SIGTERM)
        assert ending.asked() == "it was stopped"
    with ended_by_sigterm(insisting=False), pytest.raises(Ended):
        os.kill(os.getpid(), signal.SIGTERM)  # where no loop will notice


def test_a_machine_that_sleeps_wakes_up_in_the_same_run_and_lets_no_second_one_in(job: Path) -> None:
    process = subprocess.Popen(
        command(job, "runs/a", "--workers", "2", "--set", "lora.max_steps=30"),
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    began = time.monotonic()
    while not [one for one in events(Path("runs/a")) if one["event"] == "unit_progress"]:
        assert process.poll() is None and time.monotonic() - began < PATIENCE_S
        time.sleep(0.1)
    os.killpg(process.pid, signal.SIGSTOP)
    with pytest.raises(RunFolderError, match=f"in use .*number {process.pid} "), RunFolder(Path("runs/a")):
        pass
    time.sleep(2)
    os.killpg(process.pid, signal.SIGCONT)
    _, said = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0, said
    assert events(Path("runs/a"))[-1]["event"] == "run_finished"


class Backwards(datetime):
    """A clock that is an hour earlier each time it is looked at."""

    looked = 0

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> "Backwards":
        cls.looked += 1
        return cls(2026, 1, 1, tzinfo=tz) - timedelta(hours=cls.looked)


def test_a_clock_that_goes_backwards_changes_no_verdict(
    toy_csv: Path, quick: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = {**quick, "arms": ["majority", "tfidf"], "resamples": 100}
    usual = tw.run(toy_csv, output="usual/a", **settings)
    for module in (folder, lockbox):
        monkeypatch.setattr(module, "datetime", Backwards)
    odd = tw.run(toy_csv, output="odd/a", **settings)
    assert Backwards.looked
    assert odd.verdict == usual.verdict
    (listed,) = list_runs(Path("odd"))
    assert (listed.state, listed.minutes) == ("finished", 0.0)
