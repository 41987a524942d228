"""LoRA: low-rank adapters on every linear layer of a frozen decoder, trained to write the answer."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pydantic import Field

from tuneworthy.core.example import Example
from tuneworthy.core.frozen import Frozen
from tuneworthy.core.prediction import Prediction
from tuneworthy.core.unit import ArmKind, ModelRole
from tuneworthy.engine.audit import audit_rows
from tuneworthy.engine.batches import micro_batches
from tuneworthy.engine.best_first import best_labels
from tuneworthy.engine.encoding import cut_input, encode_labels, encode_prompt, encode_row
from tuneworthy.engine.loss import supervised_loss
from tuneworthy.engine.recipe import (
    Recipe,
    default_epochs,
    default_learning_rate,
    default_steps,
    warmup_steps,
)
from tuneworthy.engine.scoring import score_labels
from tuneworthy.engine.trainee import Writer
from tuneworthy.engine.training import Training, ValidationScore
from tuneworthy.engine.training import train as run_training
from tuneworthy.methods import Answers, Setting
from tuneworthy.methods._constrained import schema_of
from tuneworthy.methods._prompting import UNSHARED, Label, Matrix, answers, named, quiet_unless, softmax
from tuneworthy.methods._tuning import choose_checkpoint, frozen_training, training_facts, validated
from tuneworthy.methods._writing import longest_answer, write_answers
from tuneworthy.models.adapters import add_lora, load_adapter, save_adapter
from tuneworthy.models.decoder import Decoder, load_decoder
from tuneworthy.tasks import Schema

LABEL_RANK, TEXT_RANK = 8, 16
WRITTEN = 32  # validation rows for which texts are written; each is hundreds of forward passes


class LoraParameters(Frozen):
    """Parameters of the lora arm; the defaults follow the number of rows."""

    rank: int | None = Field(
        None,
        ge=1,
        le=512,
        description="adapter rank; default 8 for labels, 16 for texts (LoRA Without Regret)",
    )
    alpha: int | None = Field(None, ge=1, description="adapter scale; default 2 x rank")
    dropout: float = Field(0.0, ge=0, lt=1, description="dropout on adapter inputs")
    learning_rate: float | None = Field(
        None, gt=0, description="peak; default 5e-4 x (2000/hidden)^0.781, halved below 500 rows (Tinker)"
    )
    batch: int = Field(8, ge=1, description="examples per update")
    epochs: float | None = Field(
        None, gt=0, description="passes over the rows; default clip(ceil(150 x batch / rows), 3, 10)"
    )
    max_steps: int | None = Field(
        None, ge=1, description="most updates of a measured fit; the final fit scales them by its rows"
    )
    steps: int | None = Field(None, ge=1, description="exact number of updates; set by the final refit")
    warmup: float = Field(0.06, ge=0, le=0.5, description="share of the steps that warm up")
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


@dataclass
class FittedLora:
    """A decoder with its adapter."""

    setting: Setting
    parameters: LoraParameters
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
        """Writes an ordinary PEFT folder, how long an answer may be, and the JSON Schema it is held to."""
        save_adapter(self.decoder, folder / "adapter")
        stored = {"longest": self.longest, "schema": self.schema}
        (folder / "lora.json").write_text(json.dumps(stored), encoding="utf-8")


class Lora:
    """Fine-tunes with LoRA, completion only, the stop token trained."""

    name = "lora"
    title = "LoRA fine-tune"
    kind: ArmKind = "tuned"
    models: tuple[ModelRole, ...] = ("decoder",)
    answers: Answers = "any"
    Parameters = LoraParameters

    def fit(
        self,
        setting: Setting,
        parameters: LoraParameters,
        train: Sequence[Example],
        validation: Sequence[Example],
    ) -> FittedLora:
        """Audits, trains, keeps the checkpoint that validation supports; scores in float32 afterwards."""
        decoder = load_decoder(setting.models["decoder"], setting.dtype)
        cut = [_cut(decoder, row, parameters.max_input_tokens) for row in train]
        rows = [encode_row(decoder, setting.task, setting.instruction, row) for row in cut]
        audit_rows(decoder, setting.task, rows, cut, min(parameters.max_tokens, decoder.context_length))
        recipe = make_recipe(parameters, len(rows), decoder.hidden_size, setting.seed, bool(validation))
        rank = parameters.rank or (TEXT_RANK if setting.task.open else LABEL_RANK)
        add_lora(decoder, rank, parameters.alpha or 2 * rank, parameters.dropout, setting.seed)
        if parameters.gradient_checkpointing:
            decoder.model.gradient_checkpointing_enable()
        longest = longest_answer(decoder, setting, [*train, *validation]) if setting.task.open else 0
        schema = schema_of(setting, [*train, *validation])
        judge = FittedLora(setting, parameters, decoder, longest=longest, schema=schema)
        judged = min(WRITTEN, len(validation)) if setting.task.open else len(validation)
        outcome = run_training(
            Writer(decoder),
            rows,
            recipe,
            evaluate=(lambda: _validate(judge, validation)) if validation else None,
            choose=(lambda curve: choose_checkpoint(curve, judged)) if validation else None,
            checkpoint=setting.checkpoint,
            report=setting.report,
        )
        scorer = decoder if setting.dtype == "float32" else _in_float32(decoder, setting)
        facts = _facts(outcome, recipe, parameters, setting, [row.length for row in rows], rank)
        if decoder.padded_because:
            facts[UNSHARED] = decoder.padded_because
        facts["inputs_cut"] = sum(a.input != b.input for a, b in zip(cut, train, strict=True))
        return FittedLora(setting, parameters, scorer, facts, longest, schema)

    def freeze(
        self, parameters: LoraParameters, facts: Sequence[dict[str, Any]], rows: Sequence[int], all_rows: int
    ) -> LoraParameters:
        """Steps = median kept step of the folds, scaled by rows; the learning rate they ran with."""
        return parameters.model_copy(update=frozen_training(facts, rows, all_rows))

    def load(self, setting: Setting, parameters: LoraParameters, folder: Path) -> FittedLora:
        """The float32 base model with the saved adapter."""
        decoder = load_decoder(setting.models["decoder"], "float32")
        load_adapter(decoder, folder / "adapter")
        stored = json.loads((folder / "lora.json").read_text(encoding="utf-8"))
        return FittedLora(
            setting, parameters, decoder, longest=int(stored["longest"]), schema=stored.get("schema")
        )


def make_recipe(
    parameters: LoraParameters, rows: int, hidden_size: int, seed: int, validated: bool
) -> Recipe:
    """Parameters and the number of rows to the arithmetic of the run."""
    batch = min(parameters.batch, rows)
    epochs = parameters.epochs or default_epochs(rows, batch)
    steps = parameters.steps or default_steps(rows, batch, epochs)
    if parameters.max_steps is not None:
        steps = min(steps, parameters.max_steps)
    return Recipe(
        steps=steps,
        batch=batch,
        learning_rate=parameters.learning_rate or default_learning_rate(hidden_size, rows),
        warmup_steps=warmup_steps(steps, parameters.warmup),
        evaluate_every=max(1, round(rows / batch / 2)),
        patience=parameters.patience if validated else steps,
        tokens_per_batch=parameters.tokens_per_batch,
        seed=seed,
    )


def _cut(decoder: Decoder, row: Example, limit: int) -> Example:
    text = cut_input(decoder, row.input, limit)
    return row if text == row.input else row.model_copy(update={"input": text})


def _validate(judge: FittedLora, validation: Sequence[Example]) -> ValidationScore:
    """The primary metric, and the mean log-loss of the right answer among the labels."""
    if judge.setting.task.open:
        return _validate_texts(judge, validation[:WRITTEN])
    raw = judge.score(validation, report=False)
    labels, metric = judge.setting.labels, judge.setting.metric
    targets = [str(row.target) for row in validation]
    index = [labels.index(target) for target in targets]
    right = np.clip(softmax(raw)[np.arange(len(targets)), index], 1e-12, 1)
    given = answers(validation, raw, raw, labels)
    return validated(metric, given, targets, labels, float(-np.log(right).mean()))


def _validate_texts(judge: FittedLora, validation: Sequence[Example]) -> ValidationScore:
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


def _in_float32(decoder: Decoder, setting: Setting) -> Decoder:
    """The same adapter on the float32 base: near-ties flip in bfloat16, so scoring does not use it."""
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        save_adapter(decoder, Path(folder))
        scorer = load_decoder(setting.models["decoder"], "float32")
        load_adapter(scorer, Path(folder))
    return scorer


def _capped(parameters: LoraParameters, recipe: Recipe, rows: int) -> str:
    """A warning when `max_steps` ended the fine-tune before this many rows would have."""
    wanted = default_steps(rows, recipe.batch, parameters.epochs or default_epochs(rows, recipe.batch))
    if parameters.steps is not None or recipe.steps >= wanted:
        return ""
    return f"; max_steps ended it after {recipe.steps} of the {wanted} steps that {rows} rows ask for"


def _facts(
    outcome: Training,
    recipe: Recipe,
    parameters: LoraParameters,
    setting: Setting,
    lengths: Sequence[int],
    rank: int,
) -> dict[str, Any]:
    return {
        **training_facts(outcome, recipe, lengths, setting, setting.dtype),
        "kept_because": outcome.kept_because + _capped(parameters, recipe, len(lengths)),
        "rank": rank,
    }


PLUGIN = Lora()
