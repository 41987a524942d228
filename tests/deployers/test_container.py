"""The archive that SageMaker unpacks, served as its container serves it: `serve`, and nothing else said."""

import os
import re
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from deployed import made_for
from tuneworthy.core.errors import JobError
from tuneworthy.deployers import Deployment
from tuneworthy.deployers.cargo import pack_tar
from tuneworthy.refitting import final_fit
from tuneworthy.serving.container import AZURE_MODEL, BEHIND, MODEL, placed
from tuneworthy.serving.server import KEY, api_key
from tuneworthy.units.predictor import Predictor

SERVE = [sys.executable, "-m", "tuneworthy.cli.main", "serve"]
STARTS_S = 120


@dataclass
class Container:
    """What stands in for one.

    Attributes:
        deployment: whose model it has.
        opt_ml: its /opt/ml.
        url: of its port.
        printed: its log up to there.
    """

    deployment: Deployment
    opt_ml: Path
    url: str
    printed: str


@pytest.fixture(scope="module")
def container(finished_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Container]:
    """The recommended arm, out of the archive, in a process with the environment that the plan asks for."""
    place = tmp_path_factory.mktemp("container")
    made = made_for("sagemaker", finished_run, place / "cargo")
    pack_tar(place / "cargo", place / "model.tar.gz")
    opt_ml = place / "opt" / "ml"
    with tarfile.open(place / "model.tar.gz") as tar:
        tar.extractall(opt_ml / "model", filter="data")
    for path in (opt_ml / "model").rglob("*"):
        path.chmod(0o555 if path.is_dir() else 0o444)
    said = made.plan.requests["create_model"]["PrimaryContainer"]["Environment"]
    inside = {name: value.replace("/opt/ml", str(opt_ml)) for name, value in said.items()}
    here = {name: value for name, value in os.environ.items() if name != KEY}
    process = subprocess.Popen(
        [*SERVE, "--port", "0"],
        cwd=place,
        env={**here, **inside, "HF_HUB_OFFLINE": "1", "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    printed = ""
    for line in process.stdout:
        printed += line
        if "key:" in line:
            break
    try:
        found = re.search(r"http://0\.0\.0\.0:(\d+)", printed)
        assert found, printed
        yield Container(made, opt_ml, f"http://127.0.0.1:{found[1]}", printed)
    finally:
        process.terminate()
        process.wait(STARTS_S)


def ask(container: Container, path: str, body: object = None) -> httpx.Response:
    url, method = container.url + path, "GET" if body is None else "POST"
    headers = {"host": "model.internal:8080"}  # what a cloud calls it is its business
    return httpx.request(method, url, json=body, headers=headers, timeout=STARTS_S, trust_env=False)


def test_it_is_well_and_says_who_has_checked_who_asks(container: Container) -> None:
    assert ask(container, "/ping").status_code == 200
    assert "key: none, SageMaker has checked who asks" in container.printed


def test_invocations_are_the_arms_own_predictions(container: Container, finished_run: Path) -> None:
    rows = [row.input for row in final_fit(finished_run).rows()[:12]]
    expected = Predictor(finished_run).predict(rows)
    said = ask(container, "/invocations", {"inputs": rows}).json()
    assert said["model"] == finished_run.name
    assert [one["label"] for one in said["predictions"]] == [one.value for one in expected]
    one = ask(container, "/invocations", {"input": rows[0]}).json()
    assert (one["label"], one["probabilities"]) == (
        expected[0].value,
        said["predictions"][0]["probabilities"],
    )
    same = ask(container, "/predict", {"input": rows[0]}).json()
    assert {**same, "latency_s": 0} == {**one, "latency_s": 0}


@pytest.mark.parametrize(
    ("body", "status"),
    [({}, 422), ({"inputs": []}, 422), ({"input": " "}, 422), ({"inputs": ["a text"] * 300}, 413)],
)
def test_what_predict_refuses_invocations_refuse(container: Container, body: object, status: int) -> None:
    answer = ask(container, "/invocations", body)
    assert answer.status_code == status and answer.json()["error"]["message"]


def test_nothing_is_written_beside_the_model(container: Container) -> None:
    sent = {file.path for file in container.deployment.cargo.files}
    model = container.opt_ml / "model"
    assert {path.relative_to(model).as_posix() for path in model.rglob("*") if path.is_file()} == sent


def test_both_routes_are_in_the_openapi_page(container: Container) -> None:
    paths = ask(container, "/openapi.json").json()["paths"]
    assert "get" in paths["/ping"] and "post" in paths["/invocations"]


def test_an_open_port_wants_a_key_unless_the_environment_names_the_guard(
    container: Container, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = str(container.opt_ml / "model")
    monkeypatch.delenv(KEY, raising=False)
    unguarded = placed({MODEL: model})
    assert unguarded is not None and unguarded.behind is None
    with pytest.raises(JobError, match="a key is needed"):
        api_key("0.0.0.0", unguarded.behind)
    assert api_key("0.0.0.0", "sagemaker") is None
    with pytest.raises(JobError, match="known: sagemaker, azureml"):
        placed({MODEL: model, BEHIND: "nobody"})
    monkeypatch.setenv(KEY, "k" * 20)
    assert api_key("0.0.0.0", "sagemaker") == "k" * 20  # one that was set is asked for all the same


def test_the_model_is_found_where_a_cloud_has_put_it(container: Container, tmp_path: Path) -> None:
    model = container.opt_ml / "model"
    run = model / container.deployment.cargo.title
    for environment in ({AZURE_MODEL: str(container.opt_ml)}, {MODEL: str(run)}):
        found = placed(environment)
        assert found is not None and found.run == run
    found = placed({}, sagemaker=model)
    assert found is not None and found.run == run
    assert placed({}, sagemaker=tmp_path / "none") is None
    with pytest.raises(JobError, match="holds no run"):
        placed({MODEL: str(tmp_path)})
