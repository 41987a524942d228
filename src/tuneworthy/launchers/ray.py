"""A Ray cluster of yours, through Ray's own job service; the run folder comes back over shared storage.

The bundle is the job's working directory, which the service keeps and hands to the node that runs it. The
archive is written to a folder or bucket that this machine sees too, for Ray's job service takes files and
gives none back. Where the cluster asks for a token, Ray's own client finds it (RAY_AUTH_TOKEN).
"""

import os
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pydantic import Field

from tuneworthy.core.errors import LaunchError
from tuneworthy.core.frozen import Frozen
from tuneworthy.launchers import Handle, Launcher, Parcel, Phase, Status, Terms, Where
from tuneworthy.launchers.archive import ARCHIVE
from tuneworthy.launchers.worker import STOPPED

PHASES: dict[str, Phase] = {
    "PENDING": "waiting",
    "RUNNING": "running",
    "SUCCEEDED": "finished",
    "STOPPED": "stopped",
    "FAILED": "failed",
}
STOP_S = 240  # seconds between SIGTERM and SIGKILL: Ray's own 3 are too few to pack anything
STOPPED_BY_ITSELF = f"exit code {STOPPED}"  # at the time limit; the archive is there


class Options(Frozen):
    """Which cluster, and how."""

    address: str = Field(description="of the job service, such as http://head:8265")
    storage: str = Field(
        description="where the archive is left: a folder that the cluster and this machine share, or a URL "
        "such as s3://mine/tuneworthy"
    )
    gpus: float = Field(1, ge=0, description="GPUs for the job; 0 for none")
    cpus: float = Field(1, ge=0, description="CPUs for the job")
    work: str = Field("/tmp/tuneworthy", description="a folder on the node, where it runs")


class Ray:
    """A job of a running cluster."""

    name = "ray"
    title = "Ray"
    needs: tuple[str, ...] = ("ray",)
    extra = "ray"
    instance = "a node of your cluster"
    options: type[Frozen] = Options

    def offer(self, instance: str) -> tuple[str, ...]:
        """Nobody lists your cluster: --price says what an hour of it costs, 0 where it costs nothing."""
        return (instance,)

    def where(self, parcel: Parcel, terms: Terms) -> Where:
        """The job as the service is asked for it."""
        options = terms.options
        work = f"{options['work'].rstrip('/')}/{parcel.stem}"
        words = ["sh", "start.sh", "--work", f"{work}/work", "--out", f"{work}/out"]
        words += ["--put", f"{_base(options['storage'], parcel.name)}/{ARCHIVE}"]
        words += ["--limit", f"{terms.run_seconds:.0f}"]
        request = {
            "submission_id": parcel.name,
            "entrypoint": shlex.join(words),
            "entrypoint_num_cpus": options["cpus"],
            "entrypoint_num_gpus": options["gpus"],
            "metadata": parcel.tags,
        }
        return Where(
            image="the node's own Python, 3.11 to 3.13; the bundle brings the rest",
            place=f"the Ray cluster at {options['address']}",
            leaves=True,
            request=request,
            notes=(
                f"Ray ends no job by time: the run ends itself after {terms.run_seconds / 60:.0f} minutes.",
                "To spread its units over the cluster's nodes: --set workers=auto.",
            ),
        )

    def submit(self, handle: Handle, bundle: Path, folder: Path) -> dict[str, str]:
        """Uploads the bundle and starts the job; one of that name that exists already is this one."""
        with _asking(handle, "did not take the job"):
            client = _client(handle)
            if _found(client, handle) is None:
                environ = {"RAY_JOB_STOP_WAIT_TIME_S": f"{STOP_S}"}
                client.submit_job(
                    **handle.where.request, runtime_env={"working_dir": str(bundle), "env_vars": environ}
                )
        return {"job": handle.parcel.name, "address": handle.terms.options["address"]}

    def status(self, handle: Handle) -> Status:
        """What the service says."""
        with _asking(handle, "was not to be asked"):
            found = _found(_client(handle), handle)
        if found is None:
            return Status(phase="gone", told=f"the cluster knows no job {handle.parcel.name}")
        phase = PHASES.get(str(found.status.value), "running")
        told = str(found.message or "")
        if phase == "failed" and STOPPED_BY_ITSELF in told:
            phase = "stopped"
        first, last = found.start_time, found.end_time  # milliseconds of Unix time
        seconds = (last - first) / 1000 if first and last else None
        return Status(phase=phase, told=(told.splitlines() or [""])[0][:200], seconds=seconds)

    def logs(self, handle: Handle, seen: int) -> Iterator[str]:
        """Lines of the job's log."""
        with _asking(handle, "did not give the log"):
            text = str(_client(handle).get_job_logs(handle.parcel.name))
        yield from text.splitlines()[seen:]

    def collect(self, handle: Handle, folder: Path) -> Path:
        """The archive from the shared storage."""
        found = self.status(handle)
        if found.phase in ("waiting", "running"):
            raise LaunchError(f"{handle.name} is {found.phase}: add --wait, or ask again later.")
        import fsspec

        place = f"{_base(handle.terms.options['storage'], handle.parcel.name)}/{ARCHIVE}"
        try:
            with fsspec.open(place, "rb") as there, (folder / f"{ARCHIVE}.part").open("wb") as here:
                while block := there.read(2**22):
                    here.write(block)
        except FileNotFoundError:
            raise LaunchError(
                f"{handle.name} has {found.phase} and left no {place}: look at its --logs."
            ) from None
        except (OSError, ImportError, ValueError) as error:
            raise LaunchError(f"{place} cannot be read ({error}).") from None
        (folder / f"{ARCHIVE}.part").replace(folder / ARCHIVE)
        return folder / ARCHIVE

    def cancel(self, handle: Handle) -> None:
        """Asks for the end: SIGTERM, and SIGKILL where that is not heard within Ray's patience."""
        with _asking(handle, "did not end the job"):
            _client(handle).stop_job(handle.parcel.name)


def _base(storage: str, name: str) -> str:
    """Where a job's archive is left."""
    return f"{storage.rstrip('/')}/{name}"


def _client(handle: Handle) -> Any:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    from ray.job_submission import JobSubmissionClient

    return JobSubmissionClient(handle.terms.options["address"])


def _found(client: Any, handle: Handle) -> Any:
    """The job, or None where the cluster has none of that name."""
    try:
        return client.get_job_info(handle.parcel.name)
    except RuntimeError as error:
        if "404" in str(error):
            return None
        raise


@contextmanager
def _asking(handle: Handle, failed: str) -> Iterator[None]:
    """Turns what Ray's client raises into one sentence."""
    try:
        yield
    except (OSError, RuntimeError, ValueError) as error:
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        address = handle.terms.options["address"]
        raise LaunchError(f"the Ray cluster at {address} {failed} ({first[:200]}).") from None


PLUGIN: Launcher = Ray()
