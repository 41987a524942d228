"""Memory that runs out and fits that diverge: the arm is left out by name, and the rest of the run stands."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM

import tuneworthy as tw
from tiny_models import save_decoder
from tuneworthy.core.errors import ModelError
from tuneworthy.engine import trainee
from tuneworthy.methods.tfidf import Tfidf
from tuneworthy.refitting import likeness


@pytest.fixture
def settings(quick: dict[str, Any]) -> dict[str, Any]:
    return {**quick, "arms": ["majority", "tfidf", "lora"], "resamples": 100}


def left_out(run: tw.Run) -> str:
    return " ".join(json.loads((run.path / "evidence.json").read_text())["left_out"])


def scored(run: tw.Run) -> set[str]:
    return {estimate.method for estimate in run.estimates}


def test_an_arm_for_which_memory_runs_out_is_left_out_and_tried_again_the_next_time(
    toy_csv: Path, settings: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def hungry(*_: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")

    def full(*_: object) -> None:
        raise MemoryError

    with monkeypatch.context() as patch:
        patch.setattr(trainee, "supervised_loss", hungry)
        patch.setattr(Tfidf, "fit", full)
        run = tw.run(toy_csv, **settings)
    assert scored(run) == {"majority"}
    assert "lora is left out: 'lora' failed: memory ran out on a single row" in left_out(run)
    assert "tfidf is left out: 'tfidf' failed: memory ran out" in left_out(run)
    assert run.verdict.recommended_method == "majority"
    assert "memory ran out" in run.report.read_text(encoding="utf-8")
    with pytest.raises(ModelError, match="has no fit of lora: 'lora' failed"):
        likeness(run.path, "lora")
    notes: list[str] = []
    again = tw.run(toy_csv, listener=lambda event: notes.append(str(event.get("text"))), **settings)
    assert again.path == run.path
    assert scored(again) == {"majority", "tfidf", "lora"}
    assert "'lora' ran out of memory the last time: it is tried again." in notes
    assert not left_out(again)


@pytest.mark.parametrize("arm", ["lora", "encoder"])
def test_a_learning_rate_far_too_high_is_rolled_back_reported_and_never_recommended(
    toy_csv: Path, settings: dict[str, Any], arm: str
) -> None:
    rate = {
        "max_steps": 24,
        "learning_rate": {"lora": 1e20, "encoder": 1.0}[arm],
    }
    run = tw.run(toy_csv, **{**settings, "arms": ["majority", "tfidf", arm], arm: rate})
    assert run.verdict.recommended_method != arm
    assert run.verdict.decision != "fine_tune"
    told = [json.loads(file.read_text())["facts"] for file in run.path.glob("units/*/metrics.json")]
    diverged = [facts for facts in told if facts.get("rollbacks") or "diverged" in facts.get("failed", "")]
    assert diverged
    if any("failed" in facts for facts in told):
        assert f"{arm} is left out" in left_out(run) and "--set" in left_out(run)
        assert arm not in scored(run)


class Killer:
    """Kills the worker processes of this one, as the kernel does, when a fine-tune has begun."""

    def __init__(self, times: int) -> None:
        self.left = times
        self.notes: list[str] = []

    def __call__(self, event: dict[str, Any]) -> None:
        self.notes.append(str(event.get("text")))
        if self.left and event["event"] == "unit_progress" and event["title"].startswith("lora"):
            self.left -= 1
            for worker in workers():
                os.kill(worker, signal.SIGKILL)


def workers() -> list[int]:
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            parent = (process / "stat").read_text().rsplit(") ", 1)[1].split()[1]
            if int(parent) == os.getpid() and b"executors.worker" in (process / "cmdline").read_bytes():
                found.append(int(process.name))
        except (OSError, IndexError):
            continue
    return found


@pytest.mark.parametrize("times", [pytest.param(1, marks=pytest.mark.slow), 2])
def test_a_worker_that_the_kernel_kills_costs_its_unit_a_second_try_and_then_its_arm(
    toy_csv: Path, settings: dict[str, Any], times: int
) -> None:
    killer = Killer(times)
    settings = {**settings, "workers": 2, "protocol": "crossfit", "folds": 2, "train_anyway": True}
    settings |= {"lora": {"max_steps": 30, "learning_rate": 0.01}}
    run = tw.run(toy_csv, listener=killer, **settings)
    assert any("it is tried once more when the others are done, alone" in note for note in killer.notes)
    assert scored(run) == ({"majority", "tfidf", "lora"} if times == 1 else {"majority", "tfidf"})
    assert ("killed twice (code -9)" in left_out(run)) == (times == 2)


LIMITED = """
import json, resource, sys
from pathlib import Path
import tuneworthy as tw

def limit(event):
    if event["event"] == "unit_started" and event["title"] == "lora":
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + 48 * 2**20, -1))
    if event["event"] == "unit_finished":
        resource.setrlimit(resource.RLIMIT_AS, (-1, -1))

settings = json.loads(sys.argv[2])
# Once without the limit: what a fit imports stands in memory then, for a half-imported library says anything.
tw.run(sys.argv[1], output="runs/free", **{**settings, "lora": {"max_steps": 1, "rank": 2}})
tw.run(sys.argv[1], output="runs/a", listener=limit, **settings)
"""


def test_a_fit_under_ulimit_v_fails_alone(toy_csv: Path, settings: dict[str, Any], tmp_path: Path) -> None:
    # Adapters of rank 512 with their gradients and their optimiser are 100 MiB: 48 do not hold them.
    folder = save_decoder(tmp_path / "wide")
    wide = AutoConfig.from_pretrained(folder, hidden_size=512, intermediate_size=1024)
    AutoModelForCausalLM.from_config(wide).save_pretrained(folder)
    settings |= {"base_model": str(folder)}
    settings |= {"lora": {"max_steps": 4, "rank": 512}}
    # Blocks from 64 KiB on are mapped one by one: nothing that an earlier fit gave back is at hand.
    mapped = {**os.environ, "MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_ARENA_MAX": "1"}
    command = [sys.executable, "-c", LIMITED, str(toy_csv), json.dumps(settings)]
    done = subprocess.run(command, capture_output=True, text=True, env=mapped)
    assert done.returncode == 0, done.stderr[-2000:]
    assert "lora is left out: 'lora' failed: memory ran out" in left_out(tw.open_run("runs/a"))
