"""Every file in `trackers/` keeps the contract: what its own client reads back is what the folder says."""

import json
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tracked_run import PRIVATE, SECRETS
from tuneworthy.core.evidence import Estimate
from tuneworthy.trackers import TRACKERS
from tuneworthy.tracking import replay
from wandb_file import records

Curves = dict[str, dict[int, float]]


@dataclass
class Seen:
    """What a client reads back: curves by name and step, scores, parameters as text, tags, files by name."""

    curves: Curves
    scores: dict[str, float]
    parameters: dict[str, str]
    told: str
    files: dict[str, str]
    runs: int
    points: int


def from_tensorboard(place: Path) -> Seen:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    (folder,) = (place / "toy").iterdir()
    events = EventAccumulator(str(folder))
    events.Reload()
    scalars = {tag: {one.step: one.value for one in events.Scalars(tag)} for tag in events.Tags()["scalars"]}
    texts = {
        tag: events.Tensors(tag)[-1].tensor_proto.string_val[0].decode() for tag in events.Tags()["tensors"]
    }
    cells = [line.strip("| ").split(" | ", 1) for line in texts["parameters"].splitlines()[2:]]
    return Seen(
        curves={tag: steps for tag, steps in scalars.items() if not tag.startswith("test/")},
        scores={tag: steps[0] for tag, steps in scalars.items() if tag.startswith("test/")},
        parameters={key: str(json.loads(value)) for key, value in cells},
        told=texts["verdict"],
        files={file.name: file.read_text() for file in folder.glob("*.html")},
        runs=len(list((place / "toy").iterdir())),
        points=sum(len(events.Scalars(tag)) for tag in scalars),
    )


def from_mlflow(place: Path) -> Seen:
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{place / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("toy")
    runs = client.search_runs([experiment.experiment_id])
    run = runs[0]
    assert run.info.status == "FINISHED"
    history = {key: client.get_metric_history(run.info.run_id, key) for key in run.data.metrics}
    files = {
        one.path: Path(client.download_artifacts(run.info.run_id, one.path)).read_text()
        for one in client.list_artifacts(run.info.run_id)
    }
    return Seen(
        curves={k: {m.step: m.value for m in v} for k, v in history.items() if not k.startswith("test/")},
        scores={key: value for key, value in run.data.metrics.items() if key.startswith("test/")},
        parameters=dict(run.data.params),
        told=json.dumps(run.data.tags),
        files=files,
        runs=len(runs),
        points=sum(map(len, history.values())),
    )


def from_wandb(place: Path) -> Seen:
    (folder,) = (place / "wandb").glob("offline-run-*")
    (file,) = folder.glob("*.wandb")
    curves: Curves = {}
    parameters: dict[str, str] = {}
    summary: dict[str, Any] = {}
    tags: list[str] = []
    points = 0
    for record in records(file):
        match record.WhichOneof("record_type"):
            case "run":
                tags = list(record.run.tags) or tags
                updates = record.run.config.update
                parameters |= {one.key: str(json.loads(one.value_json)) for one in updates if one.key}
            case "config":
                updates = record.config.update
                parameters |= {one.key: str(json.loads(one.value_json)) for one in updates if one.key}
            case "summary":
                summary |= {one.key: json.loads(one.value_json) for one in record.summary.update if one.key}
            case "history":
                items = {
                    one.key or "/".join(one.nested_key): json.loads(one.value_json)
                    for one in record.history.item
                }
                for name, value in items.items():
                    unit = name.rpartition("/")[0]
                    if unit and not name.endswith("/step"):
                        curves.setdefault(name, {})[items[f"{unit}/step"]] = value
                        points += 1
    staged = [one for one in (place / "data").rglob("*") if one.is_file()]
    return Seen(
        curves=curves,
        scores={key: value for key, value in summary.items() if key.startswith("test/")},
        parameters=parameters,
        told=json.dumps([tags, summary]),
        files={"report.html": staged[0].read_text()},
        runs=len(list((place / "wandb").glob("offline-run-*"))),
        points=points,
    )


def from_trackio(place: Path) -> Seen:
    import trackio
    from trackio import sqlite_storage

    for module in (trackio.utils, sqlite_storage):  # it reads TRACKIO_DIR once, when it is imported
        module.TRACKIO_DIR = place
    runs = list(trackio.Api().runs("toy"))
    logs = sqlite_storage.SQLiteStorage.get_logs("toy", runs[0].name)
    (last,) = (line for line in logs if "estimates" in line)
    curves: Curves = {}
    for line in (line for line in logs if line is not last):
        for name in line.keys() - {"step", "timestamp"}:
            curves.setdefault(name, {})[line["step"]] = line[name]
    scores = {}
    for row in last["estimates"]["_value"]:
        name = f"test/{row['arm']}/{row['metric']}"
        ends = {name: row["value"], f"{name}_low": row["low"], f"{name}_high": row["high"]}
        scores |= {key: value for key, value in ends.items() if value is not None}
    blobs = [one for one in (place / "artifacts").rglob("*") if one.is_file()]
    config = runs[0].config or {}
    return Seen(
        curves=curves,
        scores=scores,
        parameters={key: str(value) for key, value in config.items()},
        told=json.dumps([config, last["verdict"]]),
        files={"report.html": next(one.read_text() for one in blobs if b"<html" in one.read_bytes())},
        runs=len(runs),
        points=len(logs),
    )


READERS = {
    "tensorboard": from_tensorboard,
    "mlflow": from_mlflow,
    "wandb": from_wandb,
    "trackio": from_trackio,
}


@pytest.fixture(scope="module")
def places(recorded: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A workspace to whose trackers the recorded run was sent twice, all at a time."""
    folder = tmp_path_factory.mktemp("workspace")
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith(("WANDB", "MLFLOW", "TRACKIO"))]:
            patch.delenv(name)
        for name, value in {**SECRETS, "NETRC": str(folder / "none")}.items():
            patch.setenv(name, value)
        patch.setenv("TUNEWORTHY_WORKSPACE", str(folder))
        names = TRACKERS.names()
        with ThreadPoolExecutor(len(names)) as pool:
            for _ in range(2):
                list(pool.map(lambda name: replay(recorded, name), names))
        yield folder


def test_every_tracker_has_a_reader_here() -> None:
    assert sorted(READERS) == TRACKERS.names()


@pytest.fixture(params=TRACKERS.names())
def seen(request: pytest.FixtureRequest, places: Path) -> Seen:
    return READERS[request.param](places / request.param)


def test_curves_are_those_of_the_units(seen: Seen, recorded: Path) -> None:
    expected: Curves = {}
    for file in recorded.glob("units/*/metrics.json"):
        facts = json.loads(file.read_text())["facts"]
        for one in facts.get("train", ()):
            for name in one.keys() - {"step"}:
                expected.setdefault(f"lora/{name}", {})[one["step"]] = one[name]
        for one in facts.get("validation", ()):
            expected.setdefault("lora/validation_accuracy", {})[one["step"]] = one["score"]
            expected.setdefault("lora/validation_log_loss", {})[one["step"]] = one["log_loss"]
    assert {"lora/loss", "lora/learning_rate", "lora/validation_accuracy"} <= expected.keys()
    assert seen.curves.keys() == expected.keys()
    for name, steps in expected.items():
        assert seen.curves[name] == pytest.approx(steps, rel=1e-6), name


def test_scores_and_the_ends_of_their_intervals_are_those_of_estimates_json(
    seen: Seen, recorded: Path
) -> None:
    estimates = [
        Estimate.model_validate(one) for one in json.loads((recorded / "estimates.json").read_text())
    ]
    expected = {}
    for one in (one for one in estimates if one.label is None):
        name = f"test/{one.method}/{one.metric}"
        ends = {name: one.value, f"{name}_low": one.low, f"{name}_high": one.high}
        expected |= {key: value for key, value in ends.items() if value is not None}
    assert seen.scores == pytest.approx(expected, rel=1e-6, abs=1e-12)


def test_parameters_are_the_jobs_and_each_methods_own(seen: Seen) -> None:
    expected = {"protocol": "holdout", "lora.max_steps": "6", "lora.rank": "8", "lora.warmup": "0.06"}
    assert {key: seen.parameters.get(key) for key in expected} == expected


def test_verdict_and_fingerprint_of_the_data_are_told(seen: Seen, recorded: Path) -> None:
    verdict = json.loads((recorded / "verdict.json").read_text())
    for said in (verdict["decision"], verdict["headline"]):
        assert said in seen.told
    assert json.loads((recorded / "dataset.json").read_text())["fingerprint"] in seen.told


def test_the_report_is_there_without_rows(seen: Seen, recorded: Path) -> None:
    page = seen.files["report.html"]
    assert json.loads((recorded / "verdict.json").read_text())["headline"] in page
    assert not [word for word in PRIVATE if word in page]
    assert PRIVATE[1] in (recorded / "report.html").read_text()  # the user's own page has them


def test_a_second_replay_adds_nothing(seen: Seen) -> None:
    curves = sum(map(len, seen.curves.values()))
    assert seen.runs == 1
    assert seen.points in (
        curves,
        curves + len(seen.scores),
        1 + 6 + len(seen.curves["lora/validation_accuracy"]),
    )


def test_no_secret_no_row_and_no_person_is_in_any_file(places: Path, recorded: Path) -> None:
    files = [*places.rglob("*"), recorded / "trackers.log"]
    contents = {file: file.read_bytes() for file in files if file.is_file()}
    assert len(contents) > 10
    leaks = [
        (file.name, word)
        for file, content in contents.items()
        for word in PRIVATE
        if word.encode() in content
    ]
    assert not leaks
