"""Azure Machine Learning: a command job, on serverless compute or on a cluster of yours, through azure-ai-ml.

The job is a file in Azure's own form; `az ml job create --file job.yml` takes it as well. The bundle is its
one input, the archive its one output. Credentials are found by azure-identity; nothing of them is written.
"""

import logging
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pydantic import Field

from tuneworthy.core.errors import LaunchError
from tuneworthy.core.frozen import Frozen
from tuneworthy.data.job_yaml import dump_yaml
from tuneworthy.launchers import OVER, Handle, Launcher, Parcel, Phase, Status, Terms, Where
from tuneworthy.launchers.archive import ARCHIVE
from tuneworthy.launchers.handles import BUNDLE
from tuneworthy.runfolder.folder import write_text

FILE, OUTPUT, LOG = "job.yml", "run", "user_logs/std_log.txt"
SCHEMA = "https://azuremlschemas.azureedge.net/latest/commandJob.schema.json"
IMAGE = "docker.io/library/python:3.12-bookworm"
SCRIPT = "sh ${{inputs.bundle}}/start.sh --work /tmp/tuneworthy --out ${{outputs.run}}"
TRIES, READ_S = 5, 60
PHASES: dict[str, Phase] = {
    "NotStarted": "waiting",
    "Queued": "waiting",
    "Provisioning": "waiting",
    "Preparing": "waiting",
    "Starting": "waiting",
    "Completed": "finished",
    "Failed": "failed",
    "Canceled": "stopped",
}


class Options(Frozen):
    """Which workspace, and how."""

    subscription: str = Field(description="id of the subscription")
    group: str = Field(description="name of the resource group")
    workspace: str = Field(description="name of the Azure ML workspace")
    compute: str | None = Field(
        None, description="a cluster of yours, of machines as --instance says; default: serverless"
    )
    image: str = Field(IMAGE, description="an image with Python 3.11 to 3.13; the bundle brings the rest")


class AzureML:
    """A command job."""

    name = "azureml"
    title = "Azure ML"
    needs: tuple[str, ...] = ("azure.ai.ml", "azure.identity")
    extra = "azureml"
    instance = "Standard_NC4as_T4_v3"
    options: type[Frozen] = Options

    def offer(self, instance: str) -> tuple[str, ...]:
        """Azure's own machines, on demand."""
        return (f"Azure {instance}",)

    def where(self, parcel: Parcel, terms: Terms) -> Where:
        """The job file."""
        options, seconds = terms.options, terms.seconds
        job: dict[str, Any] = {
            "$schema": SCHEMA,
            "type": "command",
            "name": parcel.name,
            "display_name": parcel.title,
            "experiment_name": "tuneworthy",
            "command": f"{SCRIPT} --limit {terms.run_seconds:.0f}",
            "inputs": {"bundle": {"type": "uri_folder", "path": BUNDLE, "mode": "download"}},
            "outputs": {OUTPUT: {"type": "uri_folder", "mode": "rw_mount"}},
            "environment": {"image": options["image"]},
            "limits": {"timeout": round(seconds)},
            "tags": parcel.tags,
        }
        if options["compute"]:
            job["compute"] = f"azureml:{options['compute']}"
        else:
            job["resources"] = {"instance_type": terms.instance, "instance_count": 1}
        place = f"Azure ML workspace {options['workspace']} ({options['group']})"
        notes = [
            "Storage and traffic are billed besides; the files stay in the workspace until you delete them."
        ]
        if options["compute"]:
            notes.append(f"That {options['compute']} has machines of {terms.instance} is yours to know.")
        return Where(image=options["image"], place=place, leaves=True, request=job, notes=tuple(notes))

    def submit(self, handle: Handle, bundle: Path, folder: Path) -> dict[str, str]:
        """Writes the job file and sends it; a job of that name that exists already is this one."""
        from azure.ai.ml import load_job

        write_text(folder / FILE, dump_yaml(handle.where.request))
        with asking_azure("Azure ML did not take the job"):
            client = ml_client(handle.terms.options)
            if _found(client, handle) is None:
                with _unversioned():
                    client.jobs.create_or_update(load_job(folder / FILE))
        return {"job": handle.parcel.name, "workspace": handle.terms.options["workspace"]}

    def status(self, handle: Handle) -> Status:
        """What the workspace says."""
        with asking_azure("Azure ML was not to be asked"):
            job = _found(ml_client(handle.terms.options), handle)
        if job is None:
            return Status(phase="gone", told=f"the workspace knows no job {handle.parcel.name}")
        told = word(job.status)
        return Status(phase=PHASES.get(told, "running"), told=told)

    def logs(self, handle: Handle, seen: int) -> Iterator[str]:
        """Lines of the job's log file, also while it runs."""
        name = handle.parcel.name
        with tempfile.TemporaryDirectory() as place:
            with asking_azure("Azure ML did not give the log"):
                client = ml_client(handle.terms.options)
                job = _found(client, handle)
                ended = job is not None and PHASES.get(word(job.status)) in OVER
                if ended:
                    client.jobs.download(name, download_path=place)
                    texts = [path.read_bytes() for path in Path(place).rglob(LOG)]
                else:
                    texts = [] if job is None else _printed(client, name)
            for text in texts:
                yield from text.decode("utf-8", "replace").splitlines()[seen:]

    def collect(self, handle: Handle, folder: Path) -> Path:
        """The archive from the job's output."""
        found = self.status(handle)
        if found.phase in ("waiting", "running"):
            raise LaunchError(f"{handle.name} is {found.phase}: add --wait, or ask again later.")
        if found.phase == "gone":
            raise LaunchError(f"{found.told}: launch it again.")
        with tempfile.TemporaryDirectory(dir=folder) as place:
            with asking_azure("Azure ML did not give the archive"):
                ml_client(handle.terms.options).jobs.download(
                    handle.parcel.name, download_path=place, output_name=OUTPUT
                )
            archive = next(Path(place).rglob(ARCHIVE), None)
            if archive is None:
                raise LaunchError(f"{handle.name} has {found.phase} and left no archive: look at its --logs.")
            archive.replace(folder / ARCHIVE)
        return folder / ARCHIVE

    def cancel(self, handle: Handle) -> None:
        """Asks for the end and does not wait for it."""
        with asking_azure("Azure ML did not end the job"):
            ml_client(handle.terms.options).jobs.begin_cancel(handle.parcel.name)


def ml_client(options: dict[str, Any]) -> Any:
    """A client that gives up after a few tries."""
    from azure.ai.ml import MLClient
    from azure.identity import DefaultAzureCredential

    logging.getLogger("azure.ai.ml").setLevel(logging.ERROR)  # it warns of its own experimental classes
    return MLClient(
        DefaultAzureCredential(),
        options["subscription"],
        options["group"],
        options["workspace"],
        retry_total=TRIES,
        enable_telemetry=False,
    )


def _found(client: Any, handle: Handle) -> Any:
    """The job, or None where the workspace has none of that name."""
    from azure.core.exceptions import ResourceNotFoundError

    try:
        return client.jobs.get(handle.parcel.name)
    except ResourceNotFoundError:
        return None


def word(state: Any) -> str:
    """A state in the service's words; the client gives names of its own enumerations, or none of them."""
    return str(getattr(state, "value", state))


def _printed(client: Any, name: str) -> list[bytes]:
    """The log of a job that runs, which `jobs.download` refuses; `jobs.stream` asks for it alike."""
    import requests

    runs = getattr(client.jobs, "_runs_operations", None)  # no public name has it; without it, after the end
    files = {} if runs is None else runs.get_run_details(name).log_files or {}
    if LOG not in files:
        return []  # it has printed nothing yet
    try:
        answer = requests.get(files[LOG], timeout=READ_S)
        answer.raise_for_status()
    except requests.RequestException as error:
        raise LaunchError(f"Azure ML did not give the log ({type(error).__name__}).") from None
    return [answer.content]


@contextmanager
def _unversioned() -> Iterator[None]:
    """Keeps the client from sending what git says of the current folder: a remote with its token, say."""
    before = os.environ.get("GIT_DIR")
    os.environ["GIT_DIR"] = os.devnull
    try:
        yield
    finally:
        if before is None:
            del os.environ["GIT_DIR"]
        else:
            os.environ["GIT_DIR"] = before


@contextmanager
def asking_azure(failed: str) -> Iterator[None]:
    """Turns what Azure's client raises into one sentence."""
    from azure.ai.ml.exceptions import MlException
    from azure.core.exceptions import AzureError, ClientAuthenticationError

    try:
        yield
    except ClientAuthenticationError:
        raise LaunchError(f"{failed}: no Azure credentials were found; az login.") from None
    except (AzureError, MlException) as raised:
        error: BaseException = raised  # what has happened lies below pages of advice on how to write YAML
        while isinstance(below := error.__cause__ or error.__context__, AzureError | MlException):
            error = below
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise LaunchError(f"{failed} ({type(error).__name__}: {first[:200]}).") from None


PLUGIN: Launcher = AzureML()
