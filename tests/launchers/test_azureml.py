"""Azure ML: the job file is one that azure-ai-ml itself takes; its clients' calls go to a local stand-in."""

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from azure_fake import CANARY, FakeAzure, signed_in
from launched import Elsewhere, sent_to, wanted
from tuneworthy import launching
from tuneworthy.core.errors import LaunchError
from tuneworthy.data.job_yaml import dump_yaml
from tuneworthy.launchers import LAUNCHERS, Handle
from tuneworthy.launchers.azureml import PHASES, TRIES
from tuneworthy.launchers.handles import BUNDLE, folder_of, known
from tuneworthy.launchers.terms import terms_of
from tuneworthy.models.machines import read_market

requests = pytest.importorskip("requests")
OWN = ("subscription=s", "group=g", "workspace=w")


@pytest.mark.parametrize("options", [OWN, (*OWN, "compute=gpu-cluster")])
def test_azures_own_client_takes_the_job_file(elsewhere: Elsewhere, options: tuple[str, ...]) -> None:
    ml = pytest.importorskip("azure.ai.ml", reason="pip install 'tuneworthy[azureml]'")
    launcher = LAUNCHERS.get("azureml")
    terms = terms_of(launcher, wanted("azureml", options=options), read_market())
    where = launcher.where(elsewhere.handle.parcel, terms)
    Path("bundle").mkdir()
    Path("job.yml").write_text(dump_yaml(where.request))
    job = ml.load_job("job.yml")
    assert job.type == "command" and job.limits.timeout == 7200
    assert "start.sh" in job.command and "--limit 7020" in job.command
    assert job.tags == elsewhere.handle.parcel.tags
    machine = job.compute if "compute=gpu-cluster" in options else job.resources.instance_type
    assert machine in ("gpu-cluster", "azureml:gpu-cluster", "Standard_NC4as_T4_v3")


def test_every_end_that_azure_knows_is_an_end_here() -> None:
    assert {PHASES[name] for name in ("Completed", "Failed", "Canceled")} == {"finished", "failed", "stopped"}


@pytest.fixture
def azure(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeAzure]:
    """A workspace; the credentials are a token that nobody checks and that must be written nowhere."""
    with signed_in(monkeypatch) as fake:
        yield fake


@pytest.fixture
def sent(azure: FakeAzure, elsewhere: Elsewhere) -> Handle:
    return sent_to("azureml", elsewhere)


@pytest.fixture
def handle(elsewhere: Elsewhere) -> Handle:
    """One that was sent, says the disk."""
    launcher = LAUNCHERS.get("azureml")
    terms = terms_of(launcher, wanted("azureml"), read_market())
    where = launcher.where(elsewhere.handle.parcel, terms)
    changes = {"name": "toy-azureml", "launcher": "azureml", "terms": terms, "where": where, "sent": True}
    return elsewhere.handle.model_copy(update=changes)


def job_of(azure: FakeAzure, handle: Handle) -> dict[str, Any]:
    about: dict[str, Any] = azure.resources[f"/jobs/{handle.parcel.name}"]["properties"]
    return about


def test_the_job_that_azure_gets_is_the_plan_that_was_shown(sent: Handle, azure: FakeAzure) -> None:
    job, request = job_of(azure, sent), sent.where.request
    assert job["command"] == request["command"] and job["tags"] == sent.parcel.tags
    assert job["limits"]["timeout"] == "PT2H" and job["computeId"].endswith("/computes/gpu")
    environment = azure.resources[job["environmentId"].partition("/workspaces/ml")[2]]
    assert environment["properties"]["image"] == request["environment"]["image"]


def test_the_bundle_lies_in_the_datastore_file_by_file(
    sent: Handle, azure: FakeAzure, elsewhere: Elsewhere
) -> None:
    place = job_of(azure, sent)["inputs"]["bundle"]["uri"].partition("/paths/")[2]
    bundle = folder_of(sent.name) / BUNDLE
    there = {name.removeprefix(place): azure.blobs[name] for name in azure.blobs if name.startswith(place)}
    assert there == {
        path.relative_to(bundle).as_posix(): path.read_bytes() for path in bundle.rglob("*") if path.is_file()
    }
    assert sent.parcel.digest == elsewhere.handle.parcel.digest  # the very bundle that was run by its script


def test_the_run_folder_comes_back_byte_for_byte(
    sent: Handle, azure: FakeAzure, elsewhere: Elsewhere
) -> None:
    with pytest.raises(LaunchError, match="is waiting"):
        launching.fetch(sent)
    azure.end(sent.parcel.name, left=elsewhere.archive.read_bytes())
    done = launching.fetch(sent)
    there = {
        path.relative_to(elsewhere.run): path.read_bytes()
        for path in elsewhere.run.rglob("*")
        if path.is_file() and path.name != ".lock"
    }
    fetched = {path.relative_to(done.run): path for path in Path(done.run).rglob("*") if path.is_file()}
    assert {name: path.read_bytes() for name, path in fetched.items()} == there


def test_a_job_that_left_nothing_says_so(sent: Handle, azure: FakeAzure) -> None:
    azure.end(sent.parcel.name, "Failed")
    with pytest.raises(LaunchError, match="has failed and left no archive"):
        launching.fetch(sent)


@pytest.mark.parametrize(
    ("status", "phase"), [("Queued", "waiting"), ("Running", "running"), ("Canceled", "stopped")]
)
def test_the_state_is_the_one_that_the_workspace_answers(
    sent: Handle, azure: FakeAzure, status: str, phase: str
) -> None:
    job_of(azure, sent)["status"] = status
    assert launching.status(sent).phase == phase


def test_the_log_is_passed_on_while_the_job_runs_and_after_its_end(sent: Handle, azure: FakeAzure) -> None:
    assert list(launching.logs(sent)) == []
    azure.print(sent.parcel.name, "one\ntwo\n")
    assert launching.status(sent).phase == "running"
    assert list(launching.logs(sent)) == ["one", "two"]
    azure.faults["GET .*std_log"] = [403]
    with pytest.raises(LaunchError, match=r"did not give the log \(HTTPError\)"):
        list(launching.logs(sent))
    azure.print(sent.parcel.name, "one\ntwo\nthree\n")
    azure.end(sent.parcel.name)
    said: list[str] = []
    launching.follow(sent, said.append, every=0)
    assert said[1:] == ["one", "two", "three"]
    assert list(launching.logs(sent, seen=2)) == ["three"]


def test_a_job_of_that_name_is_the_one_that_was_sent_before(sent: Handle, azure: FakeAzure) -> None:
    LAUNCHERS.get("azureml").submit(sent, folder_of(sent.name) / BUNDLE, folder_of(sent.name))
    assert len([one for one in azure.asked if one.startswith("PUT") and "/jobs/" in one]) == 1


def test_an_end_is_asked_for(sent: Handle, azure: FakeAzure) -> None:
    launching.cancel(sent)
    assert launching.status(sent).phase == "stopped"


def test_no_credential_and_nothing_of_the_users_repository_is_written_or_sent(
    azure: FakeAzure, elsewhere: Elsewhere, monkeypatch: pytest.MonkeyPatch
) -> None:
    remote = f"https://me:{CANARY}@example.com/mine.git"
    for command in (["git", "init", "-q"], ["git", "remote", "add", "origin", remote]):
        subprocess.run(command, check=True)
    handle = sent_to("azureml", elsewhere)
    assert CANARY not in json.dumps(azure.resources) and job_of(azure, handle)["properties"] == {}
    assert os.environ.get("GIT_DIR") is None
    files = [path for path in Path().rglob("*") if path.is_file() and ".git" not in path.parts]
    assert files and [path for path in files if CANARY.encode() in path.read_bytes()] == []


def test_a_job_that_is_not_there_is_gone(handle: Handle, azure: FakeAzure) -> None:
    assert launching.status(handle).phase == "gone"


@pytest.mark.parametrize(
    ("fault", "match"),
    [
        (403, "Azure ML was not to be asked .*fault 403"),
        (requests.ConnectionError("no route"), "Azure ML was not to be asked .*no route"),
    ],
)
def test_a_refusal_and_a_lost_network_are_one_sentence(
    handle: Handle, azure: FakeAzure, fault: Any, match: str
) -> None:
    azure.faults["GET .*/jobs/"] = [fault] * 20
    with pytest.raises(LaunchError, match=match) as raised:
        launching.status(handle)
    assert "\n" not in str(raised.value)
    assert len(azure.asked) <= TRIES + 1


@pytest.mark.parametrize("fault", [429, 503, requests.ConnectionError("reset")])
def test_throttling_and_a_network_that_comes_back_are_tried_again(
    sent: Handle, azure: FakeAzure, fault: Any
) -> None:
    azure.faults["GET .*/jobs/"] = [fault] * 2
    assert launching.status(sent).phase == "waiting"


@pytest.mark.parametrize(
    ("where", "fault", "told"),
    [
        ("PUT .*blob.core", 403, "fault 403"),
        ("PUT .*blob.core", requests.ConnectionError("no route"), "no route"),
        ("HEAD .*blob.core", requests.ConnectionError("no route"), "no route"),
        ("PUT .*/jobs/", 403, "fault 403"),
    ],
)
def test_a_bundle_that_does_not_arrive_is_one_sentence_and_can_be_sent_again(
    azure: FakeAzure, elsewhere: Elsewhere, where: str, fault: Any, told: str
) -> None:
    azure.faults[where] = [fault] * 40
    with pytest.raises(LaunchError, match=f"Azure ML did not take the job .*{told}") as raised:
        sent_to("azureml", elsewhere)
    assert "\n" not in str(raised.value)
    (left,) = known()
    azure.faults.clear()
    LAUNCHERS.get("azureml").submit(left, folder_of(left.name) / BUNDLE, folder_of(left.name))
    assert job_of(azure, left)["status"] == "Queued"
