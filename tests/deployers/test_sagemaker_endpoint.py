"""SageMaker through real boto3 calls: moto plays the service, botocore's Stubber its failures."""

import io
import tarfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from deployed import made_for, wanted
from tuneworthy import deploying
from tuneworthy.cli.main import app
from tuneworthy.core.errors import ConsentError, JobError, LaunchError
from tuneworthy.deployers import Deployment, sagemaker
from tuneworthy.deployers.records import find, keep, known, place

boto3 = pytest.importorskip("boto3", reason="pip install 'tuneworthy[sagemaker]'")
moto = pytest.importorskip("moto", reason="pip install 'moto[s3,sagemaker,logs]'")

CANARY, BUCKET = "canary-3c19", "my-bucket"
WANTED = wanted("sagemaker")


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An account with a bucket, and credentials that must be written nowhere."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.setenv(name, CANARY)
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    with moto.mock_aws():
        boto3.client("s3", region_name="us-east-1").create_bucket(Bucket=BUCKET)
        yield


def service() -> Any:
    return boto3.client("sagemaker", region_name="us-east-1")


def objects() -> list[str]:
    found = boto3.client("s3", region_name="us-east-1").list_objects_v2(Bucket=BUCKET)
    return [one["Key"] for one in found.get("Contents", [])]


def everything() -> tuple[int, int, int, int]:
    """How many models, configurations, endpoints and objects there are."""
    client = service()
    return (
        len(client.list_models()["Models"]),
        len(client.list_endpoint_configs()["EndpointConfigs"]),
        len(client.list_endpoints()["Endpoints"]),
        len(objects()),
    )


def test_what_is_created_is_the_plan_that_was_shown(aws: None, finished_run: Path) -> None:
    shown = deploying.dry_run(finished_run, None, WANTED)
    assert everything() == (0, 0, 0, 0) and known() == []
    made = deploying.deploy(finished_run, None, WANTED, allowed=True)
    assert made.plan == shown.plan and made.created
    client, name, requests = service(), made.plan.endpoint, shown.plan.requests
    model = client.describe_model(ModelName=name)
    assert model["PrimaryContainer"] == requests["create_model"]["PrimaryContainer"]
    config = client.describe_endpoint_config(EndpointConfigName=name)
    (variant,) = requests["create_endpoint_config"]["ProductionVariants"]
    assert config["ProductionVariants"] == [variant]
    assert client.describe_endpoint(EndpointName=name)["EndpointConfigName"] == name
    assert deploying.state(made).phase == "serving"
    (key,) = objects()
    packed = boto3.client("s3", region_name="us-east-1").get_object(Bucket=BUCKET, Key=key)["Body"].read()
    assert f"s3://{BUCKET}/{key}" == model["PrimaryContainer"]["ModelDataUrl"]
    with tarfile.open(fileobj=io.BytesIO(packed)) as tar:
        assert {entry.name for entry in tar} == {file.path for file in made.cargo.files}


def test_asked_twice_it_makes_one_and_delete_leaves_nothing(aws: None, finished_run: Path) -> None:
    said: list[str] = []
    first = deploying.deploy(finished_run, None, WANTED, allowed=True)
    again = deploying.deploy(finished_run, None, WANTED, allowed=True, say=said.append)
    assert again == first and said == ["It is serving there already."] and everything() == (1, 1, 1, 1)
    deploying.delete(first)
    assert everything() == (0, 0, 0, 0)
    assert deploying.state(first).phase == "gone"
    deploying.delete(first)  # in whatever part it is there
    anew = deploying.deploy(finished_run, None, WANTED, allowed=True)
    assert everything() == (1, 1, 1, 1) and not anew.deleted


@pytest.mark.parametrize(
    ("instance", "has_card"),
    [("ml.g6.xlarge", True), ("ml.g4dn.xlarge", True), ("ml.p5.48xlarge", True), ("ml.m5.large", False)],
)
def test_a_machine_with_a_card_has_drivers_that_the_image_can_use(
    instance: str, has_card: bool, finished_run: Path
) -> None:
    plan = deploying.dry_run(finished_run, None, wanted("sagemaker", instance=instance, price=0.1)).plan
    (variant,) = plan.requests["create_endpoint_config"]["ProductionVariants"]
    shapes = boto3.session.Session()._session.get_service_model("sagemaker")
    known = shapes.shape_for("ProductionVariantInferenceAmiVersion").enum
    assert (variant.get("InferenceAmiVersion") in known) is has_card
    assert ("InferenceAmiVersion" in variant) is has_card


def test_the_model_leaves_only_when_somebody_says_so(aws: None, finished_run: Path) -> None:
    with pytest.raises(
        ConsentError, match=r"it holds no row of the run word for word\) to s3://my-bucket/.*\$17.66 a day"
    ):
        deploying.deploy(finished_run, None, WANTED)
    assert everything() == (0, 0, 0, 0) and known() == []


def test_time_that_costs_more_than_is_allowed_is_refused(finished_run: Path) -> None:
    with pytest.raises(JobError, match=r"cost up to \$5.89, more than --max-cost 2"):
        deploying.dry_run(finished_run, None, wanted("sagemaker", max_cost=2.0))
    with pytest.raises(JobError, match="--with image="):
        deploying.dry_run(finished_run, None, wanted("sagemaker", options=WANTED.options[:2]))


def test_no_credential_is_written(aws: None, finished_run: Path) -> None:
    deploying.deploy(finished_run, None, WANTED, allowed=True)
    files = [path for path in Path().rglob("*") if path.is_file()]
    assert files and [path for path in files if CANARY.encode() in path.read_bytes()] == []


def test_another_machine_is_not_mixed_with_what_stands(aws: None, finished_run: Path) -> None:
    deploying.deploy(finished_run, None, WANTED, allowed=True)
    other = wanted("sagemaker", instance="ml.m5.large", price=0.1)
    with pytest.raises(
        LaunchError, match=r"with another model, machine or image: tuneworthy deploy .* --delete first"
    ):
        deploying.deploy(finished_run, None, other, allowed=True)


def test_a_creation_that_is_cut_off_is_on_disk_and_the_same_goes_on(
    aws: None, finished_run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = sagemaker.SageMaker.create

    def cut_off(self: Any, deployment: Deployment, model: Path, say: Any) -> None:
        service().create_model(**deployment.plan.requests["create_model"])
        raise KeyboardInterrupt

    monkeypatch.setattr(sagemaker.SageMaker, "create", cut_off)
    with pytest.raises(KeyboardInterrupt):
        deploying.deploy(finished_run, None, WANTED, allowed=True)
    (left,) = known()
    assert not left.created and deploying.state(left).phase == "unsent"
    monkeypatch.setattr(sagemaker.SageMaker, "create", real)
    made = deploying.deploy(finished_run, None, WANTED, allowed=True)
    assert made.created and made.since == left.since and everything() == (1, 1, 1, 1)


@pytest.fixture
def stubbed(aws: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A client of SageMaker whose answers a test sets; S3 stays moto's."""
    from botocore.stub import Stubber

    real = sagemaker.aws_client
    client = real("sagemaker", {"profile": None, "region": "us-east-1"})

    def chosen(name: str, options: dict[str, Any]) -> Any:
        return client if name == "sagemaker" else real(name, options)

    monkeypatch.setattr(sagemaker, "aws_client", chosen)
    with Stubber(client) as stubber:
        yield stubber


@pytest.fixture
def kept(finished_run: Path, tmp_path: Path) -> Deployment:
    """One that is on disk as created."""
    made = made_for("sagemaker", finished_run, tmp_path / "cargo").model_copy(
        update={"created": True, "since": "2026-11-28T12:00:00+00:00"}
    )
    keep(made)
    return made


def described(status: str, reason: str = "") -> dict[str, Any]:
    now = datetime.now(UTC)
    arn = "arn:aws:sagemaker:us-east-1:123456789012:endpoint/x"
    found = {"EndpointName": "x", "EndpointArn": arn, "EndpointStatus": status}
    found |= {"CreationTime": now, "LastModifiedTime": now}
    return {**found, **({"FailureReason": reason} if reason else {})}


UNKNOWN = ("ValidationException", 'Could not find endpoint "arn:aws:sagemaker:...".')


def test_a_refusal_is_one_sentence_and_what_was_created_can_be_deleted(
    stubbed: Any, finished_run: Path
) -> None:
    stubbed.add_client_error("describe_endpoint", *UNKNOWN)
    stubbed.add_client_error("describe_model", *UNKNOWN)
    stubbed.add_response("create_model", {"ModelArn": "arn:aws:sagemaker:us-east-1:123456789012:model/x"})
    stubbed.add_client_error("describe_endpoint_config", *UNKNOWN)
    stubbed.add_client_error("create_endpoint_config", "ResourceLimitExceeded", "no quota for that")
    with pytest.raises(LaunchError, match=r"configuration \(ResourceLimitExceeded: no quota for that"):
        deploying.deploy(finished_run, None, WANTED, allowed=True)
    (left,) = known()
    assert not left.created and len(objects()) == 1
    stubbed.add_client_error("delete_endpoint", *UNKNOWN)
    stubbed.add_client_error("delete_endpoint_config", *UNKNOWN)
    stubbed.add_response("delete_model", {})
    said: list[str] = []
    assert deploying.delete(left, said.append).deleted and objects() == []
    assert [line.rpartition(": ")[2] for line in said] == [
        "gone already",
        "gone already",
        "deleted",
        "deleted",
    ]


@pytest.mark.parametrize(
    ("status", "phase"),
    [("Creating", "creating"), ("InService", "serving"), ("Failed", "failed"), ("Deleting", "deleting")],
)
def test_the_state_is_the_one_that_sagemaker_answers(
    stubbed: Any, kept: Deployment, status: str, phase: str
) -> None:
    stubbed.add_response("describe_endpoint", described(status, "no ping" if status == "Failed" else ""))
    found = deploying.state(kept)
    assert (found.phase, found.told) == (phase, "no ping" if status == "Failed" else status)


def test_one_that_failed_has_to_be_deleted_first(stubbed: Any, kept: Deployment, finished_run: Path) -> None:
    stubbed.add_response("describe_endpoint", described("Failed", "the container did not pass the ping"))
    with pytest.raises(LaunchError, match=r"did not pass the ping.*--delete, then deploy it again"):
        deploying.deploy(finished_run, None, WANTED, allowed=True)


def test_what_could_not_be_deleted_is_said_and_stays_known(stubbed: Any, kept: Deployment) -> None:
    stubbed.add_client_error("delete_endpoint", "ThrottlingException", "Rate exceeded")
    with pytest.raises(LaunchError, match=r"did not delete the endpoint .*ThrottlingException"):
        deploying.delete(kept)
    left = find(kept.name)
    assert left is not None and not left.deleted and (place() / kept.name).is_dir()


def test_following_ends_when_it_serves(stubbed: Any, kept: Deployment) -> None:
    for status in ("Creating", "Creating", "InService"):
        stubbed.add_response("describe_endpoint", described(status))
    said: list[str] = []
    assert deploying.follow(kept, said.append, every=0).phase == "serving"
    assert [line.partition(" (")[0] for line in said] == [f"{kept.name}: creating", f"{kept.name}: serving"]


def test_what_it_has_cost_is_said_and_that_it_is_over_time(kept: Deployment) -> None:
    assert "$17.66 a day until it is deleted. That is longer than the 8 h" in deploying.spent(kept)
    fresh = kept.model_copy(update={"since": datetime.now(UTC).isoformat()})
    assert deploying.spent(fresh).startswith("About $0.00 in 0.0 h") and "longer" not in deploying.spent(
        fresh
    )


def test_a_workspace_from_which_nothing_was_deployed_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    told = CliRunner().invoke(app, ["deploy"])
    assert (told.exit_code, told.output) == (0, "Nothing was deployed from here.\n")
