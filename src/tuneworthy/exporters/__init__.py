"""One file per form in which a fitted model leaves: a folder or file that plain libraries load.

An exporter writes an artefact, and asks it as its user will: in a fresh process that does not know this
package. The gate (`exporters.gate`) compares what the artefact answers with the same fit in this process.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from tuneworthy.core.example import Example
from tuneworthy.core.registry import Registry
from tuneworthy.units.refit import Refit


@dataclass(frozen=True, slots=True)
class Subject:
    """What is exported.

    Attributes:
        refit: the arm's fit on all rows; `refit.fitted` is the model in this process.
        variant: one of the exporter's `variants`; empty where it has none.
        tools: programs that the user named, by what they are: "converter", "quantizer", "llamacpp".
    """

    refit: Refit
    variant: str = ""
    tools: Mapping[str, Path] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Given:
    """What a model made of one row.

    Attributes:
        value: its answer in the task's canonical form; None where it is none.
        scores: log-probabilities in nats by what they are of: every label, or the right answer of a text.
        prompt: what it was asked, to the byte, where it reads a prompt.
        tokens: the prompt's token ids.
    """

    value: str | None
    scores: Mapping[str, float] = field(default_factory=dict)
    prompt: str | None = None
    tokens: tuple[int, ...] | None = None


@dataclass(frozen=True, slots=True)
class Side:
    """What a model made of the rows, in their order.

    Attributes:
        given: one for each row.
        traits: what has to be equal whatever the answers are, by the names in `gate.TRAITS`: "base_model",
            "labels", "template", "special_tokens", "stop_token". A side leaves out what it has none of, and
            only what both sides have is compared.
        precision: what the model computes in, such as "float32", "bfloat16", "q8_0".
    """

    given: tuple[Given, ...]
    traits: Mapping[str, Any] = field(default_factory=dict)
    precision: str = "float32"


@dataclass(frozen=True, slots=True)
class Tolerance:
    """What the gate lets pass.

    Attributes:
        drop: how much worse the metric's value may be, in its own unit, where the answers differ at all.
        nats: how far log-probabilities may be apart on average; None where that is reported only.
    """

    drop: float = 0.02
    nats: float | None = None


class Exporter(Protocol):
    """The contract of a file in `exporters/`.

    Attributes:
        name: the file name.
        title: how a model card calls it.
        variants: forms of the same artefact, the usual one first; empty where there is one form only.
    """

    name: str
    title: str
    variants: tuple[str, ...]

    def unsuited(self, subject: Subject) -> str:
        """Why this fit cannot leave in this form; empty when it can. Loads no weights."""

    def write(self, subject: Subject, folder: Path) -> None:
        """Writes the artefact into an empty folder: model files only, the card is not its business.

        Raises:
            TuneworthyError: a tool is missing, or the model is of a kind that it cannot write.
        """

    def expected(self, subject: Subject, rows: Sequence[Example]) -> Side:
        """What the same fit makes of the rows in this process, without their targets."""

    def found(self, subject: Subject, folder: Path, rows: Sequence[Example]) -> Side:
        """What the artefact in the folder makes of them, loaded as its user loads it, in a fresh process.

        Raises:
            ModelError: it cannot be loaded.
        """

    def tolerance(self, subject: Subject, precision: str) -> Tolerance:
        """What rounding explains, for an artefact that computes in this precision."""

    def usage(self, subject: Subject) -> str:
        """How the artefact is used, in Markdown: a few lines of code that work as they stand."""


@runtime_checkable
class Inspecting(Protocol):
    """What an exporter may offer besides: a look at the weights, once the scores say that they are others."""

    def weights(self, subject: Subject, folder: Path) -> list[str]:
        """What is wrong with the artefact's weights, each in half a sentence; nothing where all is well."""


@runtime_checkable
class Needing(Protocol):
    """What an exporter offers where it needs programs that may not be here."""

    def require(self, subject: Subject) -> None:
        """Asked before anything is fitted; raises MissingExtraError with what to install."""


EXPORTERS: Registry[Exporter] = Registry("exporters", "export format")


def named(exporter: str, variant: str) -> str:
    """What an artefact is called: "merged", "gguf-q8_0"."""
    return f"{exporter}-{variant}" if variant else exporter
