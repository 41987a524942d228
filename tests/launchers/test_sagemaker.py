"""SageMaker through real boto3 calls: moto plays the service, botocore's Stubber its failures."""

import io
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from launched import Elsewhere, sent_to, toy_job, wanted
from tuneworthy import launching
from tuneworthy.core.errors import LaunchError
from tuneworthy.launchers import LAUNCHERS, Handle, Status, sagemaker
from tuneworthy.launchers.handles import BUNDLE, folder_of, known
from tuneworthy.launchers.terms import terms_of
from tuneworthy.models.machines import read_market

boto3 = pytest.importorskip("boto3", reason="pip install 'tuneworthy[sagemaker]'")
moto = pytest.importorskip("moto", reason="pip install 'moto[s3,sagemaker,logs]'")

CANARY = "canary-77ab"
BUCKET = "my-bucket"


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An account with a bucket, and credentials that must be written nowhere."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.setenv(name, CANARY)
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    with moto.mock_aws():
        boto3.client("s3", region_name="us-east-1").create_bucket(Bucket=BUCKET)
        yield


@pytest.fixture
def sent(aws: None, elsewhere: Elsewhere) -> Handle:
    return sent_to("sagemaker", elsewhere)


def put(key: str, content: bytes) -> None:
    boto3.client("s3", region_name="us-east-1").put_object(Bucket=BUCKET, Key=key, Body=content)


def base(handle: Handle) -> str:
    return f"tuneworthy/{handle.parcel.stem}"


def model_archive(archive: Path) -> bytes:
    """What SageMaker makes of the container's model folder."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        tar.add(archive, "run.tar.gz")
    return out.getvalue()


def test_the_job_that_sagemaker_gets_is_the_plan_that_was_shown(sent: Handle) -> None:
    client = boto3.client("sagemaker", region_name="us-east-1")
    job = client.describe_training_job(TrainingJobName=sent.parcel.name)
    request = sent.where.request
    assert request["AlgorithmSpecification"].items() <= job["AlgorithmSpecification"].items()
    for key in ("InputDataConfig", "ResourceConfig", "StoppingCondition", "CheckpointConfig", "RoleArn"):
        assert job[key] == request[key], key
    assert job["StoppingCondition"]["MaxRuntimeInSeconds"] == 7200
    tags = client.list_tags(ResourceArn=job["TrainingJobArn"])["Tags"]
    assert {tag["Key"]: tag["Value"] for tag in tags} == sent.parcel.tags


def test_the_bundle_lies_in_s3_file_by_file(sent: Handle) -> None:
    s3 = boto3.client("s3", region_name="us-east-1")
    bundle = folder_of(sent.name) / BUNDLE
    for path in (path for path in bundle.rglob("*") if path.is_file()):
        key = f"{base(sent)}/bundle/{path.relative_to(bundle).as_posix()}"
        assert s3.get_object(Bucket=BUCKET, Key=key)["Body"].read() == path.read_bytes()


def test_the_entry_point_is_the_one_that_was_run_in_the_containers_folders(
    sent: Handle, elsewhere: Elsewhere
) -> None:
    called = sent.where.request["AlgorithmSpecification"]
    assert called["ContainerEntrypoint"] == ["bash", "/opt/ml/input/data/bundle/start.sh"]
    assert called["ContainerArguments"] == [
        *("--opt-ml", "/opt/ml", "--attempt", sent.parcel.name, "--limit", "7020")
    ]
    assert sent.parcel.digest == elsewhere.handle.parcel.digest  # the very bundle


def test_the_run_folder_comes_back_byte_for_byte(sent: Handle, elsewhere: Elsewhere) -> None:
    put(f"{base(sent)}/output/{sent.parcel.name}/output/model.tar.gz", model_archive(elsewhere.archive))
    done = launching.fetch(sent)
    there = {
        p.relative_to(elsewhere.run): p for p in elsewhere.run.rglob("*") if p.is_file() and p.name != ".lock"
    }
    fetched = {p.relative_to(done.run): p for p in Path(done.run).rglob("*") if p.is_file()}
    assert {name: path.read_bytes() for name, path in fetched.items()} == {
        name: path.read_bytes() for name, path in there.items()
    }


def test_a_job_that_failed_is_fetched_from_its_checkpoints(
    sent: Handle, elsewhere: Elsewhere, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed = Status(phase="failed", told="ExecuteUserScriptError")
    monkeypatch.setattr(sagemaker.SageMaker, "status", lambda self, handle: failed)
    with pytest.raises(LaunchError, match=r"failed and left no archive \(ExecuteUserScriptError\)"):
        launching.fetch(sent)
    name = f"{sent.parcel.stem}-0-run.tar.gz"  # of an earlier attempt
    put(f"{base(sent)}/checkpoints/{name}", elsewhere.archive.read_bytes())
    with pytest.raises(LaunchError, match="left no archive"):
        launching.fetch(sent)
    put(f"{base(sent)}/checkpoints/{sent.parcel.name}-run.tar.gz", elsewhere.archive.read_bytes())
    assert (Path(launching.fetch(sent).run) / "verdict.json").exists()


def test_a_job_that_left_nothing_in_its_output_is_fetched_from_its_checkpoints(
    sent: Handle, elsewhere: Elsewhere
) -> None:
    nothing = io.BytesIO()
    tarfile.open(fileobj=nothing, mode="w:gz").close()
    put(f"{base(sent)}/output/{sent.parcel.name}/output/model.tar.gz", nothing.getvalue())
    with pytest.raises(LaunchError, match="left no archive"):
        launching.fetch(sent)
    put(f"{base(sent)}/checkpoints/{sent.parcel.name}-run.tar.gz", elsewhere.archive.read_bytes())
    assert (Path(launching.fetch(sent).run) / "verdict.json").exists()


def test_the_log_is_passed_on_from_where_it_was_left(sent: Handle) -> None:
    assert list(launching.logs(sent)) == []
    logs = boto3.client("logs", region_name="us-east-1")
    stream = f"{sent.parcel.name}/algo-1-1"
    logs.create_log_group(logGroupName=sagemaker.LOGS)
    logs.create_log_stream(logGroupName=sagemaker.LOGS, logStreamName=stream)
    events = [{"timestamp": int(time.time() * 1000) + n, "message": f"line {n}"} for n in range(3)]
    logs.put_log_events(logGroupName=sagemaker.LOGS, logStreamName=stream, logEvents=events)
    assert list(launching.logs(sent)) == ["line 0", "line 1", "line 2"]
    assert list(launching.logs(sent, seen=2)) == ["line 2"]


def test_no_credential_is_written(sent: Handle, elsewhere: Elsewhere) -> None:
    put(f"{base(sent)}/output/{sent.parcel.name}/output/model.tar.gz", model_archive(elsewhere.archive))
    launching.fetch(sent)
    assert [
        path for path in Path().rglob("*") if path.is_file() and CANARY.encode() in path.read_bytes()
    ] == []


@pytest.fixture
def stubbed(aws: None, unexamined: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A client of SageMaker whose answers a test sets."""
    from botocore.stub import Stubber

    client = sagemaker.aws_client("sagemaker", {"profile": None, "region": "us-east-1"})
    real = sagemaker.aws_client
    monkeypatch.setattr(
        sagemaker,
        "aws_client",
        lambda service, options: client if service == "sagemaker" else real(service, options),
    )
    with Stubber(client) as stubber:
        yield stubber


@pytest.fixture
def handle(elsewhere: Elsewhere) -> Handle:
    """One that SageMaker has."""
    launcher = LAUNCHERS.get("sagemaker")
    terms = terms_of(launcher, wanted("sagemaker"), read_market())
    where = launcher.where(elsewhere.handle.parcel, terms)
    changes = {"name": "toy-sagemaker", "launcher": "sagemaker", "terms": terms, "where": where, "sent": True}
    return elsewhere.handle.model_copy(update=changes)


def test_a_refusal_is_one_sentence_and_the_handle_stays_to_try_again(stubbed: Any) -> None:
    stubbed.add_client_error("create_training_job", "ResourceLimitExceeded", "no quota for ml.g6.xlarge")
    with pytest.raises(LaunchError, match=r"did not take the job \(ResourceLimitExceeded: no quota"):
        launching.launch(toy_job(), wanted("sagemaker"), allowed=True)
    (left,) = known()
    assert not left.sent


def test_a_name_that_is_taken_is_the_job_that_was_sent_before(stubbed: Any) -> None:
    stubbed.add_client_error("create_training_job", "ResourceInUse", "the name exists")
    described = {
        "TrainingJobName": "x",
        "TrainingJobArn": "arn:aws:sagemaker:us-east-1:123456789012:training-job/x",
        "ModelArtifacts": {"S3ModelArtifacts": "s3://b/k"},
        "TrainingJobStatus": "InProgress",
        "SecondaryStatus": "Starting",
        "AlgorithmSpecification": {"TrainingInputMode": "File"},
        "ResourceConfig": {"VolumeSizeInGB": 1},
        "StoppingCondition": {},
        "CreationTime": 0,
    }
    stubbed.add_response("describe_training_job", described)
    assert launching.launch(toy_job(), wanted("sagemaker"), allowed=True).sent
    stubbed.add_response("describe_training_job", described)
    assert launching.status(known()[0]).phase == "waiting"


def test_a_stop_is_asked_for(stubbed: Any, handle: Handle) -> None:
    stubbed.add_response("stop_training_job", {}, {"TrainingJobName": handle.parcel.name})
    launching.cancel(handle)
    stubbed.add_client_error("stop_training_job", "ThrottlingException", "Rate exceeded")
    with pytest.raises(LaunchError, match="did not end the job"):
        launching.cancel(handle)


def test_a_job_that_nobody_knows_is_gone(stubbed: Any, handle: Handle) -> None:
    stubbed.add_client_error("describe_training_job", "ValidationException", "Requested resource not found.")
    assert launching.status(handle).phase == "gone"


def test_throttling_and_a_lost_network_are_tried_again_a_few_times_only(
    aws: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = sagemaker.aws_client("sagemaker", {"profile": None, "region": "us-east-1"})
    assert client.meta.config.retries["total_max_attempts"] <= sagemaker.TRIES + 1
    assert (client.meta.config.connect_timeout, client.meta.config.read_timeout) == (10, 60)


def test_no_credentials_is_one_sentence(handle: Handle, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", "none")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "none")
    with pytest.raises(LaunchError, match="no AWS credentials were found"):
        launching.status(handle)
