"""Which way of fine-tuning a catalogue model fits into so many GiB."""

from typing import Literal, NamedTuple

from tuneworthy.models.catalogue import Entry

Way = Literal["full", "lora", "qlora"]
GIB = 2**30
WORKING_MEMORY = (
    1.25  # activations of short rows with checkpointing, adapters, buffers: a quarter of the weights
)

# Bytes a weight takes. full: bf16 weight and gradient, float32 copy and two moments, 2 + 2 + 12 (Rajbhandari
# et al. 2020). lora: bf16 weight. qlora: four bits and 0.127 bits of doubly quantised constants (Dettmers et
# al. 2023, section 3); embeddings and output head stay in 16 bits.
BYTES: dict[Way, float] = {"full": 16, "lora": 2, "qlora": (4 + 0.127) / 8}


class Fit(NamedTuple):
    """A way of fine-tuning and the memory it takes."""

    way: Way
    memory_gib: float


def needed_gib(entry: Entry, way: Way) -> float:
    """Bytes of the weights in this way, times `WORKING_MEMORY`."""
    shape = entry.shape
    embeddings = shape.vocabulary * shape.hidden * (1 if shape.tied_embeddings else 2)
    packed = entry.parameters - embeddings
    weights = packed * BYTES[way] + embeddings * max(BYTES[way], 2)
    return weights * WORKING_MEMORY / GIB


def fits(entry: Entry, memory_gib: float) -> Fit | None:
    """The most precise way that fits: full, LoRA in 16 bits, LoRA on four bits; None when none does.

    Encoders are fine-tuned whole.
    """
    ways: tuple[Way, ...] = ("full",) if entry.role == "encoder" else ("full", "lora", "qlora")
    needed = (Fit(way, needed_gib(entry, way)) for way in ways)
    return next((fit for fit in needed if fit.memory_gib <= memory_gib), None)
