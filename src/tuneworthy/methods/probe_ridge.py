"""Probe ridge: frozen sentence embeddings into a ridge regression."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tuneworthy.core.example import Example
from tuneworthy.core.frozen import Frozen
from tuneworthy.core.prediction import Prediction
from tuneworthy.core.unit import ArmKind, ModelRole
from tuneworthy.methods import Answers, Setting
from tuneworthy.methods._ridge import fit_ridge, to_answers
from tuneworthy.methods._traits import AnswersNumbers, KeepsParameters
from tuneworthy.models.embedder import Embedder, load_embedder


@dataclass
class FittedProbeRidge:
    """Weights [D] and a bias on top of an encoder."""

    embedder: Embedder
    weights: NDArray[np.float64]
    bias: float
    labels: tuple[str, ...]
    facts: dict[str, Any] = field(default_factory=dict)

    def predict(self, examples: Sequence[Example]) -> list[Prediction]:
        """A linear map of each text's embedding."""
        if not examples:
            return []
        numbers = self.embedder.embed([row.input for row in examples]) @ self.weights + self.bias
        return to_answers(examples, numbers, self.labels)

    def save(self, folder: Path) -> None:
        """Writes weights and bias; the encoder is named in the unit."""
        np.savez(folder / "probe.npz", weights=self.weights, bias=self.bias)


class ProbeRidge(AnswersNumbers, KeepsParameters):
    """Frozen embeddings, ridge regression; the penalty by leave-one-out error."""

    name = "probe_ridge"
    title = "frozen embeddings + ridge regression"
    kind: ArmKind = "classifier"
    models: tuple[ModelRole, ...] = ("embedder",)
    answers: Answers = "texts"

    class Parameters(Frozen):
        """None."""

    def fit(
        self,
        setting: Setting,
        parameters: Parameters,
        train: Sequence[Example],
        validation: Sequence[Example],
    ) -> FittedProbeRidge:
        """Embeds once, fits on train and validation rows."""
        rows = [*train, *validation]
        embedder = load_embedder(setting.models["embedder"])
        ridge = fit_ridge(embedder.embed([row.input for row in rows]).astype(np.float64), rows)
        facts = {"penalty": float(ridge.alpha_)}
        return FittedProbeRidge(embedder, ridge.coef_, float(ridge.intercept_), setting.labels, facts)

    def load(self, setting: Setting, parameters: Parameters, folder: Path) -> FittedProbeRidge:
        """Reads the weights and loads the encoder."""
        stored = np.load(folder / "probe.npz", allow_pickle=False)
        embedder = load_embedder(setting.models["embedder"])
        return FittedProbeRidge(embedder, stored["weights"], float(stored["bias"]), setting.labels)


PLUGIN = ProbeRidge()
