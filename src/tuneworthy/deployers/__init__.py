"""One file per cloud that keeps a finished run's model behind HTTPS. A deployer creates, asks and deletes.

What is sent is a run folder with one fit in it (`deployers.cargo`), which the image's own `tuneworthy serve`
answers from. Secrets are the business of the vendor's own client: no deployer is handed one.
"""

from pathlib import Path
from typing import Any, Literal, Protocol

from pydantic import Field

from tuneworthy.core.frozen import Frozen
from tuneworthy.core.hashing import address
from tuneworthy.core.registry import Registry
from tuneworthy.launchers import SentFile, Terms
from tuneworthy.launchers.terms import Say

Phase = Literal["unsent", "creating", "serving", "failed", "deleting", "gone"]


class Cargo(Frozen):
    """A model that is ready to be sent.

    Attributes:
        stem: of its name: the run's, letters, digits and hyphens.
        title: the run folder's name; requests may say it as `model`.
        method, task: what answers, and what it was asked.
        rows: rows of the run whose text stands in the files of the model, such as demonstrations.
        needs_card: whether a base model computes, which is slow without a GPU.
        files: everything in it.
        digest: address of all that.
    """

    stem: str
    title: str
    method: str
    task: str
    rows: int
    needs_card: bool
    files: tuple[SentFile, ...]
    digest: str

    @property
    def size(self) -> int:
        """Bytes in all."""
        return sum(file.size for file in self.files)

    @property
    def tags(self) -> dict[str, str]:
        """What everything that is created for it is tagged with; no value is secret."""
        return {
            "tuneworthy-run": self.stem,
            "tuneworthy-method": self.method,
            "tuneworthy-model": self.digest,
        }


class Plan(Frozen):
    """What would be created: nothing of it has been asked over a network.

    Attributes:
        endpoint: its name there, see `name_of`.
        image: the container.
        place: where the model goes.
        requests: what the service will be asked for, in order, whole; secrets are no part of it.
        notes: sentences.
    """

    endpoint: str
    image: str
    place: str
    requests: dict[str, dict[str, Any]]
    notes: tuple[str, ...] = ()


class Deployment(Frozen):
    """A deployed model as it is remembered on disk, from before anything is created.

    Attributes:
        name: what `tuneworthy deploy --status` is given.
        deployer: which file in `deployers/`.
        cargo, terms, plan: what was sent, on which terms, as what.
        since: when creation was first asked for, ISO 8601 in UTC: it is billed from about then on.
        created: whether the service has said that it has everything.
        deleted: whether its end was asked for.
    """

    name: str
    deployer: str
    cargo: Cargo
    terms: Terms
    plan: Plan
    since: str = ""
    created: bool = False
    deleted: bool = False


class State(Frozen):
    """How a deployed model is.

    Attributes:
        phase: "unsent" where creation never came to its end; "gone" where the service knows of none.
        told: the service's own words.
        url: where it is asked, where the service says so.
    """

    phase: Phase
    told: str = ""
    url: str = Field(default="")


def name_of(cargo: Cargo, terms: Terms, longest: int) -> str:
    """What all that is created is called: the same model on the same terms has the same name, no other has.

    Args:
        cargo: the model.
        terms: machine and options; who pays and signs in does not count.
        longest: characters that the service takes.
    """
    options = {key: value for key, value in terms.options.items() if key != "profile"}
    tail = f"-{address([cargo.digest, terms.instance, options])[:8]}"
    return f"tw-{cargo.stem}"[: longest - len(tail)].rstrip("-") + tail


class Deployer(Protocol):
    """What a file in `deployers/` offers as its PLUGIN.

    Attributes:
        name: the file's name.
        title: what a sentence calls the place.
        needs: modules that have to be installed.
        extra: what `pip install` is told when one is missing.
        instance: the machine that is taken where none is named.
        options: the deployer's own options, each with a description; no secrets.
    """

    name: str
    title: str
    needs: tuple[str, ...]
    extra: str
    instance: str
    options: type[Frozen]

    def offer(self, instance: str) -> tuple[str, ...]:
        """Names of offers of the price file that are this machine; the dearest one is reckoned with."""

    def plan(self, cargo: Cargo, terms: Terms) -> Plan:
        """What would be created. Touches no network and reads no credentials."""

    def create(self, deployment: Deployment, model: Path, say: Say) -> None:
        """Sends the model and creates what is not there yet; asked twice it makes one.

        Args:
            deployment: what is on disk already.
            model: the folder with the cargo's files.
            say: told what takes a while.

        Raises:
            LaunchError: the service refused, or is out of reach after a few tries.
        """

    def state(self, deployment: Deployment) -> State:
        """How it is; raises LaunchError when the service cannot be asked."""

    def delete(self, deployment: Deployment, say: Say) -> None:
        """Deletes everything that `create` has created, in whatever part it is there.

        Raises:
            LaunchError: something could not be deleted; the same again goes on.
        """

    def ask(self, deployment: Deployment) -> str:
        """A command line that asks it one text."""


DEPLOYERS: Registry[Deployer] = Registry("deployers", "place to deploy to")
