"""Azure ML: the job file is one that azure-ai-ml itself takes; its calls go to answers that a test sets."""

import re
from pathlib import Path

import pytest

from launched import Elsewhere, wanted
from tuneworthy import launching
from tuneworthy.core.errors import LaunchError
from tuneworthy.data.job_yaml import dump_yaml
from tuneworthy.launchers import LAUNCHERS, Handle
from tuneworthy.launchers.azureml import PHASES
from tuneworthy.launchers.terms import terms_of
from tuneworthy.models.machines import read_market

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


ARM = re.compile(r"https://management\.azure\.com/.*")


@pytest.fixture
def handle(elsewhere: Elsewhere, monkeypatch: pytest.MonkeyPatch) -> Handle:
    """One that the workspace has; the credentials are a token that nobody checks."""
    identity = pytest.importorskip("azure.identity", reason="pip install 'tuneworthy[azureml]'")

    class Token:
        token, expires_on = "canary-azure", 2**32

    class Credential:
        def get_token(self, *scopes: str, **options: object) -> Token:
            return Token()

    monkeypatch.setattr(identity, "DefaultAzureCredential", Credential)
    launcher = LAUNCHERS.get("azureml")
    terms = terms_of(launcher, wanted("azureml", options=OWN), read_market())
    where = launcher.where(elsewhere.handle.parcel, terms)
    changes = {"name": "toy-azureml", "launcher": "azureml", "terms": terms, "where": where, "sent": True}
    return elsewhere.handle.model_copy(update=changes)


def job_that_is(status: str) -> dict[str, object]:
    """What the workspace answers."""
    about = {"jobType": "Command", "status": status, "command": "x", "experimentName": "tuneworthy"}
    about |= {"environmentId": "azureml:x:1", "services": {}, "tags": {}, "properties": {}, "inputs": {}}
    return {
        "id": "/subscriptions/s/jobs/x",
        "name": "x",
        "type": "job",
        "properties": {**about, "outputs": {}},
    }


@pytest.mark.parametrize(
    ("status", "phase"), [("Queued", "waiting"), ("Running", "running"), ("Canceled", "stopped")]
)
def test_the_state_is_the_one_that_the_workspace_answers(handle: Handle, status: str, phase: str) -> None:
    responses = pytest.importorskip("responses")
    with responses.RequestsMock() as service:
        service.get(ARM, json=job_that_is(status))
        assert launching.status(handle).phase == phase


def test_a_job_that_is_not_there_is_gone_and_a_refusal_is_one_sentence(handle: Handle) -> None:
    responses = pytest.importorskip("responses")
    with responses.RequestsMock() as service:
        service.get(ARM, status=404, json={"error": {"code": "NotFound", "message": "none"}})
        assert launching.status(handle).phase == "gone"
        service.replace(
            responses.GET, ARM, status=403, json={"error": {"code": "AuthorizationFailed", "message": "no"}}
        )
        with pytest.raises(LaunchError, match="Azure ML was not to be asked"):
            launching.status(handle)


def test_an_end_is_asked_for(handle: Handle) -> None:
    responses = pytest.importorskip("responses")
    with responses.RequestsMock() as service:
        service.post(ARM, status=200)
        launching.cancel(handle)
        assert service.calls[0].request.url.partition("?")[0].endswith(f"/jobs/{handle.parcel.name}/cancel")
