"""A base model reads on in the user's own texts before it is fine-tuned: continued pre-training.

Gururangan et al. 2020, "Don't Stop Pretraining". A decoder learns to go on with a text: adapters on every
linear layer (Biderman et al. 2024, "LoRA Learns Less and Forgets Less"), added to the weights at the end. An
encoder learns to fill gaps, with all of its weights. One that comes without a head for that, as a sentence
encoder does, gets a new one on its word embeddings, which is trained alone first: a head drawn at random
would pull the encoder about, and it would say nothing about how well the encoder read before.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Generic

import numpy as np
from pydantic import Field

from tuneworthy.core.counting import counted
from tuneworthy.core.errors import DataError, DivergedError, ModelError
from tuneworthy.core.example import Example
from tuneworthy.core.frozen import Frozen
from tuneworthy.core.prediction import Prediction
from tuneworthy.engine.batches import R
from tuneworthy.engine.encoding import EncodedRow
from tuneworthy.engine.masking import with_gaps
from tuneworthy.engine.reader import Reader, ReadRow
from tuneworthy.engine.recipe import Recipe, default_learning_rate, default_steps, warmup_steps
from tuneworthy.engine.trainee import Trainee, Writer, mean_loss
from tuneworthy.engine.training import Choice, ValidationScore
from tuneworthy.engine.training import train as run_training
from tuneworthy.methods._reading import default_rate, windows
from tuneworthy.models.adapters import add_lora, merged
from tuneworthy.models.decoder import Decoder, load_decoder, save_decoder
from tuneworthy.models.headed import HeadedEncoder, load_headed, save_reader
from tuneworthy.models.likelihood import has_masked_head
from tuneworthy.models.states import Kind, kind_of
from tuneworthy.models.trainable import train_head, train_last

FEWEST = 40  # documents, of which two are held out
HELD_OUT, MOST_HELD_OUT = 0.05, 200  # of the documents
PIECE: dict[Kind, int] = {"encoder": 128, "decoder": 512}  # tokens
LOOKS = 4  # times that the held-out documents are read in training
MOST_PASSES = 10
ENCODER_RATE = 2.0  # times that of a fine-tune: 1e-4 at width 768
HEAD, HEAD_RATE = {"max_steps": 100, "learning_rate": None}, 5e-3
WARMUP = 0.06  # share of the steps (Gururangan et al. 2020)
Report = Callable[[int, int, dict[str, float]], None]


class ReadingParameters(Frozen):
    """How a base model reads on."""

    learning_rate: float | None = Field(
        None,
        gt=0,
        description="peak; default for encoders 1e-4 x (768/width)^2 (Gururangan 2020: 1e-4 at width 768), "
        "for decoders lora's",
    )
    tokens: int | None = Field(
        None,
        ge=16,
        description="tokens of a piece of text; default 128 for encoders (Devlin 2019: nine tenths of its "
        "steps), 512 for decoders",
    )
    batch: int = Field(16, ge=1, description="pieces per update")
    epochs: float | None = Field(
        None,
        gt=0,
        description="passes over the texts; default: as many as make max_steps, at most 10 (Devlin 2019 "
        "hides other tokens in each of ten)",
    )
    max_steps: int = Field(
        300,
        ge=1,
        description="most updates; 300 x 16 pieces are minutes on a core (Gururangan 2020: 12,500 x 2,048)",
    )
    rank: int = Field(
        64,
        ge=1,
        le=512,
        description="of a decoder's adapters (Biderman 2024: low ranks learn less of a text)",
    )
    tokens_per_batch: int = Field(
        4096, ge=64, description="tokens per forward pass, fewer where memory does not hold so many"
    )


@dataclass
class Adapted:
    """A base model that has read the texts, unless that made it worse; nothing that answers.

    Attributes:
        facts: `kept` says which of the two, `before` and `after` how well it read held-out documents.
        write: writes the new model.
    """

    facts: dict[str, Any]
    write: Callable[[Path], None]

    def predict(self, examples: Sequence[Example]) -> list[Prediction]:
        """No answers: another method gives them."""
        return []

    def save(self, folder: Path) -> None:
        """Writes an ordinary transformers folder with safetensors; nothing when the base model stays."""
        if self.facts["kept"]:
            self.write(folder)


@dataclass
class Reading(Generic[R]):
    """A model and its texts, ready for the training loop.

    Attributes:
        trainee: the model with what learns marked as such.
        rows, held: pieces of text to learn from, and of held-out documents.
        recipe: of the fit.
        measure: what held-out documents are measured in, the lower the better.
        scale: from nats per supervised token to that.
        write: writes the model as it is then.
    """

    trainee: Trainee[R]
    rows: list[R]
    held: list[R]
    recipe: Recipe
    measure: str
    scale: float
    write: Callable[[Path], None]

    def score(self) -> float:
        """How well it reads the held-out documents now."""
        return self.scale * mean_loss(self.trainee, self.held, self.recipe.tokens_per_batch)


@dataclass(frozen=True)
class Texts:
    """Documents to learn from and documents held out."""

    learned: list[str]
    held: list[str]


def read_on(
    folder: Path,
    documents: Sequence[str],
    parameters: ReadingParameters,
    seed: int,
    dtype: str,
    checkpoint: Path | None = None,
    report: Report = lambda step, steps, facts: None,
) -> Adapted:
    """A base model that has read the documents, unless held-out ones say that it reads worse now.

    Args:
        folder: of the base model.
        documents: the user's texts.
        parameters: how it reads.
        seed: draws held-out documents, gaps, orders and new weights.
        dtype: of products in training, and of a decoder's frozen weights.
        checkpoint: folder to resume from.
        report: told step, steps and facts.

    Raises:
        DataError: there are too few documents.
        ModelError: the model cannot be loaded, or memory does not hold a single piece.
    """
    texts = parted(documents, seed)
    try:
        if kind_of(folder) == "encoder":
            filling = _encoder(folder, texts, parameters, seed, dtype, checkpoint, report)
            return _trained(filling, texts, checkpoint, report)
        return _trained(_decoder(folder, texts, parameters, seed, dtype), texts, checkpoint, report)
    except DivergedError as error:
        told = f"Reading the unlabelled text diverged, so the base model stays as it was: {error}"
        return Adapted({"kept": False, "told": told}, lambda folder: None)


def require_enough(documents: Sequence[object]) -> None:
    """Raises DataError when a twentieth of the documents would be fewer than two."""
    if len(documents) < FEWEST:
        raise DataError(
            f"{counted(len(documents), 'document')} of unlabelled text are too few to adapt a model: give "
            f"{FEWEST} at least, one a line."
        )


def held_out(documents: int) -> int:
    """How many of so many documents say whether reading has helped: a twentieth, at most 200."""
    return min(MOST_HELD_OUT, math.ceil(HELD_OUT * documents))


def parted(documents: Sequence[str], seed: int) -> Texts:
    """A twentieth of the documents, at most 200, held out; raises DataError for too few."""
    require_enough(documents)
    order = np.random.default_rng(seed).permutation(len(documents))
    count = held_out(len(documents))
    return Texts([documents[i] for i in order[count:]], [documents[i] for i in order[:count]])


def _encoder(
    folder: Path,
    texts: Texts,
    parameters: ReadingParameters,
    seed: int,
    dtype: str,
    checkpoint: Path | None,
    report: Report,
) -> Reading[ReadRow]:
    """An encoder with a head that fills gaps, all of it to be trained."""
    encoder = load_headed(folder, "masked", seed=seed)
    if encoder.tokenizer.mask_token_id is None:
        raise ModelError(f"{folder.name} has no mask token, so it cannot be adapted: name another encoder.")
    learned, held = (
        _windows(encoder, part, parameters.tokens or PIECE["encoder"]) for part in (texts.learned, texts.held)
    )
    rate = ENCODER_RATE * default_rate(int(encoder.model.config.hidden_size))
    recipe = _recipe(parameters, len(learned), rate, seed)
    copies = math.ceil(recipe.steps * recipe.batch / len(learned))
    rows = with_gaps(encoder, learned, copies, np.random.default_rng([seed, 0]))
    reader = Reader(encoder, "masked", "adapt", dtype)
    if not has_masked_head(folder):
        train_head(encoder.model)
        alone = _recipe(parameters.model_copy(update=HEAD), len(learned), HEAD_RATE, seed)
        run_training(reader, rows, alone, checkpoint=checkpoint and checkpoint / "head", report=report)
    train_last(encoder.model, None)
    return Reading(
        reader,
        rows,
        with_gaps(encoder, held, 1, np.random.default_rng([seed, 1])),
        recipe,
        "nats per hidden token",
        1.0,
        partial(save_reader, encoder, folder),
    )


def _windows(encoder: HeadedEncoder, documents: Sequence[str], limit: int) -> list[ReadRow]:
    return [
        ReadRow(f"{number}-{place}", window.tokens)
        for number, text in enumerate(documents)
        for place, window in enumerate(windows(encoder, text, limit))
    ]


def _decoder(
    folder: Path, texts: Texts, parameters: ReadingParameters, seed: int, dtype: str
) -> Reading[EncodedRow]:
    """A decoder with adapters to be trained."""
    decoder = load_decoder(folder, dtype)
    add_lora(decoder, parameters.rank, 2 * parameters.rank, 0.0, seed)
    limit = min(parameters.tokens or PIECE["decoder"], decoder.context_length)
    rows, held = (_pieces(decoder, part, limit) for part in (texts.learned, texts.held))
    rate = default_learning_rate(decoder.hidden_size, len(rows))
    bits = sum(len(row.answer) for row in held) / math.log(2)
    return Reading(
        Writer(decoder, "adapt"),
        rows,
        held,
        _recipe(parameters, len(rows), rate, seed),
        "bits per byte",
        bits / sum(len(text.encode()) for text in texts.held),
        lambda target: save_decoder(merged(decoder), target),
    )


def _pieces(decoder: Decoder, documents: Sequence[str], limit: int) -> list[EncodedRow]:
    """Each document in pieces that are learned from the first token on."""
    found = []
    for number, text in enumerate(documents):
        tokens = decoder.encode(decoder.apart(text))
        for at in range(0, len(tokens), limit - 1):
            piece = tuple(tokens[at : at + limit - 1])
            found.append(EncodedRow(f"{number}-{at}", (decoder.start_token,), piece))
    return found


def updates_of(parameters: ReadingParameters, pieces: int) -> tuple[int, int]:
    """How many updates so many pieces of text make, and the pieces of one."""
    batch = min(parameters.batch, pieces)
    return min(parameters.max_steps, default_steps(pieces, batch, parameters.epochs or MOST_PASSES)), batch


def _recipe(parameters: ReadingParameters, pieces: int, rate: float, seed: int) -> Recipe:
    """The arithmetic of the fit."""
    steps, batch = updates_of(parameters, pieces)
    return Recipe(
        steps=steps,
        batch=batch,
        learning_rate=parameters.learning_rate or rate,
        warmup_steps=warmup_steps(steps, WARMUP),
        evaluate_every=math.ceil(steps / LOOKS),
        patience=LOOKS,
        tokens_per_batch=parameters.tokens_per_batch,
        seed=seed,
        weight_decay=0.01,
    )


def _trained(reading: Reading[R], texts: Texts, checkpoint: Path | None, report: Report) -> Adapted:
    """Trains; the model is kept as it read held-out documents best, if that is better than before."""
    before = reading.score()

    def evaluate() -> ValidationScore:
        now = reading.score()
        return ValidationScore(-now, now)

    outcome = run_training(reading.trainee, reading.rows, reading.recipe, evaluate, _best, checkpoint, report)
    after = -max(point["score"] for point in outcome.validation)
    kept = after < before
    facts = {
        "kept": kept,
        "before": round(before, 4),
        "after": round(after, 4),
        "measure": reading.measure,
        "told": f"After {counted(len(texts.learned), 'document')} of unlabelled text the base model reads "
        f"others at {after:.3f} {reading.measure}, {before:.3f} before"
        + ("." if kept else ": it is worse, and stays as it was."),
        "documents": len(texts.learned),
        "held_out": len(texts.held),
        "steps": outcome.kept_step,
        "batch": reading.recipe.batch,
        "learning_rate": reading.recipe.learning_rate,
        "seconds_before_resume": round(outcome.seconds_before, 2),
    }
    return Adapted(facts, reading.write)


def _best(curve: Sequence[dict[str, float]]) -> Choice:
    """The step that read the held-out documents best."""
    return Choice(
        int(max(curve, key=lambda point: point["score"])["step"]), "it reads held-out documents best"
    )
