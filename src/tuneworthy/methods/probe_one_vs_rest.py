"""Probe one-vs-rest: frozen sentence embeddings into a logistic regression for each label."""

from collections.abc import Sequence
from pathlib import Path

from tuneworthy.core.example import Example
from tuneworthy.core.unit import ModelRole
from tuneworthy.methods import Setting
from tuneworthy.methods._label_sets import truth_of
from tuneworthy.methods._one_vs_rest import (
    FittedOneVsRest,
    OneVsRestMethod,
    OneVsRestParameters,
    choose,
    fit_classifiers,
    load_one_vs_rest,
)
from tuneworthy.models.embedder import load_embedder


class ProbeOneVsRest(OneVsRestMethod):
    """Frozen embeddings; penalty and thresholds are chosen on inner folds."""

    name = "probe_one_vs_rest"
    title = "frozen embeddings + a linear classifier for each label"
    models: tuple[ModelRole, ...] = ("embedder",)

    def fit(
        self,
        setting: Setting,
        parameters: OneVsRestParameters,
        train: Sequence[Example],
        validation: Sequence[Example],
    ) -> FittedOneVsRest:
        """Embeds once, fits on train and validation rows."""
        rows = [*train, *validation]
        embedder = load_embedder(setting.models["embedder"])
        vectors = embedder.embed([row.input for row in rows])
        penalty, thresholds, facts = choose(
            setting, parameters, rows, lambda fit, held: (vectors[fit], vectors[held])
        )
        classifiers = fit_classifiers(penalty, vectors, truth_of(rows, setting.labels))
        return FittedOneVsRest(embedder.embed, classifiers, setting.labels, thresholds, facts)

    def load(self, setting: Setting, parameters: OneVsRestParameters, folder: Path) -> FittedOneVsRest:
        """Reads classifiers and thresholds and loads the encoder."""
        return load_one_vs_rest(folder, setting.labels, load_embedder(setting.models["embedder"]).embed)


PLUGIN = ProbeOneVsRest()
