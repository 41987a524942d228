"""What it takes to let a base model read unlabelled text, `adapt`'s first part, before anything is loaded."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from tuneworthy.core.forecast import PlannedFit
from tuneworthy.core.job import Job
from tuneworthy.engine.encoding import EncodedRow
from tuneworthy.engine.masking import HIDDEN
from tuneworthy.engine.passes import packed_pass, padded_pass
from tuneworthy.methods._adapting import PIECE, ReadingParameters, held_out, updates_of
from tuneworthy.models.machines import Machine
from tuneworthy.models.shape import Shape
from tuneworthy.models.states import Kind
from tuneworthy.models.token_rows import token_counts
from tuneworthy.models.way import Pass, Way
from tuneworthy.models.work import Load, operations
from tuneworthy.units.forecast import minutes_of, planned_fit
from tuneworthy.units.plan import method_of, validated_parameters
from tuneworthy.units.rows_ahead import CHARACTERS, DRAWN, tokenizer_at_hand

METHOD = "adapt"
ADDED: dict[Kind, int] = {"encoder": 2, "decoder": 1}  # special tokens of a piece


@dataclass(frozen=True, slots=True)
class Reading:
    """The first part of an `adapt` arm.

    Attributes:
        model: the one that reads, by name.
        then: the method that is fitted afterwards.
        parameters: how it reads.
        documents: what it reads.
        seed: of the job.
    """

    model: str
    then: str
    parameters: ReadingParameters
    documents: Sequence[str]
    seed: int


@dataclass(frozen=True, slots=True)
class TextAhead:
    """Unlabelled text as the model will read it.

    Attributes:
        longest: tokens of the longest piece.
        tokens, squares: of a piece, the mean of its tokens and of their square.
        pieces: those of the documents that it learns from.
    """

    longest: int
    tokens: float
    squares: float
    pieces: int


def reading_of(job: Job, documents: Sequence[str]) -> Reading:
    """What the job's `adapt` does with documents before it is fitted."""
    method = method_of(METHOD, job)
    given = validated_parameters(method, job)
    parameters = ReadingParameters(**{name: given[name] for name in ReadingParameters.model_fields})
    model = job.base_model if method.models == ("decoder",) else job.embedding_model
    return Reading(model, given["then"], parameters, documents, job.seed)


def text_ahead(reading: Reading, shape: Shape) -> TextAhead:
    """The documents in pieces; their tokens are worked out from a sample's, and their characters."""
    kind = _kind(shape)
    limit = min(reading.parameters.tokens or PIECE[kind], shape.context)
    drawn = np.random.default_rng(reading.seed).permutation(len(reading.documents))
    learned = [reading.documents[i] for i in drawn[held_out(len(reading.documents)) :]]
    each = _tokens_per_character(learned[:DRAWN], reading.model)
    tokens = np.maximum(1, np.rint(each * np.array([len(text) for text in learned])))
    room = limit - ADDED[kind]
    whole, rest = tokens // room, tokens % room
    lengths = np.concatenate([np.full(int(whole.sum()), room), rest[rest > 0]]) + ADDED[kind]
    squares = float(np.square(lengths).mean())
    return TextAhead(int(lengths.max()), float(lengths.mean()), squares, len(lengths))


def _tokens_per_character(texts: Sequence[str], model: str) -> float:
    known, _ = tokenizer_at_hand(model)
    if known is None:
        return 1 / CHARACTERS
    return sum(token_counts(known.tokenizer, texts)) / sum(map(len, texts))


def reading_fits(reading: Reading, shape: Shape, machine: Machine) -> Iterator[PlannedFit]:
    """The reading alone, once, with 1, 2, 4, ... pieces in a pass, up to `batch` and `tokens_per_batch`.

    An encoder guesses hidden tokens with all of its weights, a decoder goes on with a text by its adapters.
    A new head of an encoder, where it comes without one, is not counted.
    """
    parameters, text = reading.parameters, text_ahead(reading, shape)
    half = machine.precision == "bfloat16"
    guesses = text.tokens - ADDED[_kind(shape)]
    if shape.encoder:
        way = Way("all", "float32", "bfloat16" if half else "float32")
        guesses *= HIDDEN
    else:
        way = Way("adapters", "bfloat16" if half else "float32", rank=parameters.rank)
    steps, batch = updates_of(parameters, text.pieces)
    pairs = text.squares if shape.encoder else text.squares / 2  # a decoder's token sees those before it
    flop = steps * batch * operations(shape, way, Load(text.tokens, pairs, guesses))
    together = 1
    while together <= batch:
        one = _pass(text, shape, machine, together, -(-batch // together))
        if together > 1 and one.tokens > parameters.tokens_per_batch:
            return
        minutes = minutes_of(flop, steps * -(-batch // together), way, shape, machine)
        yield planned_fit(METHOD, reading.model, way, shape, one, together, machine, minutes)
        together *= 2


def _kind(shape: Shape) -> Kind:
    return "encoder" if shape.encoder else "decoder"


def _pass(text: TextAhead, shape: Shape, machine: Machine, together: int, pieces: int) -> Pass:
    """The largest forward pass of so many pieces."""
    learned = text.longest - ADDED[_kind(shape)]
    if shape.encoder:
        return padded_pass([text.longest] * together, round(HIDDEN * learned), pieces)
    rows = [EncodedRow(str(row), (0,), (row + 1,) * learned) for row in range(together)]
    if not shape.packed:
        return padded_pass([row.length for row in rows], learned, pieces)
    return packed_pass(rows, pieces, blocks=machine.device == "cpu")
