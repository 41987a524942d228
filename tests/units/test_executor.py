"""The local executor: same results however many workers, nothing lost when something dies."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch

import tuneworthy as tw
from toy import toy_rows, write_csv
from tuneworthy.core.errors import TuneworthyError
from tuneworthy.core.unit import Unit
from tuneworthy.models import hardware
from tuneworthy.models.hardware import cores
from tuneworthy.runfolder.folder import RunFolder
from tuneworthy.runfolder.unit_output import is_finished
from tuneworthy.units.executors import local
from tuneworthy.units.executors.local import LocalExecutor

SCRIPT = (
    "import sys, json, tuneworthy as tw; tw.run(sys.argv[1], output=sys.argv[2], **json.loads(sys.argv[3]))"
)


def predictions(run: Path) -> dict[str, str]:
    return {
        folder.name: (folder / "predictions.jsonl").read_text(encoding="utf-8")
        for folder in (run / "units").iterdir()
        if not folder.name.startswith(".")
    }


def test_two_workers_give_the_bytes_of_one(toy_csv: Path, quick: dict[str, Any]) -> None:
    quick = {**quick, "arms": ["majority", "tfidf", "zero_shot", "lora"]}
    one = tw.run(toy_csv, output="one/run", **quick)
    two = tw.run(toy_csv, output="two/run", **{**quick, "workers": 2})
    assert predictions(one.path) == predictions(two.path)
    assert one.verdict == two.verdict


@pytest.mark.parametrize(("workers", "said"), [pytest.param(1, 0, marks=pytest.mark.slow), (2, 1)])
def test_workers_whose_threads_outnumber_the_cores_are_said_to_slow_each_other(
    toy_csv: Path, quick: dict[str, Any], workers: int, said: int
) -> None:
    events: list[dict[str, Any]] = []
    own = {"arms": ["majority", "tfidf"], "threads": 2 * cores(), "workers": workers, "curve": {"arms": []}}
    tw.run(toy_csv, output="runs/a", listener=events.append, **{**quick, **own})
    notes = [event["text"] for event in events if event["event"] == "note"]
    assert sum(f"2 units of {2 * cores()} threads each share" in note for note in notes) == said


def room(units: list[Unit], where: str, free_gib: float, patch: pytest.MonkeyPatch, folder: RunFolder) -> int:
    """Units at a time on 8 cores, where a fit of lora takes 3 GiB at least."""
    patch.setattr(hardware, "device", lambda: torch.device(where))
    patch.setattr(hardware, "free_memory", lambda device: int(free_gib * 2**30))
    return LocalExecutor(8, None, {"lora": 3.0})._room(units, folder)


@pytest.mark.parametrize(
    ("where", "free_gib", "together"), [("cpu", 24.0, 4), ("cpu", 7.0, 2), ("cpu", 1.0, 1), ("cuda", 80.0, 1)]
)
def test_no_more_fits_run_side_by_side_than_memory_holds_and_one_on_a_gpu(
    monkeypatch: pytest.MonkeyPatch,
    recorded: Path,
    tmp_path: Path,
    where: str,
    free_gib: float,
    together: int,
) -> None:
    [lora] = [unit for unit in units_of(recorded) if unit.method == "lora"][:1]
    units = [lora.model_copy(update={"threads": 2, "seed": seed}) for seed in range(6)]
    with RunFolder(tmp_path / "run") as folder:
        assert room(units, where, free_gib, monkeypatch, folder) == together
        plain = [unit.model_copy(update={"models": {}}) for unit in units]
        assert room(plain, where, free_gib, monkeypatch, folder) == 4


def units_of(run: Path) -> list[Unit]:
    files = sorted(run.glob("units/*/unit.json"))
    return [Unit.model_validate_json(file.read_text(encoding="utf-8")) for file in files]


def test_a_script_without_a_main_guard_can_use_workers(toy_csv: Path, quick: dict[str, Any]) -> None:
    settings = json.dumps({**quick, "arms": ["majority", "tfidf", "probe"], "workers": 2})
    subprocess.run([sys.executable, "-c", SCRIPT, str(toy_csv), "runs/a", settings], check=True)
    assert Path("runs/a/verdict.json").exists()


def test_a_users_mistake_inside_a_worker_comes_back_as_one_sentence(
    workspace: Path, quick: dict[str, Any]
) -> None:
    short = {**quick, "lora": {**quick["lora"], "max_tokens": 32}}
    with pytest.raises(TuneworthyError, match=r"row \d+: prompt and answer are \d+ tokens"):
        tw.run(
            write_csv(workspace / "long.csv", toy_rows()),
            input="text",
            target="label",
            **{**short, "protocol": "crossfit", "workers": 2, "arms": ["majority", "lora"]},
        )


@pytest.mark.parametrize("delay_s", [3.0, pytest.param(6.0, marks=pytest.mark.slow)])
def test_a_killed_run_continues_redoes_no_finished_unit_and_ends_in_the_same_verdict(
    toy_csv: Path, quick: dict[str, Any], delay_s: float
) -> None:
    quick = {
        **quick,
        "arms": ["majority", "tfidf", "zero_shot", "lora"],
        "protocol": "crossfit",
        "folds": 3,
        "workers": 2,
        "lora": {"max_steps": 40, "learning_rate": 0.01},
    }
    whole = tw.run(toy_csv, output="whole/run", **{**quick, "workers": 1})
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(toy_csv), "killed/run", json.dumps(quick)], start_new_session=True
    )
    time.sleep(delay_s)
    process.send_signal(signal.SIGKILL)
    process.wait()
    time.sleep(1.5)
    assert not workers_of("killed/run"), "a worker outlived its parent"
    units = Path("killed/run/units")
    before = {f.name for f in units.iterdir() if is_finished(f)} if units.exists() else set()
    events: list[dict[str, Any]] = []
    resumed = tw.run(toy_csv, output="killed/run", listener=events.append, **quick)
    assert not before & {event["unit"] for event in events if event["event"] == "unit_started"}
    assert predictions(resumed.path) == predictions(whole.path)
    assert resumed.verdict == whole.verdict


def workers_of(run: str) -> list[int]:
    """Worker processes that still live in this test's folder."""
    here = str(Path.cwd())
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command = (process / "cmdline").read_bytes()
            if b"executors.worker" in command and str((process / "cwd").readlink()) == here:
                found.append(int(process.name))
        except OSError:
            continue
    return found


DYING = """
import json, os, signal, sys
from pathlib import Path
for line in sys.stdin:
    request = json.loads(line)
    tried = Path(request["run"], str(request["unit"]["seed"]))
    if not tried.exists():
        tried.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    print(json.dumps({"kind": "finished"}), flush=True)
"""


def test_units_whose_process_was_killed_are_tried_again_one_process_at_a_time(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    beside: list[int] = []

    def start(pool: local._Pool) -> "subprocess.Popen[str]":
        processes = getattr(pool, "_processes", [])
        beside.append(sum(one.poll() is None for one in processes))
        words = [sys.executable, "-c", DYING]
        return subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    monkeypatch.setattr(local._Pool, "_start", start)
    units = [unit(seed) for seed in range(3)]
    others = workspace / "run/units/.another.1234.partial"
    others.mkdir(parents=True)
    (workspace / "run/units" / f".{units[0].address}.1234.partial").mkdir()
    local._Pool(2, RunFolder(workspace / "run"), {}).run(units)
    assert beside[-3:] == [0, 0, 0]
    assert list((workspace / "run/units").iterdir()) == [others], (
        "another writer's work was removed, or ours left"
    )


def unit(seed: int) -> Unit:
    """One that a stand-in for a worker does nothing with."""
    same: dict[str, Any] = {
        "parameters": {},
        "task": "t",
        "labels": (),
        "instruction": "",
        "metric": "m",
        "fold": None,
    }
    same |= {"fit": "a", "validation": "b", "predict": "c", "models": {}, "dtype": "float32", "threads": 1}
    return Unit(method="tfidf", seed=seed, implementation="d", **same)


def test_another_arm_leaves_the_other_units_their_addresses(toy_csv: Path, quick: dict[str, Any]) -> None:
    quick = {key: value for key, value in quick.items() if key not in ("threads", "workers")}
    alone = tw.run(toy_csv, output="one/run", **{**quick, "arms": ["zero_shot"]})
    more = tw.run(toy_csv, output="two/run", **{**quick, "arms": ["zero_shot", "majority", "tfidf"]})
    assert predictions(alone.path).keys() & predictions(more.path).keys()  # refits differ, the arm does not
