"""What a forward pass keeps for its backward pass, and what the widest backward step works with, in bytes.

Counted from the code of this engine, tensor by tensor. Per token a decoder's layer keeps (width h, query
heads q wide, key heads k wide, feed-forward i wide, b bytes a number):

    two norms        their inputs, and one float32 a token each        2 h b + 8      `models.rms_norm`
    linear layers    their inputs, shared by those that read the same  2 h b
    attention        queries, keys, values, and the answer             (2 q + 2 k) b  `models.tree_attention`
                     weights of the pairs that the blocks cover        heads x pairs x b, on a CPU only
    feed-forward     gate and up; the rest is worked out again         2 i b          `models.lora_linear`
    adapters         x A' of each linear layer, and A, B in 16 bits    7 rank b       `models.lora_linear`

Where layers are transformers' own (all weights learn, or an encoder), what autograd keeps takes their place.
"""

from dataclasses import dataclass
from typing import Literal

from tuneworthy.models import second_level
from tuneworthy.models.shape import Shape
from tuneworthy.models.way import FLOAT, Pass, Way

Device = Literal["cpu", "cuda"]
INDEX = 8  # bytes of an int64


@dataclass(frozen=True, slots=True)
class Graph:
    """Bytes of one pass.

    Attributes:
        layer: what autograd keeps of one layer.
        layer_input: what it keeps of it with checkpointing.
        casts: adapters in 16 bits, which one layer holds beside that.
        outside: what autograd keeps before and after the layers.
        mask: what all layers share and autograd does not count: the mask, and where rows are fetched.
        working: what the last layer's backward step has beside all that.
    """

    layer: float
    layer_input: float
    casts: float
    outside: float
    mask: float
    working: float

    def kept(self, layers: int, checkpointing: bool) -> float:
        """All that is there when the backward pass starts, or with checkpointing is in the last layer."""
        if checkpointing:
            return layers * self.layer_input + self.layer + self.casts + self.outside + self.mask
        return layers * (self.layer + self.casts) + self.outside + self.mask


def graph(shape: Shape, way: Way, one: Pass, device: Device) -> Graph:
    """The bytes of one forward pass in training."""
    return (_encoder if shape.encoder else _decoder)(shape, way, one, device)


def _decoder(shape: Shape, way: Way, one: Pass, device: Device) -> Graph:
    h, q, k, i = shape.hidden, shape.query_width, shape.key_width, shape.intermediate
    b, tokens = way.width, one.tokens
    stream = way.stream_width
    frozen = way.trains == "adapters"
    # On a GPU norms are transformers' own: the input in float32, and the output where the weight learns.
    norm = stream * h if device == "cpu" else FLOAT * h + (0 if frozen else stream * h)
    readers = len(shape.matrices) - 2 if way.mixed else 2  # each of them casts its input for itself
    attention = (2 * q + 2 * k) * b
    if shape.head_norms:  # their inputs, as of any norm
        attention += (q + k) * (stream if device == "cpu" else FLOAT) + FLOAT * (shape.heads + shape.kv_heads)
    if device == "cuda":
        attention += q * b + FLOAT * shape.heads  # the kernel's own answer, and a log-sum per query
    feed_forward = (2 if frozen or not shape.gated else 4) * i * b
    low = way.rank * len(shape.matrices) * b
    after_attention = norm + FLOAT + (readers - 3 if way.mixed else 1) * h * b + feed_forward
    per_token = 2 * (norm + FLOAT) + readers * h * b + attention + feed_forward + low
    weights = one.pairs * shape.heads * b
    casts = shape.adapters(way.rank) / shape.layers * b if frozen and b < FLOAT else 0
    halved = shape.linear / shape.layers * b if way.mixed else 0
    unpacked = h * i * b if way.base == "nf4" else 0
    ffn_step = (3 * i * b + 2 * h * stream) * tokens + unpacked
    attention_step = (3 * q * b + 2 * k * FLOAT) * tokens + 2 * shape.heads * one.widest * b
    return Graph(
        layer=per_token * tokens + weights + halved,
        layer_input=stream * h * tokens,
        casts=casts,
        outside=(norm + FLOAT + 2 * shape.head_dim * b) * tokens + one.supervised * h * b,
        mask=_mask(shape, one, b) if device == "cpu" else 0,
        working=max(ffn_step, attention_step - after_attention * tokens),
    )


def _mask(shape: Shape, one: Pass, width: int) -> float:
    """The dense mask, its blocks, and where each layer fetches and puts the rows of queries and keys."""
    rows = 2 * one.tokens * shape.heads
    return (one.tokens**2 + one.pairs) * width + rows * INDEX


def _encoder(shape: Shape, way: Way, one: Pass, device: Device) -> Graph:
    """BERT's layers with dropout, whose mask a CPU keeps as numbers and a GPU as bytes.

    Ten tensors as wide as the stream: the inputs of three linear layers (that of queries, keys and values is
    one) and of two norms, two masks of dropout, queries, keys and values. Two as wide as the feed-forward:
    what goes into its activation and into its second layer. Of each pair of tokens a CPU keeps the weight,
    the mask of dropout and their product; in 16 bits `models.dropped_attention` keeps the answer and the
    weight alone, and works on some heads at a time.
    """
    h, i, b, tokens = shape.hidden, shape.intermediate, way.width, one.tokens
    pairs = one.pairs if device == "cpu" else 0
    mask = b if device == "cpu" else 1
    feed_forward = 2 * i * b
    weights = shape.heads * pairs * b
    dropped = way.mixed and device == "cpu"
    inputs = 5 if way.mixed else 3  # queries, keys and values each cast theirs for themselves
    attention = (4 if dropped else 3) * h * b
    per_token = inputs * h * b + attention + 2 * h * FLOAT + 2 * h * mask + feed_forward
    halved = shape.linear / shape.layers * b if way.mixed else 0
    at_once = min(weights, second_level.BYTES) if dropped else weights
    attention_step = 2 * at_once - (feed_forward + 4 * h * b) * tokens
    return Graph(
        layer=per_token * tokens + (1 if dropped else 3) * weights + halved,
        layer_input=h * FLOAT * tokens,
        casts=0,
        outside=(h * FLOAT + h * (FLOAT if device == "cpu" else 1)) * tokens if way.layers is None else 0,
        mask=0,
        working=max(2 * i * b * tokens, attention_step),
    )
