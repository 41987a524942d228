"""Probe of a decoder: frozen hidden states of its best layer into a logistic regression."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from tuneworthy.core.errors import JobError
from tuneworthy.core.example import Example
from tuneworthy.core.registry import listed
from tuneworthy.core.unit import ArmKind, ModelRole
from tuneworthy.methods import Answers, Setting
from tuneworthy.methods import _linear as linear
from tuneworthy.methods.probe import FittedProbe, load_probe
from tuneworthy.models.states import StatesOf, pooled_states

Vectors = NDArray[np.float32]
MIDDLE_C = 3.0  # states are compared at one penalty: which of them serve best hardly depends on it


class ProbeDecoderParameters(linear.LinearParameters):
    """All are chosen by inner cross-validation where they are absent."""

    states: str | None = Field(
        None,
        description="pooling and layer, as in mean@15 or last@30; default: chosen on inner folds among the "
        "mean over tokens and the last token, after half, three quarters and all of the layers",
    )


class ProbeDecoder:
    """What the base model knows of the labels before it is fine-tuned: nothing of it is trained."""

    name = "probe_decoder"
    title = "frozen decoder states + logistic regression"
    kind: ArmKind = "classifier"
    models: tuple[ModelRole, ...] = ("decoder",)
    answers: Answers = "labels"
    Parameters = ProbeDecoderParameters

    def fit(
        self,
        setting: Setting,
        parameters: ProbeDecoderParameters,
        train: Sequence[Example],
        validation: Sequence[Example],
    ) -> FittedProbe:
        """Reads the texts once, chooses states and settings on inner folds, fits on all rows given."""
        rows = [*train, *validation]
        targets = [str(row.target) for row in rows]
        folder = setting.models["decoder"]
        every = pooled_states(folder, [row.input for row in rows])
        states = parameters.states
        if states is not None and states not in every:
            raise JobError(
                f"probe_decoder.states = '{states}' is not read of this model: say {listed(list(every))}."
            )
        if states is None:
            weights_tried = linear.weights_tried(parameters)
            found = {
                name: linear.choose(setting, rows, scaled(vectors), (MIDDLE_C,), weights_tried)
                for name, vectors in every.items()
            }
            states = max(found, key=lambda name: (found[name].score, -found[name].log_loss))
        vectors = every[states]
        facts = linear.settled(setting, parameters, rows, scaled(vectors))
        mean, spread = scale_of(vectors)
        regression = linear.new_regression(facts["C"], facts["class_weight"])
        model = linear.fit_quietly(regression, (vectors - mean) / spread, targets)
        weights, bias = linear.one_row_per_label(model, setting.labels, vectors.shape[1])
        weights = weights / spread  # the scale becomes a part of the map
        bias = bias - weights @ mean
        facts |= {"states": states, "dimensions": int(vectors.shape[1])}
        facts["parameters_trained"] = int(weights.size + bias.size)
        return FittedProbe(StatesOf(folder, states), weights, bias, setting.labels, states, facts)

    def freeze(
        self,
        parameters: ProbeDecoderParameters,
        facts: Sequence[dict[str, Any]],
        rows: Sequence[int],
        all_rows: int,
    ) -> ProbeDecoderParameters:
        """The folds' most frequent states and class weight, and their median C."""
        names = [fact["states"] for fact in facts]
        states = max(sorted(set(names)), key=names.count)
        return ProbeDecoderParameters(states=states, **linear.usual(facts).model_dump())

    def load(self, setting: Setting, parameters: ProbeDecoderParameters, folder: Path) -> FittedProbe:
        """Reads the weights; the decoder is read when texts come."""
        states = json.loads((folder / "probe.json").read_text(encoding="utf-8"))["states"]
        return load_probe(folder, StatesOf(setting.models["decoder"], states))


def scale_of(vectors: Vectors) -> tuple[Vectors, Vectors]:
    """What makes rows of about unit length whose dimensions count alike.

    A few of a decoder's dimensions are hundreds of times the others.
    """
    return vectors.mean(0), (vectors.std(0) + np.float32(1e-6)) * np.float32(vectors.shape[1] ** 0.5)


def scaled(vectors: Vectors) -> Callable[[NDArray[np.intp], NDArray[np.intp]], tuple[Vectors, Vectors]]:
    """Rows to fit and rows to answer, both by the scale of the rows to fit."""

    def featurise(fit_rows: NDArray[np.intp], held_rows: NDArray[np.intp]) -> tuple[Vectors, Vectors]:
        mean, spread = scale_of(vectors[fit_rows])
        return (vectors[fit_rows] - mean) / spread, (vectors[held_rows] - mean) / spread

    return featurise


PLUGIN = ProbeDecoder()
