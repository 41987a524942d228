"""Units on a Ray cluster: the results of one machine, and nothing lost when a node or the driver is."""

import json
import mmap
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import tuneworthy as tw
from quick import quick_settings
from toy import toy_rows, write_csv
from tuneworthy.core.errors import JobError, MissingExtraError, RunFolderError, TuneworthyError
from tuneworthy.core.unit import ModelRole, Unit
from tuneworthy.runfolder.folder import RunFolder
from tuneworthy.runfolder.unit_output import is_finished
from tuneworthy.units.executors import ray_cluster
from tuneworthy.units.executors.ray import RayExecutor, needs

ray = pytest.importorskip("ray", reason="ray is not installed: pip install 'tuneworthy[ray]'")

from ray.cluster_utils import Cluster  # noqa: E402

Event = dict[str, Any]
SCRIPT = (
    "import sys, json, tuneworthy as tw; tw.run(sys.argv[1], output=sys.argv[2], **json.loads(sys.argv[3]))"
)
STORE = 80 * 2**20  # bytes, the least that Ray takes is 75 MB


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A node without CPUs where the driver is, and one of one CPU; the driver is connected."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    found = Cluster(
        initialize_head=True,
        head_node_args={"num_cpus": 0, "object_store_memory": STORE, "include_dashboard": False},
    )
    found.add_node(num_cpus=1, object_store_memory=STORE)
    ray.init(address=found.address, log_to_driver=False, logging_level="ERROR")
    yield found
    ray.shutdown()
    found.shutdown()


def test_the_local_clusters_sockets_have_paths_that_a_system_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    session = "/session_2026-11-30_04-16-28_123456_1234567/sockets/plasma_store"
    for usual in ("/tmp", "/var/folders/8z/abcdefghijklmnopqrstuvwxyz0123/T", "/home/me/projects/one/tmp"):
        monkeypatch.setattr("tempfile.tempdir", usual)
        folder = f"{ray_cluster._place() or usual}/{ray_cluster.PREFIX}12345678"
        assert len(folder + session) <= 103, usual


def test_a_unit_that_memory_ends_every_time_is_not_tried_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    name = "RAY_task_oom_retries"
    monkeypatch.delenv(name, raising=False)
    monkeypatch.setitem(sys.modules, "ray", SimpleNamespace(is_initialized=lambda: True))
    ray_cluster.connect("ray", 1)
    assert os.environ[name] == str(ray_cluster.RETRIES)
    with Path(ray.__file__).with_name("_raylet.so").open("rb") as file:
        known = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        assert known.find(name.encode()) >= 0


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory, decoder_folder: Path, embedder_folder: Path) -> Path:
    """A run that this process has made, in a workspace where nobody has looked at its test rows before."""
    settings = {**quick_settings(decoder_folder, embedder_folder), **CROSSFIT}
    folder = tmp_path_factory.mktemp("here")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TUNEWORTHY_WORKSPACE", str(folder))
        return tw.run(toy_rows(), target="label", output=folder / "run", **settings).path


CROSSFIT: dict[str, Any] = {
    "protocol": "crossfit",
    "folds": 2,
    "arms": ["majority", "tfidf", "lora"],
    "train_anyway": True,
}


def units_of(run: Path) -> list[Unit]:
    return [
        Unit.model_validate_json(file.read_text(encoding="utf-8")) for file in run.glob("units/*/unit.json")
    ]


def without_outputs(run: Path, to: Path) -> Path:
    shutil.copytree(run, to / "run", ignore=shutil.ignore_patterns("units", "checkpoints"))
    (to / "run" / "events.jsonl").unlink()
    return to / "run"


def outputs(run: Path) -> dict[str, str]:
    return {
        file.parent.name: file.read_text(encoding="utf-8") for file in run.glob("units/*/predictions.jsonl")
    }


def events_of(run: Path) -> list[Event]:
    return [json.loads(line) for line in (run / "events.jsonl").read_text(encoding="utf-8").splitlines()]


def execute(
    executor: RayExecutor, units: list[Unit], run: Path, decoder: Path, listener: Any = None
) -> list[Event]:
    """Runs units of a run folder; what was told."""
    models: dict[ModelRole, Path] = {"decoder": decoder}
    told: list[Event] = []
    with RunFolder(run) as folder:
        folder.listen(told.append)
        if listener is not None:
            folder.listen(listener)
        try:
            executor.run(units, folder, models)
        finally:
            executor.close()
    return told


def run_again(events: list[Event]) -> set[str]:
    """Units that were started after they had been finished."""
    finished: set[str] = set()
    again = set()
    for event in events:
        if event["event"] == "unit_finished":
            finished.add(event["unit"])
        elif event["event"] == "unit_started" and event["unit"] in finished:
            again.add(event["unit"])
    return again


def slow_fits(run: Path, count: int, steps: int = 60) -> list[Unit]:
    """Fits of the decoder that take a second or two each."""
    [first, *_] = [u for u in units_of(run) if u.method == "lora" and u.purpose == "evaluate"]
    parameters = {**first.parameters, "max_steps": steps}
    return [first.model_copy(update={"seed": 50 + n, "parameters": parameters}) for n in range(count)]


def test_a_run_on_a_cluster_is_the_run_of_one_machine_to_the_byte(
    cluster: Cluster, here: Path, quick: dict[str, Any]
) -> None:
    there = tw.run(
        toy_rows(), target="label", output="there/run", **{**quick, **CROSSFIT, "workers": cluster.address}
    )
    assert outputs(there.path) == outputs(here)
    for name in ("estimates.json", "comparisons.json", "verdict.json"):
        assert (there.path / name).read_bytes() == (here / name).read_bytes()
    assert steps_of(there.path) == steps_of(here)
    assert all("node" in event for event in events_of(there.path) if event["event"] == "unit_started")


def steps_of(run: Path) -> list[tuple[str, int, float]]:
    """Every training step that the run has kept, with its loss."""
    steps = [event for event in events_of(run) if "loss" in event]
    return sorted((event["unit"], event["done"], event["loss"]) for event in steps)


def test_a_node_that_does_not_see_the_run_folder_sends_the_outputs_back(
    cluster: Cluster, here: Path, tmp_path: Path, decoder_folder: Path
) -> None:
    run = without_outputs(here, tmp_path)
    execute(RayExecutor(cluster.address, 2, shared=False), units_of(here), run, decoder_folder)
    assert outputs(run) == outputs(here)
    assert all(is_finished(folder) for folder in (run / "units").iterdir())
    assert not list((run / "units").glob(".*"))


@pytest.mark.slow
def test_a_lost_node_costs_its_unfinished_units_only(
    cluster: Cluster, here: Path, tmp_path: Path, decoder_folder: Path
) -> None:
    run = without_outputs(here, tmp_path)
    lost = cluster.add_node(num_cpus=1, object_store_memory=STORE)
    units = slow_fits(here, 5, steps=120)
    running: set[str] = set()

    def lose(event: Event) -> None:
        if event["event"] == "unit_started":
            running.add(event["unit"])
        elif event["event"] == "unit_finished":
            running.discard(event["unit"])
        if len(running) == 2 and lost in cluster.worker_nodes:  # one on each node
            cluster.remove_node(lost, allow_graceful=False)

    told = execute(RayExecutor(cluster.address, 2), units, run, decoder_folder, lose)
    assert lost not in cluster.worker_nodes
    assert {unit.address for unit in units} == outputs(run).keys()
    assert not run_again(told)
    started = Counter(event["unit"] for event in told if event["event"] == "unit_started")
    assert sum(started.values()) <= len(units) + 1, "more than the lost node's unit ran again"


@pytest.mark.slow
def test_a_driver_that_was_killed_goes_on_and_redoes_no_finished_unit(
    cluster: Cluster, here: Path, workspace: Path, quick: dict[str, Any]
) -> None:
    table = write_csv(workspace / "rows.csv", toy_rows())
    settings = {**quick, **CROSSFIT, "arms": ["tfidf", "lora"], "workers": cluster.address}
    settings["lora"] = {"max_steps": 150, "learning_rate": 0.01}
    process = subprocess.Popen([sys.executable, "-c", SCRIPT, str(table), "killed/run", json.dumps(settings)])
    run = workspace / "killed" / "run"
    until = time.monotonic() + 90
    while not (run / "events.jsonl").exists() or "lora fold" not in str(started_in(run)):
        assert process.poll() is None and time.monotonic() < until
        time.sleep(0.2)
    process.send_signal(signal.SIGKILL)
    process.wait()
    before = {folder.name for folder in (run / "units").iterdir() if is_finished(folder)}
    assert before
    events: list[Event] = []
    tw.run(table, output=run, listener=events.append, **settings)
    assert not before & {event["unit"] for event in events if event["event"] == "unit_started"}
    assert (run / "verdict.json").exists()


def started_in(run: Path) -> list[str]:
    return [event["title"] for event in events_of(run) if event["event"] == "unit_started"]


def test_a_users_mistake_on_a_node_is_that_error_here(
    cluster: Cluster, here: Path, tmp_path: Path, decoder_folder: Path
) -> None:
    run = without_outputs(here, tmp_path)
    [unit, *_] = slow_fits(here, 1)
    bad = unit.model_copy(update={"parameters": {**unit.parameters, "max_tokens": 32}})
    with pytest.raises(TuneworthyError, match="prompt and answer are") as caught:
        execute(RayExecutor(cluster.address, 2), [bad], run, decoder_folder)
    assert not isinstance(caught.value, RunFolderError)


def test_a_bug_on_a_node_shows_its_traceback(
    cluster: Cluster, here: Path, tmp_path: Path, decoder_folder: Path
) -> None:
    run = without_outputs(here, tmp_path)
    broken = units_of(here)[0].model_copy(update={"fit": "no such rows"})
    with pytest.raises(RuntimeError, match=r"(?s)crashed.*execute\.py.*KeyError: 'no such rows'"):
        execute(RayExecutor(cluster.address, 2), [broken], run, decoder_folder)


def test_a_model_of_other_files_is_refused(
    cluster: Cluster, here: Path, tmp_path: Path, embedder_folder: Path
) -> None:
    run = without_outputs(here, tmp_path)
    with pytest.raises(TuneworthyError, match="its files differ"):
        execute(RayExecutor(cluster.address, 2), slow_fits(here, 1), run, embedder_folder)


@pytest.mark.slow
def test_an_interrupt_ends_what_runs_on_the_cluster(
    cluster: Cluster, here: Path, tmp_path: Path, decoder_folder: Path
) -> None:
    run = without_outputs(here, tmp_path)

    def interrupt(event: Event) -> None:
        if event["event"] == "unit_started":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        execute(
            RayExecutor(cluster.address, 2), slow_fits(here, 3, steps=5000), run, decoder_folder, interrupt
        )
    until = time.monotonic() + 20
    while ray.available_resources().get("CPU", 0) < 1:
        assert time.monotonic() < until, "units go on after the interrupt"
        time.sleep(0.2)
    assert not outputs(run)


@pytest.mark.slow
def test_a_cluster_of_this_machine_starts_ends_and_leaves_nothing(
    workspace: Path, quick: dict[str, Any]
) -> None:
    """In a process of its own: Ray is connected to one cluster at a time."""
    table = write_csv(workspace / "rows.csv", toy_rows())
    settings = {**quick, "arms": ["majority"], "workers": "ray"}
    home = workspace / "home"
    (home / "tmp").mkdir(parents=True)
    environment = {**os.environ, "HOME": str(home), "TMPDIR": f"/tmp/tw-{os.getpid()}"}
    for name in ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_ADDRESS"):
        environment.pop(name, None)
    Path(environment["TMPDIR"]).mkdir()
    try:
        command = [sys.executable, "-c", SCRIPT, str(table), "local/run", json.dumps(settings)]
        subprocess.run(command, check=True, env=environment, capture_output=True)
        assert Path("local/run/verdict.json").exists()
        assert not Path("local/run/.workers").exists()
        assert not (home / ".ray").exists()
        assert not list(Path(environment["TMPDIR"]).iterdir())
        assert not processes_with(environment["TMPDIR"])
    finally:
        shutil.rmtree(environment["TMPDIR"], ignore_errors=True)


@pytest.mark.slow
def test_a_driver_outside_the_cluster_runs_the_same(
    workspace: Path, here: Path, quick: dict[str, Any]
) -> None:
    """Through Ray's client, as a laptop reaches a cluster."""
    port = 23_000 + os.getpid() % 1000
    head = {"num_cpus": 1, "object_store_memory": STORE, "include_dashboard": False}
    found = Cluster(initialize_head=True, head_node_args={**head, "ray_client_server_port": port})
    table = write_csv(workspace / "rows.csv", toy_rows())
    settings = {**quick, **CROSSFIT, "workers": f"ray://127.0.0.1:{port}"}
    try:
        command = [sys.executable, "-c", SCRIPT, str(table), "far/run", json.dumps(settings)]
        subprocess.run(command, check=True)
    finally:
        found.shutdown()
    assert outputs(Path("far/run")) == outputs(here)


def processes_with(text: str) -> list[int]:
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if text.encode() in (process / "cmdline").read_bytes():
                found.append(int(process.name))
        except OSError:
            continue
    return found


def test_units_reserve_their_threads_and_a_gpu_for_a_model(here: Path) -> None:
    [fit, *_] = slow_fits(here, 1)
    [count, *_] = [unit for unit in units_of(here) if not unit.models]
    wide = fit.model_copy(update={"threads": 16})
    assert needs(wide, 32, 2) == {"num_cpus": 16, "num_gpus": 1}
    assert needs(wide, 4, 0) == {"num_cpus": 4, "num_gpus": 0}
    assert needs(count, 4, 8) == {"num_cpus": 1, "num_gpus": 0}


def test_a_cluster_that_does_not_answer_is_one_sentence(
    here: Path, tmp_path: Path, decoder_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = without_outputs(here, tmp_path)
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    with pytest.raises(JobError, match=r"nothing answers at ray://127\.0\.0\.1:9"):
        execute(RayExecutor("ray://127.0.0.1:9", 2), units_of(here), run, decoder_folder)


def test_without_ray_the_pip_line_is_told(
    here: Path, tmp_path: Path, decoder_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = without_outputs(here, tmp_path)
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'tuneworthy\[ray\]'"):
        execute(RayExecutor("ray", 2), units_of(here), run, decoder_folder)


@pytest.mark.parametrize("workers", ["rya", "two", 0, -1, True, 1.5, "host:", ":1"])
def test_what_is_neither_a_number_nor_a_cluster_is_refused(workers: object) -> None:
    with pytest.raises(JobError, match="workers should be a whole number from 1 on, ray, or"):
        tw.run(toy_rows(), target="label", workers=workers)
