"""Encoder: every weight of a BERT-family model and a new head, fine-tuned to name a row's label or labels."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from tuneworthy.core.example import Example
from tuneworthy.core.prediction import Prediction
from tuneworthy.engine.reader import Reader, ReadRow, read
from tuneworthy.methods import Answers, Setting
from tuneworthy.methods import _label_sets as sets
from tuneworthy.methods import _linear as linear
from tuneworthy.methods._reading import EncoderMethod, EncoderParameters, fit_reader, windows
from tuneworthy.methods._traits import NamesLabels
from tuneworthy.models.headed import Head, HeadedEncoder, load_headed, save_headed

Table = NDArray[np.float64]  # logits or probabilities, [rows, labels]


class EncoderLabelParameters(EncoderParameters):
    """Those of every encoder, and the threshold of multi-label."""

    threshold: sets.Threshold | None = sets.threshold_field("the validation rows")


class Naming(Protocol):
    """How outputs of the head become labels, and labels what the head should say."""

    head: Head

    def wanted(self, row: Example) -> tuple[int, ...]:
        """What the head should say about a row."""

    def probabilities(self, logits: Table) -> Table:
        """Of each label."""

    def log_loss(self, rows: Sequence[Example], table: Table) -> float:
        """Mean log-loss of the rows' labels, in nats."""

    def choose(self, rows: Sequence[Example], table: Table) -> dict[str, Any]:
        """Settles what such rows have to choose, if there are any, and says what holds now."""

    def predictions(self, rows: Sequence[Example], table: Table) -> list[Prediction]:
        """Probabilities as answers."""


@dataclass
class OneLabel:
    """A softmax over the labels."""

    labels: tuple[str, ...]
    head: Head = "sequence"

    def wanted(self, row: Example) -> tuple[int, ...]:
        """The label's number."""
        return (self.labels.index(str(row.target)),)

    def probabilities(self, logits: Table) -> Table:
        """Softmax."""
        table = np.exp(logits - logits.max(1, keepdims=True))
        return np.asarray(table / table.sum(1, keepdims=True))

    def log_loss(self, rows: Sequence[Example], table: Table) -> float:
        """Of the right label."""
        index = [self.wanted(row)[0] for row in rows]
        return float(-np.log(np.clip(table[np.arange(len(index)), index], 1e-12, 1)).mean())

    def choose(self, rows: Sequence[Example], table: Table) -> dict[str, Any]:
        """Nothing: the likeliest label is the answer."""
        return {}

    def predictions(self, rows: Sequence[Example], table: Table) -> list[Prediction]:
        """Label and probabilities."""
        return linear.to_predictions([row.id for row in rows], table, self.labels)


@dataclass
class LabelSet:
    """A sigmoid for each label, and the thresholds [labels] from which labels are given."""

    setting: Setting
    asked: Table | None = None
    head: Head = "labels"

    def __post_init__(self) -> None:
        self.thresholds = sets.unchosen(self.setting.labels) if self.asked is None else self.asked

    def wanted(self, row: Example) -> tuple[int, ...]:
        """A flag for each label."""
        return tuple(map(int, sets.truth_of([row], self.setting.labels)[0]))

    def probabilities(self, logits: Table) -> Table:
        """Sigmoids."""
        return np.asarray(1 / (1 + np.exp(-logits)))

    def log_loss(self, rows: Sequence[Example], table: Table) -> float:
        """Binary cross-entropy, over rows and labels."""
        return sets.log_loss(table, sets.truth_of(rows, self.setting.labels))

    def choose(self, rows: Sequence[Example], table: Table) -> dict[str, Any]:
        """The thresholds, where the job does not name them and there are rows to choose on."""
        if self.asked is None and rows:
            self.thresholds = sets.choose_thresholds(self.setting, rows, table)
        return {"threshold": sets.named(self.thresholds, self.setting.labels)}

    def predictions(self, rows: Sequence[Example], table: Table) -> list[Prediction]:
        """Every label that reaches its threshold."""
        return sets.answers(rows, table >= self.thresholds, self.setting.labels)


def naming_of(setting: Setting, threshold: sets.Threshold | None) -> Naming:
    """One label or a set of them, as the task asks."""
    if setting.task.open:
        return LabelSet(setting, sets.asked_thresholds(threshold, setting.labels))
    return OneLabel(setting.labels)


@dataclass
class FittedEncoder:
    """An encoder with a head of one output per label."""

    setting: Setting
    parameters: EncoderLabelParameters
    encoder: HeadedEncoder
    naming: Naming
    facts: dict[str, Any] = field(default_factory=dict)

    def rows(self, examples: Sequence[Example]) -> list[ReadRow]:
        """The beginning of each text as tokens, with what the head should say where the row has a target."""
        return [
            ReadRow(
                row.id,
                windows(self.encoder, row.input, self.parameters.max_input_tokens)[0].tokens,
                () if row.target is None else self.naming.wanted(row),
            )
            for row in examples
        ]

    def probabilities(self, examples: Sequence[Example], report: bool) -> Table:
        """Of each label, shape [rows, labels]."""
        tell = self.setting.report if report else lambda done, total, facts: None
        rows = self.rows([row.without_target() for row in examples])
        logits = read(self.encoder, rows, self.naming.head, lambda done, total: tell(done, total, {}))
        return self.naming.probabilities(np.stack(logits))

    def judged(self, examples: Sequence[Example]) -> tuple[list[Prediction], float]:
        """Predictions for validation rows by what those rows chose, and the mean log-loss of their labels."""
        table = self.probabilities(examples, report=False)
        self.naming.choose(examples, table)
        return self.naming.predictions(examples, table), self.naming.log_loss(examples, table)

    def predict(self, examples: Sequence[Example]) -> list[Prediction]:
        """Label and probabilities per row, or every label that reaches its threshold."""
        if not examples:
            return []
        return self.naming.predictions(examples, self.probabilities(examples, report=True))

    def save(self, folder: Path) -> None:
        """Writes an ordinary transformers folder with the labels in its configuration."""
        save_headed(self.encoder, folder / "encoder")
        stored = {"labels": self.setting.labels, **self.naming.choose([], np.zeros((0, 0)))}
        (folder / "encoder.json").write_text(json.dumps(stored), encoding="utf-8")


class Encoder(EncoderMethod, NamesLabels):
    """Full fine-tuning of the embedding model with a classification head."""

    name = "encoder"
    title = "encoder fine-tune"
    usual_seeds = 3  # with few rows BERT's score depends on it by points (Dodge 2020, Mosbach 2021)
    answers: Answers = "any"
    Parameters = EncoderLabelParameters

    def fit(
        self,
        setting: Setting,
        parameters: EncoderLabelParameters,
        train: Sequence[Example],
        validation: Sequence[Example],
    ) -> FittedEncoder:
        """Trains all weights; validation chooses the checkpoint, and thresholds where answers are sets."""
        naming = naming_of(setting, parameters.threshold)
        folder = setting.models["embedder"]
        encoder = load_headed(folder, naming.head, len(setting.labels), setting.seed)
        encoder.model.config.id2label = dict(enumerate(setting.labels))
        encoder.model.config.label2id = {label: i for i, label in enumerate(setting.labels)}
        fitted = FittedEncoder(setting, parameters, encoder, naming)
        reader = Reader(encoder, naming.head, self.name, setting.dtype)
        facts = fit_reader(setting, parameters, reader, fitted.rows(train), validation, fitted.judged)
        kept = fitted.probabilities(validation, report=False) if validation else np.zeros((0, 0))
        fitted.facts = facts | naming.choose(validation, kept)
        return fitted

    def freeze(
        self,
        parameters: EncoderParameters,
        facts: Sequence[dict[str, Any]],
        rows: Sequence[int],
        all_rows: int,
    ) -> EncoderParameters:
        """As every encoder, and the folds' median thresholds."""
        frozen = super().freeze(parameters, facts, rows, all_rows)
        return frozen.model_copy(update=sets.frozen_thresholds(facts))

    def load(self, setting: Setting, parameters: EncoderLabelParameters, folder: Path) -> FittedEncoder:
        """Reads the folder."""
        stored = json.loads((folder / "encoder.json").read_text(encoding="utf-8"))
        naming = naming_of(setting, stored.get("threshold"))
        encoder = load_headed(folder / "encoder", naming.head)
        return FittedEncoder(setting, parameters, encoder, naming)


PLUGIN = Encoder()
