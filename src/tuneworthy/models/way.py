"""`Way` and `Pass`: how a model is fitted, and on how much at a time."""

from dataclasses import dataclass
from typing import Literal

Precision = Literal["float32", "bfloat16", "nf4"]
Trains = Literal["adapters", "all", "nothing"]
Optimizer = Literal["adamw", "adamw_8bit"]
Method = Literal["full", "lora", "qlora"]
FLOAT, HALF = 4, 2  # bytes


@dataclass(frozen=True, slots=True)
class Way:
    """How a model is fitted.

    Attributes:
        trains: adapters beside frozen weights, all weights, or nothing (the model only reads).
        base: how the weights are kept; weights that are trained are always float32.
        computes: what they are multiplied in; None is `base`, and bfloat16 for four bits.
        rank: of the adapters.
        optimizer: AdamW with moments in float32 or in eight bits.
        checkpointing: whether layers are computed again in backward.
        layers: the last so many learn, and what comes after them; None is all of the model.
        returns: whether states to go back to are kept, as the training loop does.
        rescored: whether the fit ends with a second model in its place, which multiplies in float32.
        processes: that hold the layers' weights together; what is planned is one of them.
    """

    trains: Trains
    base: Precision
    computes: Precision | None = None
    rank: int = 0
    optimizer: Optimizer = "adamw"
    checkpointing: bool = False
    layers: int | None = None
    returns: bool = True
    rescored: bool = False
    processes: int = 1

    @property
    def width(self) -> int:
        """Bytes of a number in a product."""
        return FLOAT if (self.computes or self.base) == "float32" else HALF

    @property
    def mixed(self) -> bool:
        """Whether float32 weights are multiplied in 16 bits, so that both stay in memory."""
        return self.base == "float32" and self.width == HALF

    def depth(self, layers: int) -> int:
        """How many of so many layers a backward pass goes through."""
        if self.trains == "nothing":
            return 0
        return layers if self.layers is None else min(self.layers, layers)

    @property
    def kept(self) -> str:
        """How the weights are kept, in a word; "mixed" where they are multiplied in fewer bits."""
        return "mixed" if self.mixed else self.base

    @property
    def stream_width(self) -> int:
        """Bytes of a number that goes from layer to layer."""
        return FLOAT if self.base == "float32" else self.width


def way_of(method: Method, half: bool, rank: int = 0) -> Way:
    """How a method fits a decoder.

    Args:
        method: the arm.
        half: whether the machine multiplies in 16 bits.
        rank: of adapters.
    """
    computes: Precision = "bfloat16" if half else "float32"
    if method == "full":
        return Way("all", "float32", computes)
    base: Precision = computes if method == "lora" else "nf4"
    return Way("adapters", base, computes, rank=rank, rescored=half)


@dataclass(frozen=True, slots=True)
class Pass:
    """One forward pass.

    Attributes:
        tokens: computed ones, padding included.
        pairs: (query, key) pairs whose attention weights are kept, padding included; a GPU keeps none.
        widest: the most of them in one batched product.
        supervised: positions whose logits over the vocabulary the loss reads; none where it names labels.
        pieces: passes that an update takes; from the second on, gradients of the earlier ones are there.
    """

    tokens: int
    pairs: int = 0
    widest: int = 0
    supervised: int = 0
    pieces: int = 1
