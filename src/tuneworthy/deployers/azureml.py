"""Azure Machine Learning: a managed online endpoint with one deployment on one machine, through azure-ai-ml.

Endpoint and deployment are files in Azure's own form; `az ml online-endpoint create --file endpoint.yml` and
`az ml online-deployment create --file deployment.yml` take them as well. The model is a folder that Azure
mounts into the container; the container is an image of yours, made by this repository's Dockerfile. Azure
asks callers for the endpoint's key; it never reaches the container as one of ours.
"""

import shlex
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pydantic import Field

from tuneworthy.core.errors import LaunchError
from tuneworthy.core.frozen import Frozen
from tuneworthy.data.job_yaml import dump_yaml
from tuneworthy.deployers import Cargo, Deployer, Deployment, Phase, Plan, State, name_of
from tuneworthy.launchers import Terms
from tuneworthy.launchers.azureml import asking_azure, ml_client, word
from tuneworthy.launchers.terms import Say
from tuneworthy.runfolder.folder import write_text
from tuneworthy.serving.container import BEHIND, MODEL, PORT

SCHEMAS = "https://azuremlschemas.azureedge.net/latest"
ENDPOINT, DEPLOYMENT = "endpoint", "deployment"  # the two requests, and their files
LONGEST_NAME, BLUE, VERSION = 32, "blue", "1"
MOUNTED = "/var/azureml-app/azureml-models"  # where Azure mounts models, by name and version
ASKS_S, STARTS_S, POLL_S = 60, 900, 20.0
PHASES: dict[str, Phase] = {
    "Creating": "creating",
    "Updating": "creating",
    "Scaling": "serving",
    "Succeeded": "serving",
    "Failed": "failed",
    "Canceled": "failed",
    "Deleting": "deleting",
}


class Options(Frozen):
    """Which workspace, and which image."""

    subscription: str = Field(description="id of the subscription")
    group: str = Field(description="name of the resource group")
    workspace: str = Field(description="name of the Azure ML workspace")
    image: str = Field(
        pattern=r"^\S+/\S+$",
        description="your image in the workspace's container registry, built from the Dockerfile's target "
        "`endpoint`",
    )


class AzureML:
    """A managed online endpoint."""

    name = "azureml"
    title = "Azure ML"
    needs: tuple[str, ...] = ("azure.ai.ml", "azure.identity")
    extra = "azureml"
    instance = "Standard_NC4as_T4_v3"
    options: type[Frozen] = Options

    def offer(self, instance: str) -> tuple[str, ...]:
        """Azure's own machines, on demand."""
        return (f"Azure {instance}",)

    def plan(self, cargo: Cargo, terms: Terms) -> Plan:
        """The two files."""
        options = terms.options
        name = name_of(cargo, terms, LONGEST_NAME)
        endpoint = {
            "$schema": f"{SCHEMAS}/managedOnlineEndpoint.schema.json",
            "name": name,
            "auth_mode": "key",
            "tags": cargo.tags,
        }
        live, asked = {"port": PORT, "path": "/ping"}, {"port": PORT, "path": "/invocations"}
        probe = {"period": 10, "timeout": 5, "failure_threshold": 3}
        deployment = {
            "$schema": f"{SCHEMAS}/managedOnlineDeployment.schema.json",
            "name": BLUE,
            "endpoint_name": name,
            "model": {"name": name, "version": VERSION, "type": "custom_model", "path": cargo.title},
            "environment": {
                "image": options["image"],
                "inference_config": {
                    "liveness_route": live,
                    "readiness_route": live,
                    "scoring_route": asked,
                },
            },
            "environment_variables": {MODEL: f"{MOUNTED}/{name}/{VERSION}", BEHIND: self.name},
            "instance_type": terms.instance,
            "instance_count": 1,
            "request_settings": {"request_timeout_ms": ASKS_S * 1000},
            "liveness_probe": {"initial_delay": STARTS_S, **probe},
            "readiness_probe": {"initial_delay": 10, **probe, "failure_threshold": STARTS_S // 10},
            "tags": cargo.tags,
        }
        return Plan(
            endpoint=name,
            image=options["image"],
            place=f"Azure ML workspace {options['workspace']} ({options['group']})",
            requests={ENDPOINT: endpoint, DEPLOYMENT: deployment},
            notes=(
                "Storage and traffic are billed besides. Azure keeps a fifth more of the machine's quota for "
                "updates than the endpoint uses.",
            ),
        )

    def create(self, deployment: Deployment, model: Path, say: Say) -> None:
        """Endpoint, then deployment, then all traffic to it: each waits for the one before."""
        from azure.ai.ml import load_online_deployment, load_online_endpoint

        plan = deployment.plan
        for name, request in plan.requests.items():  # beside the model, whose path is relative to them
            write_text(model / f"{name}.yml", dump_yaml(request))
        with asking_azure("Azure ML did not create the endpoint"):
            client = ml_client(deployment.terms.options)
            endpoint = _found(lambda: client.online_endpoints.get(plan.endpoint))
            if endpoint is None:
                say(f"creating the endpoint {plan.endpoint}")
                wished = load_online_endpoint(model / f"{ENDPOINT}.yml")
                endpoint = client.online_endpoints.begin_create_or_update(wished).result()
        with asking_azure("Azure ML did not create the deployment"):
            if _deployed(client, plan.endpoint) is None:
                say("sending the model and starting the machine: Azure takes ten minutes or more")
                wished = load_online_deployment(model / f"{DEPLOYMENT}.yml")
                client.online_deployments.begin_create_or_update(wished).result()
            _await(client, plan.endpoint)
        with asking_azure("Azure ML did not turn the traffic to the deployment"):
            if endpoint.traffic.get(BLUE) != 100:
                endpoint.traffic = {BLUE: 100}
                client.online_endpoints.begin_create_or_update(endpoint).result()

    def state(self, deployment: Deployment) -> State:
        """Of the deployment, once the endpoint has one."""
        name = deployment.plan.endpoint
        with asking_azure("Azure ML was not to be asked"):
            client = ml_client(deployment.terms.options)
            endpoint = _found(lambda: client.online_endpoints.get(name))
            behind = None if endpoint is None else _deployed(client, name)
        if endpoint is None:
            return State(phase="gone", told=f"the workspace knows no endpoint {name}")
        url = str(endpoint.scoring_uri or "")
        if word(endpoint.provisioning_state) == "Deleting":
            return State(phase="deleting", told="Deleting", url=url)
        if behind is None:
            return State(phase="unsent", told="the endpoint stands and has no deployment", url=url)
        told = word(behind.provisioning_state)
        return State(phase=PHASES.get(told, "creating"), told=told, url=url)

    def delete(self, deployment: Deployment, say: Say) -> None:
        """The endpoint with its deployment; the model is archived: Azure's client offers no more."""
        options, name = deployment.terms.options, deployment.plan.endpoint
        with asking_azure(f"Azure ML did not delete the endpoint {name}"):
            client = ml_client(options)
            there = _found(lambda: client.online_endpoints.get(name)) is not None
            if there:
                client.online_endpoints.begin_delete(name).result()
            say(f"endpoint {name} and its deployment: {'deleted' if there else 'gone already'}")
        with asking_azure(f"Azure ML did not archive the model {name}"):
            there = _found(lambda: client.models.get(name, VERSION)) is not None
            if there:
                client.models.archive(name, VERSION)
        if there:
            say(f"model {name}: archived; its files stay in the workspace's storage until you delete them")

    def ask(self, deployment: Deployment) -> str:
        """curl with the key that Azure's own command line gives."""
        options, name = deployment.terms.options, deployment.plan.endpoint
        of = f"-n {name} -g {shlex.quote(options['group'])} -w {shlex.quote(options['workspace'])}"
        body = shlex.quote('{"input": "a text"}')
        return (
            f"curl -s $(az ml online-endpoint show {of} --query scoring_uri -o tsv) -H 'content-type: "
            "application/json' -H \"authorization: Bearer $(az ml online-endpoint get-credentials "
            f'{of} --query primaryKey -o tsv)" -d {body}'
        )


def _found(call: Callable[[], Any]) -> Any:
    """What a call answers; None where the workspace has nothing of that name."""
    from azure.core.exceptions import ResourceNotFoundError

    try:
        return call()
    except ResourceNotFoundError:
        return None


def _deployed(client: Any, endpoint: str) -> Any:
    return _found(lambda: client.online_deployments.get(BLUE, endpoint))


def _await(client: Any, endpoint: str) -> None:
    """Waits for a deployment that an earlier process has begun.

    Raises:
        LaunchError: it has failed.
    """
    while (told := word(_deployed(client, endpoint).provisioning_state)) in ("Creating", "Updating"):
        time.sleep(POLL_S)
    if PHASES.get(told) == "failed":
        raise LaunchError(f"the deployment of {endpoint} has failed there: az ml online-deployment get-logs.")


PLUGIN: Deployer = AzureML()
