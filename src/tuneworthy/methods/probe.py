"""Probe: frozen sentence embeddings into a logistic regression. Transfer learning at its cheapest."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from tuneworthy.core.example import Example
from tuneworthy.core.prediction import Prediction
from tuneworthy.core.unit import ModelRole
from tuneworthy.methods import Setting
from tuneworthy.methods import _linear as linear
from tuneworthy.models.embedder import load_embedder


class Embeds(Protocol):
    """What turns texts into vectors."""

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Shape [texts, D]."""


@dataclass
class FittedProbe:
    """Weights [labels, D] and bias [labels] on top of an encoder."""

    embedder: Embeds
    weights: NDArray[np.float64]
    bias: NDArray[np.float64]
    labels: tuple[str, ...]
    states: str = ""  # which of a model's vectors, where it has several
    facts: dict[str, Any] = field(default_factory=dict)

    def predict(self, examples: Sequence[Example]) -> list[Prediction]:
        """Softmax of a linear map of each text's embedding."""
        if not examples:
            return []
        scores = self.embedder.embed([row.input for row in examples]) @ self.weights.T + self.bias
        table = np.exp(scores - scores.max(1, keepdims=True))
        table /= table.sum(1, keepdims=True)
        return linear.to_predictions([row.id for row in examples], table, self.labels)

    def save(self, folder: Path) -> None:
        """Writes weights and bias, and which vectors they are for; the model is named in the unit."""
        np.savez(folder / "probe.npz", weights=self.weights, bias=self.bias)
        (folder / "probe.json").write_text(
            json.dumps({"labels": self.labels, "states": self.states}), encoding="utf-8"
        )


def load_probe(folder: Path, embedder: Embeds) -> FittedProbe:
    """The saved weights on an encoder."""
    stored = np.load(folder / "probe.npz", allow_pickle=False)
    named = json.loads((folder / "probe.json").read_text(encoding="utf-8"))
    labels, states = tuple(named["labels"]), str(named["states"])
    return FittedProbe(embedder, stored["weights"], stored["bias"], labels, states)


class Probe(linear.LinearMethod):
    """Frozen embeddings, logistic regression; C and class weights by inner cross-validation."""

    name = "probe"
    title = "frozen embeddings + logistic regression"
    models: tuple[ModelRole, ...] = ("embedder",)

    def fit(
        self,
        setting: Setting,
        parameters: linear.LinearParameters,
        train: Sequence[Example],
        validation: Sequence[Example],
    ) -> FittedProbe:
        """Embeds once, chooses settings on inner folds, fits on train and validation rows."""
        rows = [*train, *validation]
        embedder = load_embedder(setting.models["embedder"])
        vectors = embedder.embed([row.input for row in rows])
        targets = [str(row.target) for row in rows]
        facts = linear.settled(setting, parameters, rows, lambda fit, held: (vectors[fit], vectors[held]))
        model = linear.fit_quietly(linear.new_regression(facts["C"], facts["class_weight"]), vectors, targets)
        weights, bias = linear.one_row_per_label(model, setting.labels, vectors.shape[1])
        facts["dimensions"] = int(vectors.shape[1])
        facts["parameters_trained"] = int(weights.size + bias.size)
        return FittedProbe(embedder, weights, bias, setting.labels, facts=facts)

    def load(self, setting: Setting, parameters: linear.LinearParameters, folder: Path) -> FittedProbe:
        """Reads the weights and loads the encoder."""
        return load_probe(folder, load_embedder(setting.models["embedder"]))


PLUGIN = Probe()
