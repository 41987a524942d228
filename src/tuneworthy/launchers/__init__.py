"""One file per place where the same job can run. A launcher sends, watches and brings back, no more.

What is sent is a bundle (`launchers.bundle`): the job, its data, this very package. What comes back is an
archive (`launchers.archive`) with the run folder and the sha256 of every file in it. Secrets are the business
of the vendor's own client: no launcher is handed one.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, Protocol

from pydantic import Field

from tuneworthy.core.frozen import Frozen
from tuneworthy.core.registry import Registry

Phase = Literal["written", "waiting", "running", "finished", "stopped", "failed", "gone"]
PACKING_S, SHORTEST_SHARE = 180.0, 0.7  # kept free for packing; what the run has of a short limit
OVER: frozenset[Phase] = frozenset({"finished", "stopped", "failed", "gone"})  # nothing more will happen


class SentFile(Frozen):
    """One file of a bundle.

    Attributes:
        path: inside the bundle.
        what: what it is for, in a word or two.
        size: bytes.
        sha256: of its bytes.
    """

    path: str
    what: str
    size: int
    sha256: str


class Price(Frozen):
    """What an hour costs, and who says so.

    Attributes:
        usd_per_hour: US dollars.
        card: the GPU by its name in the price file; None where nobody said.
        date, source: when and where it was listed.
    """

    usd_per_hour: float = Field(ge=0)
    card: str | None = None
    date: str = ""
    source: str = ""


class Terms(Frozen):
    """What the user allows.

    Attributes:
        max_cost: US dollars at most.
        seconds: the run may take at most.
        instance: the machine, as the place calls it.
        price: of an hour of it.
        options: the launcher's own, checked.
    """

    max_cost: float = Field(ge=0)
    seconds: float = Field(gt=0)
    instance: str
    price: Price
    options: dict[str, Any] = Field(default_factory=dict)

    @property
    def usd(self) -> float:
        """What the whole time costs."""
        return self.seconds / 3600 * self.price.usd_per_hour

    @property
    def run_seconds(self) -> float:
        """After how long the run ends itself, so that what it has done is packed before the place ends it."""
        return max(self.seconds - PACKING_S, SHORTEST_SHARE * self.seconds)


class Parcel(Frozen):
    """A job that is ready to be sent.

    Attributes:
        stem: of this bundle: letters, digits and hyphens.
        name: of this bundle and attempt, at most 63 characters.
        title: the run folder's name.
        rows: labelled rows in it.
        files: everything in it.
        digest: address of all that.
        tags: what the job is tagged with there; no value is secret.
    """

    stem: str
    name: str
    title: str
    rows: int
    files: tuple[SentFile, ...]
    digest: str
    tags: dict[str, str]

    @property
    def size(self) -> int:
        """Bytes in all."""
        return sum(file.size for file in self.files)


class Where(Frozen):
    """Where a job would run, for a plan: nothing of it has been asked over a network.

    Attributes:
        image: the container or runtime.
        place: where the rows go.
        leaves: whether launching sends them there (else it writes files that the user takes there).
        request: what the service will be asked for, whole; secrets are no part of it.
        notes: sentences.
    """

    image: str
    place: str
    leaves: bool
    request: dict[str, Any]
    notes: tuple[str, ...] = ()


class Handle(Frozen):
    """A launched job as it is remembered on disk, from before it is sent.

    Attributes:
        name: what `tuneworthy fetch` is given.
        launcher: which file in `launchers/`.
        parcel, terms, where: what was sent, on which terms, to where.
        run: the run folder that a fetch writes.
        attempt: 1, and one more for each time it was sent again after it had ended.
        sent: whether the service has said that it has it.
        service: what the service calls it, such as its id and region.
        fetched: digest of the archive that was brought back last.
        came: how the run of this attempt had ended that was brought back; None where none was.
    """

    name: str
    launcher: str
    parcel: Parcel
    terms: Terms
    where: Where
    run: str
    attempt: int = 1
    sent: bool = False
    service: dict[str, str] = Field(default_factory=dict)
    fetched: str | None = None
    came: Literal["finished", "stopped", "failed"] | None = None


class Status(Frozen):
    """How a launched job is.

    Attributes:
        phase: "written" where the user has to take it there; "gone" where the service knows of none.
        told: the service's own words.
        seconds: it has run, or is billed for; None where nobody says.
    """

    phase: Phase
    told: str = ""
    seconds: float | None = None


class Launcher(Protocol):
    """What a file in `launchers/` offers as its PLUGIN.

    Attributes:
        name: the file's name.
        title: what a sentence calls the place.
        needs: modules that have to be installed to send something.
        extra: what `pip install` is told when one is missing.
        instance: the machine that is taken where none is named.
        options: the launcher's own options, each with a description; no secrets.
    """

    name: str
    title: str
    needs: tuple[str, ...]
    extra: str
    instance: str
    options: type[Frozen]

    def offer(self, instance: str) -> tuple[str, ...]:
        """Names of offers of the price file that are this machine; the dearest one is reckoned with."""

    def where(self, parcel: Parcel, terms: Terms) -> Where:
        """What would be asked for. Touches no network and reads no credentials."""

    def submit(self, handle: Handle, bundle: Path, folder: Path) -> dict[str, str]:
        """Sends the bundle and starts the job; asked twice for the same name it starts one.

        Args:
            handle: what is on disk already.
            bundle: the folder with the bundle's files.
            folder: the handle's own, for files that the user takes elsewhere.

        Returns:
            What the service calls the job.

        Raises:
            LaunchError: the service refused, or is out of reach after a few tries.
        """

    def status(self, handle: Handle) -> Status:
        """How it is; raises LaunchError when the service cannot be asked."""

    def logs(self, handle: Handle, seen: int) -> Iterator[str]:
        """Lines that the job has printed so far, without the first `seen`."""

    def collect(self, handle: Handle, folder: Path) -> Path:
        """Downloads the archive of an ended job into `folder`; raises LaunchError where there is none."""

    def cancel(self, handle: Handle) -> None:
        """Asks for its end; what it has done so far is kept and can be fetched."""


LAUNCHERS: Registry[Launcher] = Registry("launchers", "launcher")
