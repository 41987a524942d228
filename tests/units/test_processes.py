"""A unit of several processes: the answers of one, nothing left behind, nothing lost when one is killed."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch

import tuneworthy as tw
from tuneworthy.core.ending import EXIT_CODE, Ended
from tuneworthy.core.errors import JobError, ModelError, RunFolderError
from tuneworthy.core.job import DataSpec, Job
from tuneworthy.core.unit import Unit
from tuneworthy.methods import METHODS
from tuneworthy.units.executors.processes import _raise, run_in_processes, threads_each
from tuneworthy.units.executors.ray import needs
from tuneworthy.units.plan import validated_parameters

COMMAND = (
    "import sys, json; from tuneworthy.cli.main import main; sys.argv = ['tuneworthy', *sys.argv[1:]]; main()"
)
SOON_S = 20.0  # for a process to notice its end, on a busy machine


def split_unit(**changes: Any) -> Unit:
    same: dict[str, Any] = {"task": "t", "labels": (), "instruction": "", "metric": "m", "fold": None}
    same |= {"fit": "a", "validation": "b", "predict": "c", "models": {}, "dtype": "float32", "seed": 0}
    same |= {"implementation": "d", "threads": 8, "method": "lora", "parameters": {"processes": 2}}
    return Unit(**{**same, **changes})


def test_a_units_threads_are_shared_out_among_its_processes() -> None:
    of_another = {"then": "lora", "settings": {"processes": 4}}
    units = [
        split_unit(),
        split_unit(threads=1),
        split_unit(parameters={}),
        split_unit(method="adapt", parameters=of_another),
        split_unit(method="adapt", parameters=of_another, purpose="adapt"),
    ]
    assert [unit.processes for unit in units] == [2, 2, 1, 4, 1]
    assert [threads_each(unit) for unit in units] == [4, 1, 8, 2, 8]


def test_on_ray_every_process_of_a_unit_has_a_gpu() -> None:
    unit = split_unit(models={"decoder": {"name": "m", "digest": "d"}})
    assert needs(unit, 32, 4) == {"num_cpus": 8, "num_gpus": 2}
    assert needs(unit.model_copy(update={"threads": 1}), 32, 0) == {"num_cpus": 2, "num_gpus": 0}


@pytest.mark.parametrize(
    ("arm", "said"),
    [
        ("qlora", r"qlora\.processes = 2: weights packed in four bits cannot be split over processes"),
        ("full", "full has no parameter 'processes'"),
    ],
)
def test_an_arm_that_cannot_be_split_says_so(arm: str, said: str) -> None:
    job = Job(data=DataSpec(path="t.csv"), arms=(arm,), methods={arm: {"processes": 2}})
    with pytest.raises(JobError, match=said):
        validated_parameters(METHODS.get(arm), job)


def test_more_processes_than_gpus_are_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: None)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(ModelError, match=r"and 1 can be seen here: set lora\.processes=1 or less"):
        run_in_processes(split_unit(), tmp_path, {}, lambda done, total, facts: None)


CRASHED = {"kind": "crashed", "traceback": "a connection was closed", "memory": False}
KILLED = {"kind": "died", "code": -signal.SIGKILL}
SHORT = {"kind": "refused", "error": "ModelError", "message": "memory ran out", "memory": True}
STOPPED = {"kind": "died", "code": EXIT_CODE}


@pytest.mark.parametrize(
    ("last", "kind", "said"),
    [
        ([CRASHED, KILLED], RunFolderError, r"one of the 2 processes of 'lora' ended \(code -9"),
        ([CRASHED, SHORT], ModelError, "memory ran out"),
        ([CRASHED], RuntimeError, "a connection was closed"),
        ([STOPPED, STOPPED], Ended, "was stopped"),
    ],
)
def test_of_several_last_words_the_reason_is_told(
    last: Sequence[dict[str, Any]], kind: type[BaseException], said: str
) -> None:
    with pytest.raises(kind, match=said) as caught:
        _raise(last, split_unit())
    assert isinstance(caught.value.__cause__, MemoryError) == (SHORT in last)


def started(csv: Path, output: str, settings: dict[str, Any]) -> "subprocess.Popen[str]":
    job = Path(output).with_suffix(".yaml")
    job.parent.mkdir(parents=True, exist_ok=True)
    job.write_text(json.dumps({**settings, "data": {"path": str(csv)}}), encoding="utf-8")
    words = ["run", str(job), "--output", output]
    return subprocess.Popen([sys.executable, "-c", COMMAND, *words], stderr=subprocess.PIPE, text=True)


def processes_of(parent: "subprocess.Popen[str]", output: str) -> list[psutil.Process]:
    """Those that hold the model of a fit, as soon as it has a checkpoint, in the order of their ranks."""
    until = time.monotonic() + 180
    while not [*Path(output).glob("checkpoints/*/state-*.pt")]:
        assert parent.poll() is None and time.monotonic() < until, "no checkpoint was written"
        time.sleep(0.05)
    found = psutil.Process(parent.pid).children(recursive=True)
    return sorted((one for one in found if "executors.process" in " ".join(one.cmdline())), key=_rank)


def _rank(process: psutil.Process) -> tuple[float, int]:
    return process.create_time(), process.pid


def outputs(run: Path) -> dict[str, list[bytes]]:
    """What each fit of lora left: its predictions and its adapter."""
    return {
        file.parent.name: [
            file.with_name("predictions.jsonl").read_bytes(),
            file.with_name("model").joinpath("adapter", "adapter_model.safetensors").read_bytes(),
        ]
        for file in run.glob("units/*/unit.json")
        if json.loads(file.read_text(encoding="utf-8"))["method"] == "lora"
    }


def fit_facts(run: Path) -> dict[str, Any]:
    [folder] = (run / "units" / address for address in outputs(run))
    facts: dict[str, Any] = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))["facts"]
    return facts


@pytest.fixture
def settings(quick: dict[str, Any]) -> dict[str, Any]:
    lora = {"max_steps": 60, "epochs": 20, "learning_rate": 0.003, "patience": 100, "processes": 2}
    return {**quick, "arms": ["tfidf", "lora"], "lora": lora}


@pytest.mark.slow
def test_two_processes_answer_as_one_also_when_they_were_killed(
    toy_csv: Path, settings: dict[str, Any]
) -> None:
    one = tw.run(toy_csv, output="one/run", **{**settings, "lora": {**settings["lora"], "processes": 1}})
    two = tw.run(toy_csv, output="two/run", **settings)
    ones, twos = ([point["loss"] for point in fit_facts(run.path)["train"]] for run in (one, two))
    assert twos[:6] == pytest.approx(ones[:6], rel=1e-5) and twos == pytest.approx(ones, rel=1e-3)
    answers = [[json.loads(line)["value"] for line in _lines(run.path)] for run in (one, two)]
    assert answers[0] == answers[1] and len(answers[0]) > 5

    command = started(toy_csv, "killed/run", settings)
    split = processes_of(command, "killed/run")
    assert len(split) == 2
    command.kill()
    _, alive = psutil.wait_procs(split, SOON_S)
    assert not alive, "a process outlived the one that started it"
    again = started(toy_csv, "killed/run", settings)
    assert again.wait(300) == 0
    assert fit_facts(Path("killed/run"))["seconds_before_resume"] > 0
    assert outputs(Path("killed/run")) == outputs(two.path)


def _lines(run: Path) -> list[str]:
    [(predictions, _)] = outputs(run).values()
    return predictions.decode().splitlines()


@pytest.mark.slow
@pytest.mark.parametrize("rank", [0, 1])
def test_a_process_that_is_killed_ends_the_others_with_one_sentence(
    toy_csv: Path, settings: dict[str, Any], rank: int
) -> None:
    command = started(toy_csv, "here/run", settings)
    split = processes_of(command, "here/run")
    split[rank].kill()
    _, told = command.communicate(timeout=60)
    assert command.returncode == 2
    assert "one of the 2 processes of 'lora' ended (code -9" in " ".join(told.split())
    assert "Traceback" not in told
    assert not psutil.wait_procs(split, SOON_S)[1]
    assert not [*Path("here/run/units").glob(".*")], "half an output was left"


@pytest.mark.slow
def test_a_split_fit_that_is_stopped_goes_on_from_its_last_step(
    toy_csv: Path, settings: dict[str, Any]
) -> None:
    command = started(toy_csv, "here/run", settings)
    split = processes_of(command, "here/run")
    command.terminate()
    _, told = command.communicate(timeout=60)
    assert command.returncode == EXIT_CODE, told
    assert not psutil.wait_procs(split, SOON_S)[1]
    assert started(toy_csv, "here/run", settings).wait(300) == 0
    assert fit_facts(Path("here/run"))["seconds_before_resume"] > 0
