"""SkyPilot: a task file for its own command line, and through that any cloud, Slurm or Kubernetes it knows.

Nothing is imported and nothing is sent from here: `sky launch` takes the file and the bundle beside it.
The fields are those of SkyPilot's YAML reference.
"""

from collections.abc import Iterator
from math import floor
from pathlib import Path
from typing import Any

from pydantic import Field

from tuneworthy.core.errors import LaunchError
from tuneworthy.core.frozen import Frozen
from tuneworthy.data.job_yaml import dump_yaml
from tuneworthy.launchers import Handle, Launcher, Parcel, Status, Terms, Where
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
    "H100 SXM": "H100",
    "H100 PCIe": "H100",
    "RTX 3090": "RTX3090",
    "RTX 4090": "RTX4090",
    "RTX 5090": "RTX5090",
    "RTX A6000": "RTXA6000",
}
VENV = "$HOME/tuneworthy-venv"


class Options(Frozen):
    """What a task file may say besides."""

    infra: str | None = Field(None, description="where, as SkyPilot writes it, such as aws/us-east-1 or k8s")
    spot: bool = Field(False, description="a machine that may be taken away; the run goes on afterwards")
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
        """The task file."""
        options = terms.options
        card = CARDS.get(terms.instance, terms.instance)
        hourly = floor(terms.max_cost / (terms.seconds / 3600) * 100) / 100
        resources: dict[str, Any] = {
            "accelerators": f"{card}:1",
            "use_spot": options["spot"],
            "disk_size": options["disk_gb"],
            "max_hourly_cost": hourly,
            "labels": parcel.tags,
            "autostop": {"idle_minutes": IDLE_MINUTES, "down": bool(options["bucket"])},
        }
        if options["infra"]:
            resources = {"infra": options["infra"], **resources}
        base = f"{BUCKET}/{parcel.stem}" if options["bucket"] else OUT
        task: dict[str, Any] = {"name": parcel.name, "workdir": BUNDLE, "resources": resources}
        if options["bucket"]:
            task["file_mounts"] = {BUCKET: {"source": options["bucket"], "mode": "MOUNT"}}
        task["setup"] = f"python3 -m venv --system-site-packages {VENV}\n"
        task["run"] = (
            f"PYTHON={VENV}/bin/python sh start.sh --work ~/tuneworthy-work --out {base} "
            f"--limit {terms.run_seconds:.0f}\n"
        )
        return Where(
            image="the one that SkyPilot picks; the package goes into an environment of its own",
            place="wherever `sky launch` takes it",
            leaves=False,
            request=task,
            notes=(
                f"SkyPilot refuses machines over ${hourly:.2f} an hour, so {terms.seconds / 3600:g} h cost "
                f"at most ${terms.max_cost:g}; up to {IDLE_MINUTES} idle minutes are billed besides.",
                "Your rows leave this machine when you type `sky launch`, not before.",
            ),
        )

    def submit(self, handle: Handle, bundle: Path, folder: Path) -> dict[str, str]:
        """Writes the task file beside the bundle."""
        write_text(folder / FILE, dump_yaml(handle.where.request))
        name, place = handle.parcel.name, folder.as_posix()
        base = (
            f"{handle.terms.options['bucket']}/{handle.parcel.stem}" if handle.terms.options["bucket"] else ""
        )
        back = f"copy {base}/run.tar.gz here" if base else f"rsync -Pavz {name}:tuneworthy-out/run.tar.gz ."
        return {
            "next": f"cd {place} && sky launch -c {name} {FILE}",
            "then": f"{back}, then tuneworthy fetch {handle.name} --from run.tar.gz && sky down {name}",
        }

    def status(self, handle: Handle) -> Status:
        """SkyPilot's own command line knows."""
        return Status(phase="written", told=f"sky status {handle.parcel.name}")

    def logs(self, handle: Handle, seen: int) -> Iterator[str]:
        """Nothing: `sky logs` has them."""
        raise LaunchError(f"SkyPilot has the log: sky logs {handle.parcel.name}")

    def collect(self, handle: Handle, folder: Path) -> Path:
        """Nothing is downloaded from here."""
        raise LaunchError(
            f"nothing runs under this tool's control there: {handle.service.get('then', '')}".rstrip(": ")
        )

    def cancel(self, handle: Handle) -> None:
        """SkyPilot's own command line does that."""
        raise LaunchError(f"SkyPilot ends it: sky down {handle.parcel.name}")


PLUGIN: Launcher = SkyPilot()
