"""Azure ML: the files are ones that azure-ai-ml itself takes; its clients' calls go to a local stand-in."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from azure_fake import CANARY, FakeAzure, signed_in
from deployed import made_for, wanted
from tuneworthy import deploying
from tuneworthy.core.errors import ConsentError, LaunchError
from tuneworthy.data.job_yaml import dump_yaml
from tuneworthy.deployers import Deployment
from tuneworthy.deployers.records import find, keep, known
from tuneworthy.serving.container import placed

requests = pytest.importorskip("requests")
WANTED = wanted("azureml")


@pytest.fixture
def azure(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeAzure]:
    """A workspace; the credentials are a token that nobody checks and that must be written nowhere."""
    with signed_in(monkeypatch) as fake:
        yield fake


def endpoints(azure: FakeAzure) -> list[str]:
    return [path for path in azure.resources if path.startswith("/onlineEndpoints/")]


def properties(azure: FakeAzure, path: str) -> dict[str, Any]:
    found: dict[str, Any] = azure.resources[path]["properties"]
    return found


def test_azures_own_loaders_take_the_files(finished_run: Path, tmp_path: Path) -> None:
    ml = pytest.importorskip("azure.ai.ml", reason="pip install 'tuneworthy[azureml]'")
    made = made_for("azureml", finished_run, tmp_path)
    for name, request in made.plan.requests.items():
        (tmp_path / f"{name}.yml").write_text(dump_yaml(request))
    endpoint = ml.load_online_endpoint(tmp_path / "endpoint.yml")
    deployment = ml.load_online_deployment(tmp_path / "deployment.yml")
    assert endpoint.name == deployment.endpoint_name == made.plan.endpoint and len(endpoint.name) <= 32
    assert Path(deployment.model.path) == tmp_path / finished_run.name
    routes = deployment.environment.inference_config
    assert {routes[name]["port"] for name in routes} == {8080}
    assert routes["scoringRoute"]["path"] == "/invocations" and routes["livenessRoute"]["path"] == "/ping"
    assert endpoint.tags == deployment.tags == made.cargo.tags


def test_what_is_created_is_the_plan_that_was_shown(azure: FakeAzure, finished_run: Path) -> None:
    shown = deploying.dry_run(finished_run, None, WANTED)
    assert azure.asked == []
    made = deploying.deploy(finished_run, None, WANTED, allowed=True)
    assert made.plan == shown.plan and made.created
    name, request = made.plan.endpoint, shown.plan.requests["deployment"]
    assert endpoints(azure) == [f"/onlineEndpoints/{name}", f"/onlineEndpoints/{name}/deployments/blue"]
    assert properties(azure, f"/onlineEndpoints/{name}")["traffic"] == {"blue": 100}
    blue = properties(azure, f"/onlineEndpoints/{name}/deployments/blue")
    assert blue["environmentVariables"] == request["environment_variables"]
    assert blue["instanceType"] == "Standard_NC4as_T4_v3" and blue["model"].endswith(f"/{name}/versions/1")
    assert deploying.state(made).phase == "serving"
    assert f"-n {name} -g mine -w ml" in deploying.ask(made)


def test_the_model_that_azure_mounts_is_the_run_that_serve_finds(
    azure: FakeAzure, finished_run: Path, tmp_path: Path
) -> None:
    made = deploying.deploy(finished_run, None, WANTED, allowed=True)
    name = made.plan.endpoint
    uri = properties(azure, f"/models/{name}/versions/1")["modelUri"]
    place = uri.partition("/paths/")[2].rstrip("/")
    folder = tmp_path / "azureml-models" / name / "1" / place.rpartition("/")[2]  # as Azure mounts it
    for blob, content in azure.blobs.items():
        target = folder / blob.removeprefix(f"{place}/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    said = made.plan.requests["deployment"]["environment_variables"]
    inside = {key: value.replace("/var/azureml-app", str(tmp_path)) for key, value in said.items()}
    found = placed(inside)
    assert found is not None and found.behind == "azureml" and found.run == folder
    sent = {file.path.partition("/")[2]: file.size for file in made.cargo.files}
    there = {
        path.relative_to(folder).as_posix(): path.stat().st_size
        for path in folder.rglob("*")
        if path.is_file()
    }
    assert there == sent


def test_asked_twice_it_makes_one_and_delete_leaves_no_endpoint(azure: FakeAzure, finished_run: Path) -> None:
    first = deploying.deploy(finished_run, None, WANTED, allowed=True)
    puts = len([one for one in azure.asked if one.startswith("PUT")])
    said: list[str] = []
    assert deploying.deploy(finished_run, None, WANTED, allowed=True, say=said.append) == first
    assert said == ["It is serving there already."]
    assert len([one for one in azure.asked if one.startswith("PUT")]) == puts
    deploying.delete(first, said.append)
    assert endpoints(azure) == [] and deploying.state(first).phase == "gone"
    assert "archived" in said[-1]
    assert properties(azure, f"/models/{first.plan.endpoint}/versions/1")["isArchived"]
    deploying.delete(first)  # in whatever part it is there
    assert deploying.deploy(finished_run, None, WANTED, allowed=True).created


def test_the_model_leaves_only_when_somebody_says_so(azure: FakeAzure, finished_run: Path) -> None:
    with pytest.raises(ConsentError, match=r"to Azure ML workspace ml \(mine\).*\$12.62 a day"):
        deploying.deploy(finished_run, None, WANTED)
    assert azure.asked == [] and known() == []


def test_a_deployment_that_fails_leaves_what_the_same_deploy_goes_on_with(
    azure: FakeAzure, finished_run: Path
) -> None:
    azure.faults["PUT .*/deployments/blue"] = [409]
    with pytest.raises(LaunchError, match=r"did not create the deployment .*fault 409"):
        deploying.deploy(finished_run, None, WANTED, allowed=True)
    (left,) = known()
    assert not left.created and len(endpoints(azure)) == 1 and deploying.state(left).phase == "unsent"
    made = deploying.deploy(finished_run, None, WANTED, allowed=True)
    assert made.created and made.since == left.since and deploying.state(made).phase == "serving"


def test_a_deployment_that_an_earlier_process_began_is_waited_for(
    azure: FakeAzure, finished_run: Path
) -> None:
    made = deploying.deploy(finished_run, None, WANTED, allowed=True)
    path = f"/onlineEndpoints/{made.plan.endpoint}"
    properties(azure, path)["traffic"] = {}
    properties(azure, f"{path}/deployments/blue")["provisioningState"] = "Failed"
    keep(made.model_copy(update={"created": False}))
    with pytest.raises(LaunchError, match="has failed there"):
        deploying.deploy(finished_run, None, WANTED, allowed=True)
    properties(azure, f"{path}/deployments/blue")["provisioningState"] = "Updating"
    azure.then[f"{path}/deployments/blue"] = ["Updating", "Updating", "Succeeded"]
    assert deploying.deploy(finished_run, None, WANTED, allowed=True).created
    assert properties(azure, path)["traffic"] == {"blue": 100}


@pytest.fixture
def kept(azure: FakeAzure, finished_run: Path, tmp_path: Path) -> Deployment:
    """One that is on disk as created, and of which the workspace knows nothing."""
    made = made_for("azureml", finished_run, tmp_path / "cargo").model_copy(update={"created": True})
    keep(made)
    return made


@pytest.mark.parametrize("fault", [429, requests.ConnectionError("reset")])
def test_throttling_and_a_network_that_comes_back_are_tried_again(
    azure: FakeAzure, kept: Deployment, fault: Any
) -> None:
    azure.faults["GET .*/onlineEndpoints/"] = [fault] * 2
    assert deploying.state(kept).phase == "gone"


def test_what_could_not_be_deleted_is_said_and_stays_known(azure: FakeAzure, finished_run: Path) -> None:
    made = deploying.deploy(finished_run, None, WANTED, allowed=True)
    azure.faults["DELETE .*/onlineEndpoints/"] = [403] * 20
    with pytest.raises(LaunchError, match=r"did not delete the endpoint .*fault 403"):
        deploying.delete(made)
    left = find(made.name)
    assert left is not None and not left.deleted


def test_no_credential_is_written_or_sent(azure: FakeAzure, finished_run: Path) -> None:
    deploying.deploy(finished_run, None, WANTED, allowed=True)
    assert CANARY not in json.dumps(azure.resources)
    files = [path for path in Path().rglob("*") if path.is_file()]
    assert files and [path for path in files if CANARY.encode() in path.read_bytes()] == []
