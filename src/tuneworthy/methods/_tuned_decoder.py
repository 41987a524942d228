"""What the arms that fine-tune a decoder share: parameters, the fit, the fitted model.

They differ in what learns: adapters, adapters on a base in four bits, or the model's own weights.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeVar, runtime_checkable

import numpy as np
import torch
from pydantic import Field

from tuneworthy.core.example import Example
from tuneworthy.core.frozen import Frozen
from tuneworthy.core.prediction import Prediction
from tuneworthy.engine.audit import audit_rows
from tuneworthy.engine.batches import micro_batches
from tuneworthy.engine.best_first import best_labels
from tuneworthy.engine.encoding import cut_input, encode_labels, encode_prompt, encode_row
from tuneworthy.engine.loss import supervised_loss
from tuneworthy.engine.recipe import Optimizer, Recipe, default_epochs, default_steps, warmup_steps
from tuneworthy.engine.scoring import score_labels
from tuneworthy.engine.sharded import shared_out, split
from tuneworthy.engine.trainee import Writer
from tuneworthy.engine.training import ValidationScore
from tuneworthy.engine.training import train as run_training
from tuneworthy.methods import Setting
from tuneworthy.methods._constrained import schema_of
from tuneworthy.methods._options import Lettered
from tuneworthy.methods._prompting import UNSHARED, Label, Matrix, answers, named, quiet_unless, softmax
from tuneworthy.methods._tuning import (
    NOISY_BELOW,
    choose_checkpoint,
    frozen_training,
    training_facts,
    validated,
)
from tuneworthy.methods._writing import longest_answer, write_answers
from tuneworthy.models.adapters import load_adapter, save_adapter
from tuneworthy.models.decoder import Decoder, base_for_adapter, load_decoder, save_decoder
from tuneworthy.models.process_group import joined
from tuneworthy.tasks import Schema

WRITTEN = 32  # validation rows for which texts are written; each is hundreds of forward passes
FACTS = "writer.json"


class DecoderParameters(Frozen):
    """Parameters of every arm that fine-tunes a decoder; the defaults follow the number of rows."""

    learning_rate: float | None = Field(None, gt=0, description="peak")
    batch: int = Field(8, ge=1, description="examples per update")
    epochs: float | None = Field(
        None, gt=0, description="passes over the rows; default clip(ceil(150 x batch / rows), 3, 10)"
    )
    max_steps: int | None = Field(
        None, ge=1, description="most updates of a measured fit; the final fit scales them by its rows"
    )
    steps: int | None = Field(None, ge=1, description="exact number of updates; set by the final refit")
    warmup: float = Field(0.06, ge=0, le=0.5, description="share of the steps that warm up")
    weight_decay: float = Field(0.0, ge=0, description="AdamW's")
    patience: int = Field(
        2, ge=1, description="validations (twice per epoch) without improvement before stopping"
    )
    max_input_tokens: int = Field(1024, ge=16, description="longer inputs are cut, in tokens of the model")
    max_tokens: int = Field(2048, ge=32, description="longest training row; a longer one is an error")
    tokens_per_batch: int = Field(
        2048, ge=64, description="tokens per forward pass, fewer where memory does not hold so many"
    )
    gradient_checkpointing: bool = Field(
        False,
        description="work activations out again in backward: far less memory, a third more time",
    )
    optimizer: Optimizer = Field(
        "adamw",
        description="adamw, or adamw_8bit: its two moments in a quarter of the memory (Dettmers et al. 2022; "
        "bitsandbytes)",
    )


P = TypeVar("P", bound=DecoderParameters)


@runtime_checkable
class TunesDecoder(Protocol):
    """What these arms offer besides: the decoder of a fit, to be asked anything and not its task alone."""

    def tuned_decoder(self, base: Path, folder: Path) -> Decoder:
        """The decoder of a saved fit, ready to score and to write.

        Args:
            base: folder of the model that the fit started from.
            folder: what `FittedDecoder.save` wrote.
        """


@dataclass
class FittedDecoder:
    """A fine-tuned decoder."""

    setting: Setting
    parameters: DecoderParameters
    decoder: Decoder
    facts: dict[str, Any] = field(default_factory=dict)
    longest: int = 0  # tokens of an answer at most, where answers are texts
    schema: Schema | None = None  # what answers are held to, where they are JSON

    def score(self, examples: Sequence[Example], report: bool) -> Matrix:
        """Raw scores [rows, labels]: summed log p(label, stop | prompt)."""
        prompts, labels = self.encode(examples)
        return score_labels(self.decoder, prompts, labels, quiet_unless(report, self.setting.report))

    def encode(self, examples: Sequence[Example]) -> tuple[list[list[int]], list[Label]]:
        """Token ids of each row's prompt and of each label."""
        setting = self.setting
        labels = encode_labels(self.decoder, setting.task, setting.instruction, setting.labels)
        if isinstance(setting.task, Lettered):  # the pipeline reads the letter and not what follows it
            labels = [label[:1] for label in labels]
        return self.prompts(examples), labels

    def prompts(self, examples: Sequence[Example]) -> list[list[int]]:
        """Token ids of each row's prompt."""
        setting, limit = self.setting, self.parameters.max_input_tokens
        return [
            encode_prompt(
                self.decoder, setting.task, setting.instruction, cut_input(self.decoder, row.input, limit)
            )
            for row in examples
        ]

    def write(self, examples: Sequence[Example], report: bool) -> list[Prediction]:
        """What the model writes."""
        tell = quiet_unless(report, self.setting.report)
        prompts = self.prompts(examples)
        return write_answers(self.decoder, self.setting, prompts, examples, self.longest, self.schema, tell)

    def predict(self, examples: Sequence[Example]) -> list[Prediction]:
        """The most probable label (an answer outside the labels is impossible), or what the model writes."""
        if not examples:
            return []
        if self.setting.task.open:
            return self.write(examples, report=True)
        raw = self.score(examples, report=True)
        return answers(examples, raw, raw, self.setting.labels)

    def predict_labels(self, examples: Sequence[Example]) -> list[Prediction]:
        """The same labels by best-first search, without the other labels' scores."""
        if self.setting.task.open:
            return self.predict(examples)
        prompts, labels = self.encode(examples)
        tell = quiet_unless(True, self.setting.report)
        return named(examples, best_labels(self.decoder, prompts, labels, None, tell), self.setting.labels)

    def save(self, folder: Path) -> None:
        """Writes what learned, as an ordinary PEFT or transformers folder, and how answers are bounded."""
        if self.decoder.adapted:
            save_adapter(self.decoder, folder / "adapter")
        else:
            save_decoder(self.decoder, folder / "model")
        stored = {"longest": self.longest, "schema": self.schema}
        (folder / FACTS).write_text(json.dumps(stored), encoding="utf-8")


def fit_decoder(
    method: str,
    setting: Setting,
    parameters: DecoderParameters,
    decoder: Decoder,
    rate: float,
    train: Sequence[Example],
    validation: Sequence[Example],
) -> FittedDecoder:
    """Audits the rows, trains what of the decoder is trainable, in place, and keeps what validation supports.

    Args:
        method: the section of a job that has the parameters.
        setting: of the unit.
        parameters: of the arm.
        decoder: with the parameters that learn marked as such.
        rate: the peak learning rate where the parameters name none.
        train: rows to learn from.
        validation: rows that choose the checkpoint; may be empty.

    Raises:
        AuditError: a row would not teach its answer.
        ModelError: it diverged three times, or memory does not hold a single row.
    """
    cut = [_cut(decoder, row, parameters.max_input_tokens) for row in train]
    rows = [encode_row(decoder, setting.task, setting.instruction, row) for row in cut]
    audit_rows(decoder, setting.task, rows, cut, min(parameters.max_tokens, decoder.context_length))
    judged = drawn(validation, setting.seed) if setting.task.open else validation
    recipe = make_recipe(parameters, len(rows), rate, setting.seed, len(judged))
    if parameters.gradient_checkpointing:
        decoder.model.gradient_checkpointing_enable()
    longest = longest_answer(decoder, setting, [*train, *validation]) if setting.task.open else 0
    schema = schema_of(setting, [*train, *validation])
    fitted = FittedDecoder(setting, parameters, decoder, longest=longest, schema=schema)
    lengths = [row.length for row in rows]
    mixed = setting.dtype if decoder.model.dtype == torch.float32 else None
    outcome = run_training(
        shared_out(Writer(decoder, method, mixed)),
        rows,
        recipe,
        evaluate=(lambda: _validate(fitted, judged)) if judged else None,
        choose=(lambda curve: choose_checkpoint(curve, len(judged))) if judged else None,
        checkpoint=setting.checkpoint,
        report=setting.report,
        until=setting.until,
    )
    fitted.facts = training_facts(outcome, recipe, lengths, setting, decoder.model, setting.dtype)
    fitted.facts["kept_because"] += _capped(parameters, recipe, len(rows))
    if decoder.padded_because:
        fitted.facts[UNSHARED] = decoder.padded_because
    fitted.facts["inputs_cut"] = sum(a.input != b.input for a, b in zip(cut, train, strict=True))
    return fitted


def reopened(
    setting: Setting, parameters: DecoderParameters, decoder: Decoder, folder: Path
) -> FittedDecoder:
    """A saved fit, with its decoder loaded already."""
    stored = json.loads((folder / FACTS).read_text(encoding="utf-8"))
    longest, schema = int(stored["longest"]), stored.get("schema")
    return FittedDecoder(setting, parameters, decoder, longest=longest, schema=schema)


def with_adapter(base: Path, four_bits: bool, adapter: Path) -> Decoder:
    """A base that multiplies in float32, with a saved adapter: near-ties flip in bfloat16.

    Where several processes hold the model together, each gets its part.
    """
    if joined() is not None:
        return split_decoder(base, adapter)
    decoder = base_for_adapter(base, "float32", four_bits)
    load_adapter(decoder, adapter)
    return decoder


def split_decoder(base: Path, adapter: Path | None = None) -> Decoder:
    """This process's part of a base that multiplies in float32, with a saved adapter where there is one."""

    def load() -> Decoder:
        decoder = load_decoder(base, "float32", stays=True)
        if adapter is not None:
            load_adapter(decoder, adapter, packed=False)
        return decoder

    return split(load)


def frozen(parameters: P, facts: Sequence[dict[str, Any]], rows: Sequence[int], all_rows: int) -> P:
    """Parameters of the refit: the folds' median kept step scaled by rows, the rate they ran with."""
    return parameters.model_copy(update=frozen_training(facts, rows, all_rows))


def make_recipe(parameters: DecoderParameters, rows: int, rate: float, seed: int, validation: int) -> Recipe:
    """Parameters, rows to fit and rows that judge a checkpoint, to the arithmetic of the run."""
    batch = min(parameters.batch, rows)
    epochs = parameters.epochs or default_epochs(rows, batch)
    steps = parameters.steps or default_steps(rows, batch, epochs)
    if parameters.max_steps is not None:
        steps = min(steps, parameters.max_steps)
    return Recipe(
        steps=steps,
        batch=batch,
        learning_rate=parameters.learning_rate or rate,
        warmup_steps=warmup_steps(steps, parameters.warmup),
        evaluate_every=max(1, round(rows / batch / 2)),
        patience=parameters.patience if validation else steps,
        noisy_validation=0 < validation < NOISY_BELOW,
        tokens_per_batch=parameters.tokens_per_batch,
        seed=seed,
        weight_decay=parameters.weight_decay,
        optimizer=parameters.optimizer,
    )


def drawn(validation: Sequence[Example], seed: int) -> list[Example]:
    """The rows that texts are written for, in their order: a file's first rows may be alike, as by date."""
    chosen = np.random.default_rng([seed, 2]).permutation(len(validation))[:WRITTEN]
    return [validation[place] for place in sorted(chosen)]


def _cut(decoder: Decoder, row: Example, limit: int) -> Example:
    text = cut_input(decoder, row.input, limit)
    return row if text == row.input else row.model_copy(update={"input": text})


def _validate(judge: FittedDecoder, validation: Sequence[Example]) -> ValidationScore:
    """The primary metric, and the mean log-loss of the right answer among the labels."""
    if judge.setting.task.open:
        return _validate_texts(judge, validation)
    raw = judge.score(validation, report=False)
    labels, metric = judge.setting.labels, judge.setting.metric
    targets = [str(row.target) for row in validation]
    index = [labels.index(target) for target in targets]
    right = np.clip(softmax(raw)[np.arange(len(targets)), index], 1e-12, 1)
    given = answers(validation, raw, raw, labels)
    return validated(metric, given, targets, labels, float(-np.log(right).mean()))


def _validate_texts(judge: FittedDecoder, validation: Sequence[Example]) -> ValidationScore:
    """The primary metric of what is written, and the mean log-loss of a token of the right answers."""
    setting, decoder = judge.setting, judge.decoder
    targets = [str(row.target) for row in validation]
    written = judge.write(validation, report=False)
    rows = [
        encode_row(
            decoder, setting.task, setting.instruction, _cut(decoder, row, judge.parameters.max_input_tokens)
        )
        for row in validation
    ]
    with torch.no_grad():
        pieces = micro_batches(rows, judge.parameters.tokens_per_batch, packed=decoder.full_attention_only)
        loss = sum(float(supervised_loss(decoder, piece)) for piece in pieces)
    tokens = sum(len(row.answer) for row in rows)
    return validated(setting.metric, written, targets, setting.labels, loss / tokens)


def _capped(parameters: DecoderParameters, recipe: Recipe, rows: int) -> str:
    """A warning when `max_steps` ended the fine-tune before this many rows would have."""
    wanted = default_steps(rows, recipe.batch, parameters.epochs or default_epochs(rows, recipe.batch))
    if parameters.steps is not None or recipe.steps >= wanted:
        return ""
    return f"; max_steps ended it after {recipe.steps} of the {wanted} steps that {rows} rows ask for"
