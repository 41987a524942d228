"""SkyPilot: a task file for its own command line, and through that any cloud, Slurm or Kubernetes it knows.

Nothing is imported and nothing is sent from here: `sky launch` takes the file and the bundle beside it, or,
with a bucket, `sky jobs launch`, which starts a run again whose machine was taken away. It goes on then where
it was, for its work folder is in the bucket. The fields are those of SkyPilot's YAML reference.
"""

import shlex
from collections.abc import Iterator
from math import floor
from pathlib import Path
from typing import Any

from pydantic import Field

from tuneworthy.core.errors import JobError, LaunchError
from tuneworthy.core.frozen import Frozen
from tuneworthy.data.job_yaml import dump_yaml
from tuneworthy.launchers import Handle, Launcher, Parcel, Status, Terms, Where
from tuneworthy.launchers.archive import ARCHIVE
from tuneworthy.launchers.handles import BUNDLE
from tuneworthy.runfolder.folder import write_text

FILE = "task.yaml"
IDLE_MINUTES = 10  # after the run, before the machine stops by itself
OUT = "~/tuneworthy-out"
BUCKET = "/tuneworthy-bucket"
# How SkyPilot calls the cards of the price file, where it calls them otherwise.
CARDS = {
    "A100 40GB": "A100",
    "A100 80GB": "A100-80GB",
    "A100 80GB PCIe": "A100-80GB",
    "H100 SXM": "H100",
    "H100 PCIe": "H100",
    "H100 NVL": "H100-NVL",
    "RTX 3060": "RTX3060",
    "RTX 3090": "RTX3090",
    "RTX 4090": "RTX4090",
    "RTX 5090": "RTX5090",
    "RTX A6000": "RTXA6000",
    "RTX PRO 6000": "RTXPRO6000WS",
}
VENV = "$HOME/tuneworthy-venv"


class Options(Frozen):
    """What a task file may say besides."""

    infra: str | None = Field(None, description="where, as SkyPilot writes it, such as aws/us-east-1 or k8s")
    spot: bool = Field(
        False, description="a machine that may be taken away; with a bucket, the run goes on afterwards"
    )
    bucket: str | None = Field(
        None, description="an existing bucket, such as s3://mine, that keeps the work and the archive"
    )
    disk_gb: int = Field(100, ge=20, description="disk of the machine, in GB")


class SkyPilot:
    """A task file and the line that runs it."""

    name = "skypilot"
    title = "SkyPilot"
    needs: tuple[str, ...] = ()
    extra = ""
    instance = "L4"
    options: type[Frozen] = Options

    def offer(self, instance: str) -> tuple[str, ...]:
        """Every offer of that card, whoever rents it out."""
        return tuple({instance} | {card for card, name in CARDS.items() if name == instance})

    def where(self, parcel: Parcel, terms: Terms) -> Where:
        """The task file; raises JobError for a machine that may be taken away with all that it has done."""
        options = terms.options
        if options["spot"] and not options["bucket"]:
            raise JobError(
                "a spot machine takes what it has done along: say --with bucket=s3://... too, to keep it."
            )
        card = CARDS.get(terms.instance, terms.instance)
        hourly = floor(terms.max_cost / (terms.seconds / 3600) * 100) / 100
        resources: dict[str, Any] = {
            "accelerators": f"{card}:1",
            "use_spot": options["spot"],
            "disk_size": options["disk_gb"],
            "max_hourly_cost": hourly,
            "labels": parcel.tags,
        }
        if not options["bucket"]:  # the machine of a managed job ends with it
            resources["autostop"] = {"idle_minutes": IDLE_MINUTES, "down": False}
        if options["infra"]:
            resources = {"infra": options["infra"], **resources}
        task: dict[str, Any] = {"name": parcel.name, "workdir": BUNDLE, "resources": resources}
        if options["bucket"]:
            task["file_mounts"] = {BUCKET: {"source": options["bucket"], "mode": "MOUNT_CACHED"}}
        task["setup"] = f"python3 -m venv --system-site-packages {VENV}\n"
        task["run"] = _run(f"{BUCKET}/{parcel.stem}" if options["bucket"] else None, terms)
        idle = f"; up to {IDLE_MINUTES} idle minutes are billed besides" if not options["bucket"] else ""
        return Where(
            image="the one that SkyPilot picks; the package goes into an environment of its own",
            place=f"wherever `{_command(options)}` takes it",
            leaves=False,
            request=task,
            notes=(
                f"SkyPilot refuses machines over ${hourly:.2f} an hour, so {terms.seconds / 3600:g} h cost "
                f"at most ${terms.max_cost:g}{idle}.",
                f"Your rows leave this machine when you type `{_command(options)}`, not before.",
            ),
        )

    def submit(self, handle: Handle, bundle: Path, folder: Path) -> dict[str, str]:
        """Writes the task file beside the bundle."""
        write_text(folder / FILE, dump_yaml(handle.where.request))
        name, place = handle.parcel.name, shlex.quote(folder.as_posix())
        bucket, take = handle.terms.options["bucket"], shlex.join(["tuneworthy", "fetch", handle.name])
        if bucket:
            archive = f"{bucket.rstrip('/')}/{handle.parcel.stem}/{ARCHIVE}"
            return {
                "next": f"( cd {place} && sky jobs launch -n {name} {FILE} )",
                "then": f"copy {archive} here, then {take} --from {ARCHIVE}",
            }
        back = f"rsync -Pavz {name}:tuneworthy-out/{ARCHIVE} ."
        return {
            "next": f"( cd {place} && sky launch -c {name} {FILE} )",
            "then": f"{back} && {take} --from {ARCHIVE} && sky down {name}",
        }

    def status(self, handle: Handle) -> Status:
        """SkyPilot's own command line knows."""
        return Status(phase="written", told=_own(handle, "status {}", "jobs queue"))

    def logs(self, handle: Handle, seen: int) -> Iterator[str]:
        """Nothing: `sky logs` has them."""
        raise LaunchError(f"SkyPilot has the log: {_own(handle, 'logs {}', 'jobs logs -n {}')}")

    def collect(self, handle: Handle, folder: Path) -> Path:
        """Nothing is downloaded from here."""
        raise LaunchError(
            f"nothing runs under this tool's control there: {handle.service.get('then', '')}".rstrip(": ")
        )

    def cancel(self, handle: Handle) -> None:
        """SkyPilot's own command line does that."""
        raise LaunchError(f"SkyPilot ends it: {_own(handle, 'down {}', 'jobs cancel -n {}')}")


def _command(options: dict[str, Any]) -> str:
    """What takes the task file."""
    return "sky jobs launch" if options["bucket"] else "sky launch"


def _own(handle: Handle, of_machine: str, of_job: str) -> str:
    """A line for SkyPilot's own command line; a managed job has others than a machine."""
    words = of_job if handle.terms.options["bucket"] else of_machine
    return f"sky {words.format(handle.parcel.name)}"


def _run(base: str | None, terms: Terms) -> str:
    """The task's command: on the machine's disk, or in a bucket's folder.

    In the bucket it has begun when its first machine did, or the time limit would be one for each machine:
    a managed job's SKYPILOT_TASK_ID stays when it is started again.
    """
    run = f"PYTHON={VENV}/bin/python sh start.sh --limit {terms.run_seconds:.0f}"
    if base is None:
        return f"{run} --work ~/tuneworthy-work --out {OUT}\n"
    return (
        f'mkdir -p {base}\nbegan="{base}/began-$SKYPILOT_TASK_ID"\n'
        '[ -s "$began" ] || date +%s > "$began"\n'
        f'{run} --work {base}/work --out {base} --began "$(cat "$began")"\n'
    )


PLUGIN: Launcher = SkyPilot()
