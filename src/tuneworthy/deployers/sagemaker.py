"""Amazon SageMaker: a real-time endpoint on one machine, through boto3.

The model goes to S3 as one archive, which SageMaker unpacks into the container's /opt/ml/model. The container
is an image of yours, made by this repository's Dockerfile; it is started as `tuneworthy serve` and answers
GET /ping and POST /invocations on port 8080. Only who may call InvokeEndpoint reaches it.
"""

import re
import shlex
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pydantic import Field

from tuneworthy.core.frozen import Frozen
from tuneworthy.deployers import Cargo, Deployer, Deployment, Phase, Plan, State, name_of
from tuneworthy.deployers.cargo import pack_tar
from tuneworthy.launchers import Terms
from tuneworthy.launchers.sagemaker import asking_aws, aws_client
from tuneworthy.launchers.terms import Say
from tuneworthy.serving.container import BEHIND, MODEL, SAGEMAKER_MODEL

ARCHIVE, VARIANT = "model.tar.gz", "all"
LONGEST_NAME = 63
STARTS_S = 900  # a base model is unpacked and hashed before it answers; SageMaker's own limit is 480
# The machine's own image: the usual one has a driver that is too old for the container's CUDA. What it names
# are the machines with an NVIDIA card that it can be had for.
DRIVERS = "al2023-ami-sagemaker-inference-gpu-4-1"
WITH_CARD = re.compile(r"ml\.(g4dn|g[5-9]e?|p[4-9][a-z]*)\.")
PHASES: dict[str, Phase] = {
    "Creating": "creating",
    "Updating": "creating",
    "SystemUpdating": "serving",
    "InService": "serving",
    "OutOfService": "failed",
    "RollingBack": "creating",
    "Failed": "failed",
    "Deleting": "deleting",
}


class Options(Frozen):
    """Where in the account it is kept, and in which image."""

    role: str = Field(
        pattern=r"^arn:aws[a-z-]*:iam::\d{12}:role/.+$",
        description="ARN of the role that SageMaker takes on, like arn:aws:iam::123456789012:role/serving",
    )
    bucket: str = Field(
        pattern=r"^[a-z0-9.-]{3,63}$", description="name of an S3 bucket of yours in the same region"
    )
    image: str = Field(
        pattern=r"^\d{12}\.dkr\.ecr\.[a-z0-9-]+\.amazonaws\.com(\.cn)?/.+$",
        description="your image in ECR of the same region, built from the Dockerfile's target `endpoint`",
    )
    region: str = Field("us-east-1", description="AWS region; the price file's prices are of us-east-1")
    profile: str | None = Field(None, description="a profile of your AWS configuration")
    prefix: str = Field("tuneworthy", description="folder in the bucket")


class SageMaker:
    """A real-time endpoint."""

    name = "sagemaker"
    title = "SageMaker"
    needs: tuple[str, ...] = ("boto3",)
    extra = "sagemaker"
    instance = "ml.g6.xlarge"
    options: type[Frozen] = Options

    def offer(self, instance: str) -> tuple[str, ...]:
        """SageMaker's own, on demand; an hour of hosting is taken to cost what one of training does."""
        return (f"SageMaker {instance}",)

    def plan(self, cargo: Cargo, terms: Terms) -> Plan:
        """The three calls, whole; all that they create has one name."""
        options = terms.options
        name = name_of(cargo, terms, LONGEST_NAME)
        place = f"s3://{options['bucket']}/{options['prefix'].strip('/')}/{name}"
        tags = [{"Key": key, "Value": value} for key, value in sorted(cargo.tags.items())]
        model = {
            "ModelName": name,
            "PrimaryContainer": {
                "Image": options["image"],
                "ModelDataUrl": f"{place}/{ARCHIVE}",
                "Environment": {MODEL: SAGEMAKER_MODEL, BEHIND: self.name},
            },
            "ExecutionRoleArn": options["role"],
            "EnableNetworkIsolation": True,  # it has all it needs, and no text leaves it
            "Tags": tags,
        }
        variant = {
            "VariantName": VARIANT,
            "ModelName": name,
            "InstanceType": terms.instance,
            "InitialInstanceCount": 1,
            "ContainerStartupHealthCheckTimeoutInSeconds": STARTS_S,
        }
        if WITH_CARD.match(terms.instance):
            variant["InferenceAmiVersion"] = DRIVERS
        notes = [
            "The archive in S3 is billed besides, and deleted with the endpoint. The role has to be allowed "
            "to read it and to pull the image."
        ]
        if options["region"] != "us-east-1":
            notes.append(f"The price is of us-east-1; {options['region']} may be dearer: see --price.")
        return Plan(
            endpoint=name,
            image=options["image"],
            place=place,
            requests={
                "create_model": model,
                "create_endpoint_config": {
                    "EndpointConfigName": name,
                    "ProductionVariants": [variant],
                    "Tags": tags,
                },
                "create_endpoint": {"EndpointName": name, "EndpointConfigName": name, "Tags": tags},
            },
            notes=tuple(notes),
        )

    def create(self, deployment: Deployment, model: Path, say: Say) -> None:
        """Uploads the archive, then asks for whichever of the three is not there yet."""
        options, plan = deployment.terms.options, deployment.plan
        client = _sagemaker(options)
        if _described(client, plan.endpoint) is not None:
            return  # its name is of this model on these terms
        with tempfile.TemporaryDirectory() as scratch:
            archive = Path(scratch) / ARCHIVE
            pack_tar(model, archive)
            say(f"uploading the model to {plan.place}")
            with asking_aws("S3 did not take the model"):
                aws_client("s3", options).upload_file(str(archive), options["bucket"], _key(plan))
        requests = plan.requests
        with asking_aws("SageMaker did not take the model"):
            if _found(lambda: client.describe_model(ModelName=plan.endpoint)) is None:
                client.create_model(**requests["create_model"])
        with asking_aws("SageMaker did not take the endpoint's configuration"):
            if _found(lambda: client.describe_endpoint_config(EndpointConfigName=plan.endpoint)) is None:
                client.create_endpoint_config(**requests["create_endpoint_config"])
        with asking_aws("SageMaker did not create the endpoint"):
            client.create_endpoint(**requests["create_endpoint"])

    def state(self, deployment: Deployment) -> State:
        """What DescribeEndpoint says."""
        options, name = deployment.terms.options, deployment.plan.endpoint
        found = _described(_sagemaker(options), name)
        if found is None:
            return State(phase="gone", told=f"SageMaker knows no endpoint {name}")
        status = found["EndpointStatus"]
        url = f"https://runtime.sagemaker.{options['region']}.amazonaws.com/endpoints/{name}/invocations"
        return State(phase=PHASES.get(status, "creating"), told=found.get("FailureReason") or status, url=url)

    def delete(self, deployment: Deployment, say: Say) -> None:
        """The endpoint first, which is what is billed by the hour; then configuration, model and archive."""
        options, plan = deployment.terms.options, deployment.plan
        client, name = _sagemaker(options), plan.endpoint
        steps: dict[str, Callable[[], Any]] = {
            "endpoint": lambda: client.delete_endpoint(EndpointName=name),
            "endpoint configuration": lambda: client.delete_endpoint_config(EndpointConfigName=name),
            "model": lambda: client.delete_model(ModelName=name),
        }
        for what, step in steps.items():
            with asking_aws(f"SageMaker did not delete the {what} {name}"):
                say(f"{what} {name}: {'gone already' if _found(step) is None else 'deleted'}")
        with asking_aws("S3 did not delete the archive"):
            aws_client("s3", options).delete_object(Bucket=options["bucket"], Key=_key(plan))
        say(f"{plan.place}/{ARCHIVE}: deleted")

    def ask(self, deployment: Deployment) -> str:
        """AWS's own command line."""
        region = deployment.terms.options["region"]
        body = shlex.quote('{"input": "a text"}')
        return (
            f"aws sagemaker-runtime invoke-endpoint --region {region} --endpoint-name "
            f"{deployment.plan.endpoint} --content-type application/json --cli-binary-format "
            f"raw-in-base64-out --body {body} answer.json"
        )


def _key(plan: Plan) -> str:
    """Of the archive in its bucket."""
    return f"{plan.place.split('/', 3)[3]}/{ARCHIVE}"


def _sagemaker(options: dict[str, Any]) -> Any:
    with asking_aws("SageMaker was not to be asked"):
        return aws_client("sagemaker", options)


def _found(call: Callable[[], Any]) -> Any:
    """What a call answers; None where SageMaker says that there is nothing of that name."""
    from botocore.exceptions import ClientError

    try:
        return call()
    except ClientError as error:
        said = error.response.get("Error", {})
        message = str(said.get("Message", ""))
        if said.get("Code") == "ValidationException" and (
            "ould not find" in message or "not found" in message
        ):
            return None
        raise


def _described(client: Any, name: str) -> dict[str, Any] | None:
    with asking_aws("SageMaker was not to be asked"):
        found: dict[str, Any] | None = _found(lambda: client.describe_endpoint(EndpointName=name))
        if found is not None:
            found["EndpointStatus"]  # whoever reads it need not look whether it is there
        return found


PLUGIN: Deployer = SageMaker()
