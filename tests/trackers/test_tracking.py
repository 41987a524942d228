"""Trackers beside a run: none of them can stop it or slow it down, and what they miss can be sent again."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import tuneworthy as tw
from tracked_run import SECRET
from tuneworthy import tracking
from tuneworthy.cli.main import app
from tuneworthy.core.errors import JobError, MissingExtraError, RunFolderError, TrackingError
from tuneworthy.runfolder.folder import RunFolder
from tuneworthy.trackers import TRACKERS
from tuneworthy.trackers._process import END, without_secrets

WAIT_S = 4.0
FAKES = """
import json, os, time

class Fake:
    needs, extra = (), "x"

    def __init__(self, name):
        self.name, self.title, self.held = name, name, 0

    def open(self, run):
        if self.name == "raises":
            raise ConnectionError("no route to the host\\nwith password " + os.environ["MY_PASSWORD"])
        if self.name == "hangs":
            time.sleep(600)
        if self.name == "dies":
            os._exit(7)
        run.place.mkdir(parents=True, exist_ok=True)
        self.file = (run.place / "told.jsonl").open("w")
        return self

    def tell(self, **what):
        self.file.write(json.dumps(what) + "\\n")
        self.file.flush()

    def log(self, point):
        self.tell(point=point.named, step=point.step)
        if self.name == "raises_late":
            raise RuntimeError("the disk is full")
        if self.name == "slow":
            time.sleep(1)

    def finish(self, outcome):
        files = outcome.files if outcome else ()
        self.tell(ended=outcome and outcome.tags, files=[str(file) for file in files])

    def look(self, run):
        return "look here"

"""
NAMES = ("raises", "raises_late", "hangs", "slow", "dies", "notes")


@pytest.fixture
def fakes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Trackers of another package, which the tracker processes find as this one does."""
    site = tmp_path / "site"
    about = site / "fakes-1.0.dist-info"
    about.mkdir(parents=True)
    plugins = "".join(f'PLUGIN_{name} = Fake("{name}")\n' for name in NAMES)
    (site / "fake_trackers.py").write_text(FAKES + plugins)
    points = "".join(f"{name} = fake_trackers:PLUGIN_{name}\n" for name in NAMES)
    (about / "entry_points.txt").write_text(f"[tuneworthy.trackers]\n{points}")
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: fakes\nVersion: 1.0\n")
    monkeypatch.syspath_prepend(str(site))
    monkeypatch.setenv("PYTHONPATH", f"{site}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
    monkeypatch.setenv("MY_PASSWORD", SECRET)
    TRACKERS.__dict__.pop("_outside", None)
    yield
    TRACKERS.__dict__.pop("_outside", None)
    sys.modules.pop("fake_trackers", None)


def copied(recorded: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(recorded, tmp_path / "runs" / "copy"))


def told(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in Path("runs", name, "told.jsonl").read_text().splitlines()]


def test_no_tracker_stops_a_run_or_keeps_it_longer_than_the_bound(
    fakes: None, toy_csv: Path, quick: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tracking, "WAIT_S", WAIT_S)
    notes: dict[str, float] = {}
    ended = []

    def listen(event: dict[str, Any]) -> None:
        if event["event"] == "run_finished":
            ended.append(time.monotonic())
        if event["event"] == "note":
            notes[event["text"]] = time.monotonic()

    arms = ["majority", "lora"]
    run = tw.run(toy_csv, arms=arms, tracking=list(NAMES), listener=listen, output="runs/t", **quick)
    waited = time.monotonic() - ended[0]
    said = [note for note in notes if note.split()[0].rstrip(":") in NAMES]
    assert waited < WAIT_S + 1.5
    assert len(said) == len(NAMES)
    assert (
        "hangs did not finish within 4 s. Nothing is lost: tuneworthy track runs/t --to hangs sends it."
        in said
    )
    assert "dies ended with code 7. Nothing is lost: tuneworthy track runs/t --to dies sends it." in said
    assert any(note.startswith("raises_late failed (RuntimeError: the disk is full)") for note in said)
    assert "notes: look here" in said
    assert not [note for note in said if SECRET in note or "\n" in note]
    last = [json.loads(line) for line in (run.path / "events.jsonl").read_text().splitlines()][-1]
    assert last["event"] == "run_finished"  # what trackers came to is no part of the run's record
    plain = tw.run(toy_csv, arms=arms, output="runs/plain", **quick)
    assert plain.estimates == run.estimates


def test_points_arrive_while_the_run_goes_on_and_the_verdict_at_its_end(
    fakes: None, recorded: Path, tmp_path: Path
) -> None:
    run = copied(recorded, tmp_path)
    events = (run / "events.jsonl").read_text().splitlines(keepends=True)
    steps = [i for i, line in enumerate(events) if '"unit_progress"' in line]
    (run / "events.jsonl").write_text("".join(events[: steps[1] + 1]) + events[steps[2]][:40])
    with tracking.Trackers(("notes",), wait_s=20) as trackers:
        trackers.follow(RunFolder(run))
        deadline = time.monotonic() + 20
        while not Path("runs/notes/told.jsonl").exists() or len(told("notes")) < 2:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert [one["step"] for one in told("notes")] == [1, 2]
        with (run / "events.jsonl").open("a") as file:
            file.write(events[steps[2]][40:] + "".join(events[steps[2] + 1 :]))
    *points, end = told("notes")
    assert [one["step"] for one in points if "lora/loss" in one["point"]] == [1, 2, 3, 4, 5, 6]
    assert end["ended"]["verdict"] == json.loads((run / "verdict.json").read_text())["decision"]
    assert [Path(file).name for file in end["files"]] == ["report.html"]


def test_a_run_that_fails_leaves_its_trackers_told_that_it_was_stopped(
    fakes: None, recorded: Path, tmp_path: Path
) -> None:
    run = copied(recorded, tmp_path)
    events = (run / "events.jsonl").read_text().splitlines(keepends=True)
    (run / "events.jsonl").write_text("".join(events[:-1]))
    with pytest.raises(KeyboardInterrupt), tracking.Trackers(("notes", "hangs")) as trackers:
        trackers.follow(RunFolder(run))
        time.sleep(1)
        raise KeyboardInterrupt
    assert told("notes")[-1] == {"ended": None, "files": []}


def test_a_run_that_is_killed_leaves_no_tracker_behind(fakes: None, recorded: Path, tmp_path: Path) -> None:
    run = copied(recorded, tmp_path)
    program = f"""
from pathlib import Path
from tuneworthy import tracking
print(tracking._start(Path({str(run)!r}), "notes").pid, flush=True)
import time; time.sleep(600)
"""
    parent = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    tracker = int(parent.stdout.readline())
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    deadline = time.monotonic() + 15
    while (
        Path(f"/proc/{tracker}").exists() and "Z" not in Path(f"/proc/{tracker}/stat").read_text().split()[2]
    ):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert told("notes")[-1]["ended"]


def test_a_server_that_never_answers_is_left_alone(
    recorded: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = copied(recorded, tmp_path)
    notes: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{silent.getsockname()[1]}")
        folder = RunFolder(run)
        folder.listen(lambda event: notes.append(event["text"]))
        with tracking.Trackers(("mlflow",), wait_s=WAIT_S) as trackers:
            trackers.follow(folder)
            started = time.monotonic()
        assert time.monotonic() - started < WAIT_S + 1.5
    assert notes == [
        f"MLflow did not finish within 4 s. Nothing is lost: tuneworthy track {run} --to mlflow sends it."
    ]


def test_a_tracker_whose_library_is_missing_is_said_once_and_the_run_goes_on(
    toy_csv: Path, quick: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(TRACKERS.get("trackio"), "needs", ("no_such_module",))
    notes: list[str] = []
    run = tw.run(
        toy_csv,
        arms=["majority", "tfidf"],
        tracking=["trackio"],
        listener=lambda event: notes.append(str(event.get("text"))),
        **quick,
    )
    assert run.verdict.recommended_method == "tfidf"
    said = [note for note in notes if "Trackio" in note]
    remedy = "pip install 'tuneworthy[trackio]'. The run goes on without it."
    assert said == [f"Not tracked: Trackio needs no_such_module: {remedy}"]
    with pytest.raises(MissingExtraError, match=r"tuneworthy\[trackio\]"):
        tracking.replay(run.path, "trackio")


def test_an_unknown_tracker_is_refused_before_anything_is_written(
    toy_csv: Path, quick: dict[str, Any]
) -> None:
    with pytest.raises(JobError, match="did you mean 'trackio'"):
        tw.run(toy_csv, tracking=["trackoi"], **quick)
    with pytest.raises(JobError, match="twice"):
        tw.run(toy_csv, tracking=["trackio", "trackio"], **quick)
    assert not Path("runs").exists()


def test_trackers_change_no_result_and_so_not_the_run_they_belong_to(toy_csv: Path) -> None:
    from tuneworthy.api import make_job

    plain, _ = make_job(toy_csv, {}, {})
    told_of, _ = make_job(toy_csv, {}, {"tracking": ["wandb"]})
    assert plain.identity() == told_of.identity()


def test_the_verb_replays_and_says_where_to_look(fakes: None, recorded: Path, tmp_path: Path) -> None:
    run = copied(recorded, tmp_path)
    done = CliRunner().invoke(app, ["track", str(run), "--to", "notes"], catch_exceptions=False)
    assert done.output == f"{run}: notes: look here\n"
    assert told("notes")[-1]["ended"]["verdict"]
    with pytest.raises(
        TrackingError, match=r"raises failed \(ConnectionError: no route to the host with password \*\*\*"
    ):
        tracking.replay(run, "raises")
    with pytest.raises(RunFolderError, match="no run folder"):
        tracking.replay(tmp_path, "notes")


def test_a_message_is_one_line_without_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_API_KEY", "abcdef123456")
    assert without_secrets("401 for\nabcdef123456") == "401 for ***"
    assert END.endswith(" ")
