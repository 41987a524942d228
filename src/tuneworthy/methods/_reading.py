"""What the arms that fine-tune an encoder share: parameters, recipe, windows of a text, the fit."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import Field

from tuneworthy.core.example import Example
from tuneworthy.core.frozen import Frozen
from tuneworthy.core.prediction import Prediction
from tuneworthy.core.unit import ArmKind, ModelRole
from tuneworthy.engine.reader import Reader, ReadRow
from tuneworthy.engine.recipe import Recipe, default_steps, warmup_steps
from tuneworthy.engine.training import ValidationScore
from tuneworthy.engine.training import train as run_training
from tuneworthy.methods import Setting, Space
from tuneworthy.methods._tuning import (
    NOISY_BELOW,
    around,
    choose_checkpoint,
    frozen_training,
    training_facts,
    validated,
)
from tuneworthy.models.configuration import hidden_size
from tuneworthy.models.headed import HeadedEncoder
from tuneworthy.models.trainable import train_last

FEWEST_STEPS, MOST_EPOCHS = 200, 30
BASE_WIDTH = 768  # of the BERT-base models that published rates were found on


class EncoderParameters(Frozen):
    """Parameters of every arm that fine-tunes an encoder; the defaults follow rows and width."""

    layers: int | None = Field(
        None,
        ge=0,
        description="train the last so many layers and the head, 0 the head alone; default: every weight",
    )
    learning_rate: float | None = Field(
        None,
        gt=0,
        description="peak; default 5e-5 x (768/width)^2 (BERT-base 2e-5 to 5e-5: Devlin 2019, Mosbach 2021)",
    )
    batch: int = Field(16, ge=1, description="examples per update (Devlin 2019: 16 or 32)")
    epochs: float | None = Field(
        None,
        gt=0,
        description="passes over the rows; default: 200 updates, in 3 to 30 passes (Mosbach 2021, Zhang "
        "2021: small sets need several hundred)",
    )
    max_steps: int | None = Field(
        None, ge=1, description="most updates of a measured fit; the final fit scales them by its rows"
    )
    steps: int | None = Field(None, ge=1, description="exact number of updates; set by the final refit")
    warmup: float = Field(0.1, ge=0, le=0.5, description="share of the steps that warm up (Mosbach 2021)")
    weight_decay: float = Field(0.01, ge=0, description="AdamW's (Devlin 2019)")
    patience: int = Field(
        5, ge=1, description="validations (one per epoch) without improvement before stopping"
    )
    max_input_tokens: int = Field(512, ge=16, description="longer texts are cut or read in windows")
    tokens_per_batch: int = Field(
        4096, ge=64, description="tokens per forward pass, fewer where memory does not hold so many"
    )


@dataclass(frozen=True, slots=True)
class Window:
    """A part of a text as token ids; `offsets` are each token's first and last character (0, 0: special)."""

    tokens: tuple[int, ...]
    offsets: tuple[tuple[int, int], ...]


def windows(encoder: HeadedEncoder, text: str, limit: int, first: str = "", stride: int = 0) -> list[Window]:
    """The text in windows of at most `limit` tokens, each after `first` where that is given.

    Offsets count characters of `text`; tokens of `first` have (0, 0).
    """
    limit = min(limit, encoder.max_length)
    pair = (first, text) if first else (text,)
    encoded = encoder.tokenizer(
        *pair,
        truncation="only_second" if first else True,
        max_length=limit,
        stride=min(stride, limit // 4),
        return_overflowing_tokens=True,
        return_offsets_mapping=True,
    )
    wanted = 1 if first else 0
    found = []
    for number, ids in enumerate(encoded["input_ids"]):
        pairs = zip(encoded["offset_mapping"][number], encoded.sequence_ids(number), strict=True)
        offsets = tuple((int(o[0]), int(o[1])) if part == wanted else (0, 0) for o, part in pairs)
        found.append(Window(tuple(ids), offsets))
    return found


def make_recipe(parameters: EncoderParameters, rows: int, width: int, seed: int, validation: int) -> Recipe:
    """Parameters, rows to fit and rows to validate on, to the arithmetic of the run."""
    batch = min(parameters.batch, rows)
    epochs = parameters.epochs or usual_epochs(rows, batch)
    steps = parameters.steps or default_steps(rows, batch, epochs)
    if parameters.max_steps is not None:
        steps = min(steps, parameters.max_steps)
    return Recipe(
        steps=steps,
        batch=batch,
        learning_rate=parameters.learning_rate or default_rate(width),
        warmup_steps=warmup_steps(steps, parameters.warmup),
        evaluate_every=max(1, round(rows / batch)) if validation else 0,
        patience=parameters.patience if validation else steps,
        noisy_validation=0 < validation < NOISY_BELOW,
        tokens_per_batch=parameters.tokens_per_batch,
        seed=seed,
        weight_decay=parameters.weight_decay,
    )


def usual_epochs(rows: int, batch: int) -> float:
    """Passes that make 200 updates, 3 to 30 of them."""
    return min(MOST_EPOCHS, max(3.0, FEWEST_STEPS * batch / rows))


def default_rate(width: int) -> float:
    """5e-5 for a BERT-base of width 768, less for wider models and more for narrower ones.

    By the square of the width: 3e-5 for BERT-large, as published, and 2e-4 for a MiniLM of width 384, which
    on 255 training rows of trec had 88% of 200 others right, against 85 to 87% at 8e-5.
    """
    return 5e-5 * (BASE_WIDTH / width) ** 2


def fit_reader(
    setting: Setting,
    parameters: EncoderParameters,
    reader: Reader,
    rows: Sequence[ReadRow],
    validation: Sequence[Example],
    predict: Callable[[Sequence[Example]], tuple[list[Prediction], float]],
) -> dict[str, Any]:
    """Trains in place and keeps the checkpoint that validation supports; the facts of the fit.

    Args:
        setting: of the unit.
        parameters: of the arm.
        reader: encoder and head.
        rows: training rows or windows.
        validation: rows that choose the checkpoint; may be empty.
        predict: predictions for rows, and the mean log-loss of their right answers where there is one.
    """
    targets = [str(row.target) for row in validation]

    def evaluate() -> ValidationScore:
        predictions, log_loss = predict(validation)
        return validated(setting.metric, predictions, targets, setting.labels, log_loss)

    train_last(reader.model, parameters.layers)
    width = int(reader.model.config.hidden_size)
    recipe = make_recipe(parameters, len(rows), width, setting.seed, len(validation))
    outcome = run_training(
        reader,
        rows,
        recipe,
        evaluate=evaluate if validation else None,
        choose=(lambda curve: choose_checkpoint(curve, len(validation))) if validation else None,
        checkpoint=setting.checkpoint,
        report=setting.report,
        until=setting.until,
    )
    return training_facts(outcome, recipe, [row.length for row in rows], setting, reader.model, setting.dtype)


class EncoderMethod:
    """What methods that fine-tune an encoder have in common; the head is their own."""

    kind: ArmKind = "tuned"
    models: tuple[ModelRole, ...] = ("embedder",)
    Parameters = EncoderParameters

    def space(
        self, setting: Setting, parameters: EncoderParameters, rows: int
    ) -> tuple[dict[str, Any], Space]:
        """Learning rate and epochs."""
        rate = parameters.learning_rate or default_rate(hidden_size(setting.models["embedder"]))
        epochs = parameters.epochs or usual_epochs(rows, min(parameters.batch, rows))
        return around(rate, epochs, {})

    def freeze(
        self,
        parameters: EncoderParameters,
        facts: Sequence[dict[str, Any]],
        rows: Sequence[int],
        all_rows: int,
    ) -> EncoderParameters:
        """Steps = median kept step of the folds, scaled by rows; the learning rate they ran with."""
        return parameters.model_copy(update=frozen_training(facts, rows, all_rows))
