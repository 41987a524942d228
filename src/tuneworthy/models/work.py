"""How many floating-point operations a forward and backward pass takes."""

from dataclasses import dataclass

from tuneworthy.models.shape import Shape
from tuneworthy.models.way import Way

FORWARD, BACKWARD = 2, 2  # per weight and token, and again for the weight's own gradient (Kaplan et al. 2020)


@dataclass(frozen=True, slots=True)
class Load:
    """What is computed: tokens, pairs of tokens that attend, and positions with a vocabulary's logits."""

    tokens: float
    pairs: float
    supervised: float


def operations(shape: Shape, way: Way, load: Load) -> float:
    """FLOP of the matrix products for a load.

    Every weight is multiplied forward and into the activations; those that learn also into their gradient: 4
    for a frozen weight and token, 6 for one that learns. A pair costs 4 per query channel forward, and twice
    that backward. Checkpointing repeats the layers' forward pass. A model that only reads goes forward, and
    so do the layers below those that learn.

    >>> from tuneworthy.models.shape import Shape
    >>> llama = Shape(6_738_415_616, 32, 4096, 11008, 32, 32, 128, 32000, tied=False, context=4096)
    >>> multiplied = llama.linear + llama.head
    >>> operations(llama, Way("all", "float32"), Load(1, 0, 1)) / multiplied
    6.0
    """
    learns, back = way.trains == "all", way.depth(shape.layers) / shape.layers
    attention = 2 * FORWARD * shape.query_width * shape.layers * load.pairs
    forward = FORWARD * shape.linear * load.tokens + attention
    backward = BACKWARD * (2 if learns else 1) * shape.linear * load.tokens + 2 * attention
    if way.trains == "adapters":
        backward += (FORWARD + 2 * BACKWARD) * shape.adapters(way.rank) * load.tokens
    if way.checkpointing:
        backward += forward
    per_weight = FORWARD + (0 if way.trains == "nothing" else BACKWARD)
    if learns and way.layers is None:
        per_weight += BACKWARD
    return forward + back * backward + per_weight * shape.head * load.supervised
