"""Amazon SageMaker: a training job on one GPU machine, through boto3.

The bundle goes to S3 and is the job's one input channel; its script is the container's entry point. The work
folder is SageMaker's checkpoint folder, which is kept in step with S3, so a spot machine that is taken away
costs the unfinished units only. Credentials are boto3's own business; nothing of them is written.
"""

import gzip
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pydantic import Field

from tuneworthy.core.duration import brief
from tuneworthy.core.errors import LaunchError
from tuneworthy.core.frozen import Frozen
from tuneworthy.launchers import Handle, Launcher, Parcel, Phase, Status, Terms, Where
from tuneworthy.launchers.archive import ARCHIVE, archive_of

# A release of AWS Deep Learning Containers (its page on GitHub names this tag); the bundle brings the rest.
IMAGE = (
    "763104351884.dkr.ecr.{region}.amazonaws.com/huggingface-pytorch-training:"
    "2.9.0-transformers5.3.0-gpu-py312-cu130-ubuntu22.04-v1.0"
)
CHANNEL, CHECKPOINTS, OPT_ML = "bundle", "/opt/ml/checkpoints", "/opt/ml"
LOGS = "/aws/sagemaker/TrainingJobs"
TRIES, CONNECT_S, READ_S = 6, 10, 60
WAITS = 2.0  # times the run's own limit that a spot job may wait for a machine and run, together
PHASES: dict[str, Phase] = {
    "InProgress": "running",
    "Stopping": "running",
    "Completed": "finished",
    "Stopped": "stopped",
    "Failed": "failed",
}
WAITING = frozenset({"Starting", "Pending", "LaunchingMLInstances", "PreparingTrainingStack", "Interrupted"})


class Options(Frozen):
    """Where in the account it runs, and how."""

    role: str = Field(
        pattern=r"^arn:aws[a-z-]*:iam::\d{12}:role/.+$",
        description="ARN of the role that SageMaker takes on, like arn:aws:iam::123456789012:role/training",
    )
    bucket: str = Field(
        pattern=r"^[a-z0-9.-]{3,63}$", description="name of an S3 bucket of yours in the same region"
    )
    region: str = Field("us-east-1", description="AWS region; the price file's prices are of us-east-1")
    profile: str | None = Field(None, description="a profile of your AWS configuration")
    prefix: str = Field("tuneworthy", description="folder in the bucket")
    image: str | None = Field(None, description="an image in ECR; default: AWS's own with PyTorch")
    spot: bool = Field(True, description="a machine at the spot price, which may be taken away and come back")
    disk_gb: int = Field(100, ge=20, description="disk of the machine, in GB")


class SageMaker:
    """A training job."""

    name = "sagemaker"
    title = "SageMaker"
    needs: tuple[str, ...] = ("boto3",)
    extra = "sagemaker"
    instance = "ml.g6.xlarge"
    options: type[Frozen] = Options

    def offer(self, instance: str) -> tuple[str, ...]:
        """SageMaker's own, on demand."""
        return (f"SageMaker {instance}",)

    def where(self, parcel: Parcel, terms: Terms) -> Where:
        """The call of CreateTrainingJob, whole."""
        options = terms.options
        base = f"s3://{options['bucket']}/{_base(options, parcel)}"
        image = options["image"] or IMAGE.format(region=options["region"])
        request = {
            "TrainingJobName": parcel.name,
            "RoleArn": options["role"],
            "AlgorithmSpecification": {
                "TrainingImage": image,
                "TrainingInputMode": "File",
                "ContainerEntrypoint": ["bash", f"{OPT_ML}/input/data/{CHANNEL}/start.sh"],
                "ContainerArguments": [
                    *("--opt-ml", OPT_ML, "--attempt", parcel.name),
                    *("--limit", f"{terms.run_seconds:.0f}"),
                ],
            },
            "InputDataConfig": [
                {
                    "ChannelName": CHANNEL,
                    "InputMode": "File",
                    "DataSource": {
                        "S3DataSource": {
                            "S3DataType": "S3Prefix",
                            "S3Uri": f"{base}/{CHANNEL}/",
                            "S3DataDistributionType": "FullyReplicated",
                        }
                    },
                }
            ],
            "OutputDataConfig": {"S3OutputPath": f"{base}/output"},
            "CheckpointConfig": {"S3Uri": f"{base}/checkpoints", "LocalPath": CHECKPOINTS},
            "ResourceConfig": {
                "InstanceType": terms.instance,
                "InstanceCount": 1,
                "VolumeSizeInGB": options["disk_gb"],
            },
            "StoppingCondition": _stopping(terms.seconds, options["spot"]),
            "EnableManagedSpotTraining": options["spot"],
            "Tags": [{"Key": key, "Value": value} for key, value in sorted(parcel.tags.items())],
        }
        notes = [
            "S3 storage and traffic are billed besides; the files stay in the bucket until you delete them."
        ]
        if options["spot"]:
            notes.append("A spot machine is billed at less than the price above, which is the one on demand.")
        if options["region"] != "us-east-1":
            notes.append(f"The price is of us-east-1; {options['region']} may be dearer: see --price.")
        return Where(image=image, place=base, leaves=True, request=request, notes=tuple(notes))

    def submit(self, handle: Handle, bundle: Path, folder: Path) -> dict[str, str]:
        """Uploads the bundle, then starts the job; a job of that name that exists already is this one."""
        options, parcel = handle.terms.options, handle.parcel
        with asking_aws("S3 did not take the bundle"):
            s3 = aws_client("s3", options)
            for path in sorted(path for path in bundle.rglob("*") if path.is_file()):
                name = f"{_base(options, parcel)}/{CHANNEL}/{path.relative_to(bundle).as_posix()}"
                s3.upload_file(str(path), options["bucket"], name)
        with asking_aws("SageMaker did not take the job"):
            client = aws_client("sagemaker", options)
            try:
                client.create_training_job(**handle.where.request)
            except client.exceptions.ResourceInUse:
                client.describe_training_job(
                    TrainingJobName=parcel.name
                )  # the name holds the bundle's digest
        return {"job": parcel.name, "region": options["region"]}

    def status(self, handle: Handle) -> Status:
        """What DescribeTrainingJob says."""
        found = _described(handle)
        if found is None:
            return Status(phase="gone", told=f"SageMaker knows no job {handle.parcel.name}")
        phase = PHASES.get(found["TrainingJobStatus"], "running")
        second = found.get("SecondaryStatus", "")
        told = found.get("FailureReason") or second
        if phase == "running" and second in WAITING:
            phase = "waiting"
        return Status(
            phase=phase,
            told=told,
            seconds=found.get("BillableTimeInSeconds", found.get("TrainingTimeInSeconds")),
        )

    def logs(self, handle: Handle, seen: int) -> Iterator[str]:
        """Lines of the job's stream in CloudWatch."""
        with asking_aws("CloudWatch did not give the log"):
            client = aws_client("logs", handle.terms.options)
            try:
                streams = client.describe_log_streams(
                    logGroupName=LOGS, logStreamNamePrefix=f"{handle.parcel.name}/"
                )["logStreams"]
            except client.exceptions.ResourceNotFoundException:
                return  # it has printed nothing yet
            number = 0
            for stream in streams:
                for text in _events(client, stream["logStreamName"]):
                    if number >= seen:
                        yield text
                    number += 1

    def collect(self, handle: Handle, folder: Path) -> Path:
        """The archive from the job's output; from its checkpoints, where it failed or left none there."""
        found = self.status(handle)
        if found.phase in ("waiting", "running"):
            spent = f" for {brief(found.seconds)}" if found.seconds else ""
            raise LaunchError(f"{handle.name} is {found.phase}{spent}: add --wait, or ask again later.")
        if found.phase == "gone":
            raise LaunchError(f"{found.told}: launch it again.")
        options, base = handle.terms.options, _base(handle.terms.options, handle.parcel)
        archive = folder / ARCHIVE
        output = f"{base}/output/{handle.parcel.name}/output/model.tar.gz"
        aside = f"{base}/checkpoints/{archive_of(handle.parcel.name)}"
        with asking_aws("S3 did not give the archive"):
            s3 = aws_client("s3", options)
            packed = folder / "model.tar.gz"
            if _download(s3, options["bucket"], output, packed) and _take_out(packed, archive):
                return archive
            if _download(s3, options["bucket"], aside, archive):
                return archive
        raise LaunchError(
            f"{handle.name} has {found.phase} and left no archive ({found.told}): see tuneworthy fetch "
            f"{handle.name} --logs."
        )

    def cancel(self, handle: Handle) -> None:
        """SageMaker gives the job two minutes to pack what it has."""
        with asking_aws("SageMaker did not end the job"):
            aws_client("sagemaker", handle.terms.options).stop_training_job(
                TrainingJobName=handle.parcel.name
            )


def _base(options: dict[str, Any], parcel: Parcel) -> str:
    """Where in the bucket; the same for every attempt, so that the next one goes on where this one was."""
    return f"{options['prefix'].strip('/')}/{parcel.stem}"


def _stopping(seconds: float, spot: bool) -> dict[str, int]:
    limits = {"MaxRuntimeInSeconds": round(seconds)}
    return limits | ({"MaxWaitTimeInSeconds": round(seconds * WAITS)} if spot else {})


def aws_client(service: str, options: dict[str, Any]) -> Any:
    """A client that gives up: a few tries, each with a timeout."""
    import boto3
    from botocore.config import Config

    config = Config(
        connect_timeout=CONNECT_S, read_timeout=READ_S, retries={"max_attempts": TRIES, "mode": "standard"}
    )
    session = boto3.Session(profile_name=options["profile"], region_name=options["region"])
    return session.client(service, config=config)


@contextmanager
def asking_aws(failed: str) -> Iterator[None]:
    """Turns what boto3 raises into one sentence."""
    from boto3.exceptions import Boto3Error
    from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, ProfileNotFound

    try:
        yield
    except (NoCredentialsError, ProfileNotFound):
        raise LaunchError(
            f"{failed}: no AWS credentials were found; aws configure, or aws sso login."
        ) from None
    except ClientError as error:
        said = error.response.get("Error", {})
        raise LaunchError(f"{failed} ({said.get('Code', 'refused')}: {said.get('Message', '')}).") from None
    except (BotoCoreError, Boto3Error) as error:
        raise LaunchError(
            f"{failed} ({type(error).__name__}) after {TRIES} tries: is AWS in reach?"
        ) from None
    except (
        KeyError
    ) as error:  # boto3 takes a reply that breaks off, or is no JSON, for one with nothing in it
        raise LaunchError(f"{failed}: its answer has no {error}. Ask again later.") from None


def _described(handle: Handle) -> dict[str, Any] | None:
    """What SageMaker says of the job; None where it knows of none."""
    from botocore.exceptions import ClientError

    with asking_aws("SageMaker was not to be asked"):
        try:
            found: dict[str, Any] = aws_client("sagemaker", handle.terms.options).describe_training_job(
                TrainingJobName=handle.parcel.name
            )
        except ClientError as error:
            said = error.response.get("Error", {})
            unknown = "not found" in said.get("Message", "") or "Could not find" in said.get("Message", "")
            if said.get("Code") == "ValidationException" and unknown:
                return None
            raise
        found["TrainingJobStatus"]  # whoever reads it need not look whether it is there
        return found


def _events(client: Any, stream: str) -> Iterator[str]:
    """Every line of a stream; its last page is the one whose token is the token that was asked for."""
    token: str | None = None
    while True:
        more = {} if token is None else {"nextToken": token}
        page = client.get_log_events(logGroupName=LOGS, logStreamName=stream, startFromHead=True, **more)
        for event in page["events"]:
            yield event["message"]
        if page["nextForwardToken"] == token:
            return
        token = page["nextForwardToken"]


def _download(s3: Any, bucket: str, key: str, path: Path) -> bool:
    """Whether the object was there."""
    from botocore.exceptions import ClientError

    try:
        s3.head_object(Bucket=bucket, Key=key)
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") in ("404", "NoSuchKey"):
            return False
        raise
    s3.download_file(bucket, key, str(path))
    return True


def _take_out(packed: Path, archive: Path) -> bool:
    """The one file that is wanted of what SageMaker has packed; whether it was there.

    SageMaker packs whatever the folder holds, so also nothing.
    """
    try:
        with tarfile.open(packed, "r:gz") as tar:
            member = next(
                (one for one in tar if one.isreg() and one.name.removeprefix("./") == ARCHIVE), None
            )
            if member is None:
                return False
            source = tar.extractfile(member)
            assert source is not None
            with archive.open("wb") as sink:
                while piece := source.read(2**20):
                    sink.write(piece)
    except (tarfile.TarError, gzip.BadGzipFile, EOFError, zlib.error):
        raise LaunchError(f"{packed} holds no whole {ARCHIVE}: fetch it again.") from None
    finally:
        packed.unlink()
    return True


PLUGIN: Launcher = SageMaker()
