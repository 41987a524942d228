"""Encoder: every weight of a BERT-family model and a new head, fine-tuned to name the label."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tuneworthy.core.example import Example
from tuneworthy.core.prediction import Prediction
from tuneworthy.engine.reader import Reader, ReadRow, read
from tuneworthy.methods import Answers, Setting
from tuneworthy.methods import _linear as linear
from tuneworthy.methods._reading import EncoderMethod, EncoderParameters, fit_reader, windows
from tuneworthy.models.headed import HeadedEncoder, load_headed, save_headed


@dataclass
class FittedEncoder:
    """An encoder with a head of one output per label."""

    setting: Setting
    parameters: EncoderParameters
    encoder: HeadedEncoder
    facts: dict[str, Any] = field(default_factory=dict)

    def rows(self, examples: Sequence[Example]) -> list[ReadRow]:
        """The beginning of each text as tokens, with its label where the row has a target."""
        labels = self.setting.labels
        return [
            ReadRow(
                row.id,
                windows(self.encoder, row.input, self.parameters.max_input_tokens)[0].tokens,
                () if row.target is None else (labels.index(row.target),),
            )
            for row in examples
        ]

    def probabilities(self, examples: Sequence[Example], report: bool) -> NDArray[np.float64]:
        """Softmax of the logits, shape [rows, labels]."""
        tell = self.setting.report if report else lambda done, total, facts: None
        rows = self.rows([row.without_target() for row in examples])
        logits = np.stack(read(self.encoder, rows, "sequence", lambda done, total: tell(done, total, {})))
        table = np.exp(logits - logits.max(1, keepdims=True))
        return np.asarray(table / table.sum(1, keepdims=True))

    def judged(self, examples: Sequence[Example]) -> tuple[list[Prediction], float]:
        """Predictions for validation rows, and the mean log-loss of their labels."""
        table = self.probabilities(examples, report=False)
        index = [self.setting.labels.index(str(row.target)) for row in examples]
        right = np.clip(table[np.arange(len(index)), index], 1e-12, 1)
        ids = [row.id for row in examples]
        return linear.to_predictions(ids, table, self.setting.labels), float(-np.log(right).mean())

    def predict(self, examples: Sequence[Example]) -> list[Prediction]:
        """Label and probabilities per row."""
        if not examples:
            return []
        table = self.probabilities(examples, report=True)
        return linear.to_predictions([row.id for row in examples], table, self.setting.labels)

    def save(self, folder: Path) -> None:
        """Writes an ordinary transformers folder with the labels in its configuration."""
        save_headed(self.encoder, folder / "encoder")
        (folder / "encoder.json").write_text(json.dumps({"labels": self.setting.labels}), encoding="utf-8")


class Encoder(EncoderMethod):
    """Full fine-tuning of the embedding model with a classification head."""

    name = "encoder"
    title = "encoder fine-tune"
    answers: Answers = "labels"

    def fit(
        self,
        setting: Setting,
        parameters: EncoderParameters,
        train: Sequence[Example],
        validation: Sequence[Example],
    ) -> FittedEncoder:
        """Trains all weights; validation chooses the checkpoint."""
        encoder = load_headed(setting.models["embedder"], "sequence", len(setting.labels), setting.seed)
        encoder.model.config.id2label = dict(enumerate(setting.labels))
        encoder.model.config.label2id = {label: i for i, label in enumerate(setting.labels)}
        fitted = FittedEncoder(setting, parameters, encoder)
        rows = fitted.rows(train)
        reader = Reader(encoder, "sequence", self.name)
        fitted.facts = fit_reader(setting, parameters, reader, rows, validation, fitted.judged)
        return fitted

    def load(self, setting: Setting, parameters: EncoderParameters, folder: Path) -> FittedEncoder:
        """Reads the folder."""
        return FittedEncoder(setting, parameters, load_headed(folder / "encoder", "sequence"))


PLUGIN = Encoder()
