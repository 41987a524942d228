"""How much memory a fine-tune takes, by arithmetic: the bytes of each part, from the shape of the model.

Nothing is loaded and no factor is fitted. The peak is that of the largest moment:

    logits     the whole graph, and the logits of the loss
    backward   the whole graph, and what the last layer's backward step works with
    gradients  no graph any more, and every gradient
    copies     between two updates, when the state to go back to is replaced (`engine.guards`); on a CPU, as
               beside a GPU that state and the best and the latest one are in the host's memory
    scoring    after training, when a model that multiplies in float32 has taken the trained one's place
    reading    a model that is not trained, in its widest layer

Worked example: the shape of Llama 2 7B (32 layers 4,096 wide, 11,008 in between, 32 heads of 128, vocabulary
32,000), QLoRA of rank 16, rows of 1,024 tokens of which 16 are the answer, one at a time, on a GPU. It has
6,476,005,376 weights in linear layers (4.127 bits), 262,410,240 others (16 bits), and 39,976,960 parameters
of adapters, 16 x 32 x (4 x 8,192 + 3 x 15,104): 4 bytes each, 4 for the gradient, 8 for two moments. Of a
token a layer keeps
2 x (4 x 4,096 + 4) for its norms, 4 x 4,096 for inputs of linear layers, 10 x 4,096 + 4 x 32 for attention,
4 x 11,008 for the feed-forward and 224 for adapters: 134,504 bytes.

>>> from tuneworthy.models.shape import Shape
>>> llama = Shape(6_738_415_616, 32, 4096, 11008, 32, 32, 128, 32000, tied=False, context=4096)
>>> way = Way("adapters", "nf4", rank=16)
>>> split = peak(llama, way, Pass(tokens=1024, supervised=16, pieces=8), "cuda")
>>> for name, size in split.parts().items():
...     print(f"{name:11} {size / GIB:.2f}")
weights     3.60
adapters    0.15
gradients   0.15
optimiser   0.30
copies      0.00
activations 4.36
logits      0.00
runtime     0.60
"""

from dataclasses import dataclass
from typing import Literal

from tuneworthy.models.activations import Device, graph
from tuneworthy.models.shape import Shape
from tuneworthy.models.way import FLOAT, HALF, Optimizer, Pass, Precision, Way

GIB = 2**30
PARTS = ("weights", "adapters", "gradients", "optimiser", "copies", "activations", "logits", "runtime")
Moment = Literal["logits", "backward", "gradients", "copies", "scoring", "reading"]

# NF4 with double quantisation (Dettmers et al. 2023, arXiv:2305.14314, section 3): 4 bits, an 8-bit constant
# per 64 weights, a 32-bit one per 256 of those.
NF4 = (4 + 8 / 64 + 32 / (64 * 256)) / 8
# AdamW's two moments per parameter: float32, or 8 bits with a float32 scale per 256 (Dettmers et al. 2022,
# arXiv:2110.02861).
MOMENTS: dict[Optimizer, float] = {"adamw": 2 * FLOAT, "adamw_8bit": 2 * (1 + FLOAT / 256)}
SLICED_LOGITS = 16_777_216  # as `engine.head.LOGITS_AT_A_TIME`
SLICED, WHOLE = 2 * FLOAT, 3 * FLOAT  # bytes of a logit: with its log-softmax; in backward with two gradients
SCORED_TOKENS: dict[Device, int] = {"cpu": 1024, "cuda": 8192}  # as `engine.scoring.TOKENS_PER_BATCH`
WEIGHED = 2  # tensors of attention weights that plain attention has at a time: before and after a step
# What a process has before a model. CPU: Python, torch, transformers and peft, resident size on Linux. GPU:
# the context and the matrix library's workspace; an estimate, which no card has confirmed yet.
RUNTIME: dict[Device, float] = {"cpu": 0.45 * GIB, "cuda": 0.6 * GIB}


FETCHED = 3  # layers that a process has whole: the one that computes, the next, and what it is copied from
SPARE = 0.05  # of the machine's memory: what allocators lose between tensors


@dataclass(frozen=True, slots=True)
class Split:
    """Bytes at the moment of the peak, by what they are for.

    Attributes:
        weights: the model's own.
        adapters: LoRA's, in float32.
        gradients: those that are there at that moment.
        optimiser: AdamW's moments.
        copies: the state to go back to, the best one and the latest one, on a CPU.
        activations: what the forward pass keeps and the backward step works with.
        logits: of the positions that the loss reads.
        runtime: what the process has before the model.
        moment: when that is.
        beside: what a GPU leaves in the host's memory: those copies, while one of them is replaced.
    """

    weights: float
    adapters: float
    gradients: float
    optimiser: float
    copies: float
    activations: float
    logits: float
    runtime: float
    moment: Moment
    beside: float = 0

    @property
    def total(self) -> float:
        """All of it."""
        return sum(self.parts().values())

    def fits(self, memory: float) -> bool:
        """Whether so many bytes are enough, `SPARE` of them left over."""
        return self.total <= (1 - SPARE) * memory

    def parts(self) -> dict[str, float]:
        """Bytes by name."""
        return {name: getattr(self, name) for name in PARTS}


def weight_bytes(shape: Shape, base: Precision, width: int) -> float:
    """The weights of a model; four bits pack the layers' matrices, the rest has `width` bytes."""
    if base == "nf4":
        return shape.linear * NF4 + (shape.parameters - shape.linear) * width
    return shape.parameters * (FLOAT if base == "float32" else HALF)


def held_bytes(shape: Shape, way: Way, base: Precision, width: int) -> float:
    """The weights that one process holds: all, or its part of the layers and those that are together now."""
    whole = weight_bytes(shape, base, width)
    if way.processes == 1:
        return whole
    layers = shape.linear * (FLOAT if base == "float32" else HALF)
    return whole - layers + layers / way.processes + FETCHED * layers / shape.layers


def peak(shape: Shape, way: Way, one: Pass, device: Device) -> Split:
    """The split at the largest moment of a fit.

    Args:
        shape: of the model.
        way: how it is fitted.
        one: the largest forward pass.
        device: where it computes; a CPU and a GPU keep different tensors.
    """
    moments = (
        [_reading(shape, way, one, device)] if way.trains == "nothing" else _training(shape, way, one, device)
    )
    if way.rescored:
        moments.append(_scoring(shape, way, device))
    return max(moments, key=lambda split: split.total)


def _training(shape: Shape, way: Way, one: Pass, device: Device) -> list[Split]:
    adapted = way.trains == "adapters"
    trained = shape.adapters(way.rank) if adapted else shape.learning(way.layers)
    guesses = one.supervised > 0  # by a head as large as the vocabulary, which of an encoder is always tied
    head = 0 if adapted or not guesses or way.layers is not None else shape.head
    kept = graph(shape, way, one, device)
    whole = kept.kept(way.depth(shape.layers), way.checkpointing)
    earlier = trained * FLOAT if one.pieces > 1 else 0
    good, rest = trained * (FLOAT + MOMENTS[way.optimizer]), 2 * trained * FLOAT
    if not way.returns:
        good = rest = 0
    here = device == "cpu"  # where copies are kept beside the model

    def at(
        moment: Moment, gradients: float, activations: float, logits: float = 0, copying: float = 0
    ) -> Split:
        return Split(
            weights=held_bytes(shape, way, way.base, way.width),
            adapters=trained * FLOAT if adapted else 0,
            gradients=gradients,
            optimiser=trained * MOMENTS[way.optimizer],
            copies=(good + rest + copying) if here else 0,
            activations=activations,
            logits=logits,
            runtime=RUNTIME[device],
            moment=moment,
            beside=0 if here else 2 * good + rest,
        )

    return [
        at("logits", earlier, whole, _logits(shape, way, one)),
        at("backward", max(earlier, head * FLOAT), whole + kept.working),
        at("gradients", trained * FLOAT + (head * FLOAT if shape.tied or shape.encoder else 0), 0),
        at("copies", 0, 0, copying=good),
    ]


def _logits(shape: Shape, way: Way, one: Pass) -> float:
    """Logits of the loss: a slice at a time where the head is frozen, else all, with their gradients."""
    values = one.supervised * shape.vocabulary
    if way.trains == "adapters" and shape.plain_head and shape.packed:
        return SLICED * min(values, SLICED_LOGITS)
    return WHOLE * values


def _scoring(shape: Shape, way: Way, device: Device) -> Split:
    """A float32 model in place of the one that was trained; on a CPU its head is laid out a second time."""
    again = shape.head * FLOAT if device == "cpu" and way.processes == 1 else 0
    return Split(
        weights=held_bytes(shape, way, "nf4" if way.base == "nf4" else "float32", FLOAT) + again,
        adapters=shape.adapters(way.rank) * FLOAT,
        gradients=0,
        optimiser=0,
        copies=0,
        activations=_read(shape, SCORED_TOKENS[device]),
        logits=0,
        runtime=RUNTIME[device],
        moment="scoring",
    )


def _reading(shape: Shape, way: Way, one: Pass, device: Device) -> Split:
    """A pass that keeps nothing but, of a decoder, every layer's states; a CPU has its head twice."""
    states = weighing = again = 0
    if not shape.encoder:  # whose attention keeps no weights
        states = (shape.layers + 1) * shape.hidden * FLOAT * one.tokens
        weighing = WEIGHED * shape.heads * one.pairs * FLOAT
        again = shape.head * FLOAT if device == "cpu" else 0
    return Split(
        weights=weight_bytes(shape, way.base, way.width) + again,
        adapters=0,
        gradients=0,
        optimiser=0,
        copies=0,
        activations=states + max(_read(shape, one.tokens), weighing),
        logits=0,
        runtime=RUNTIME[device],
        moment="reading",
    )


def _read(shape: Shape, tokens: int) -> float:
    """Float32 activations of a pass that keeps nothing, where it is widest.

    In and out of the activation function, beside them the layer's input, attention's answer and their sum.
    """
    return (2 * shape.intermediate + 3 * shape.hidden) * FLOAT * tokens
