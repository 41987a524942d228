"""SetFit: the sentence encoder fine-tuned on pairs of like and unlike rows, then a logistic regression.

Tunstall et al. 2022; the pairs are trained by the setfit library. Made for a few rows per label.
"""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from pydantic import Field

from tuneworthy.core.example import Example
from tuneworthy.core.prediction import Prediction
from tuneworthy.core.unit import ArmKind, ModelRole
from tuneworthy.engine.precision import multiplied_in
from tuneworthy.methods import Answers, Setting
from tuneworthy.methods import _label_sets as sets
from tuneworthy.methods import _linear as linear
from tuneworthy.methods._one_vs_rest import (
    FittedOneVsRest,
    OneVsRestParameters,
    choose,
    fit_classifiers,
    load_one_vs_rest,
)
from tuneworthy.methods._traits import NamesLabels
from tuneworthy.methods.probe import FittedProbe, load_probe
from tuneworthy.metrics._sets import labels_of
from tuneworthy.models.contrastive import has_setfit, train_contrastively
from tuneworthy.models.embedder import load_embedder
from tuneworthy.tasks import Task

PAPER_PAIRS, MOST_PAIRS = 20, 4000


class SetFitParameters(linear.LinearParameters):
    """Parameters of the setfit arm."""

    pairs_per_row: int | None = Field(
        None,
        ge=1,
        description="pairs of like rows, and of unlike ones, per row; default 20 (Tunstall et al. 2022), "
        "fewer beyond 100 rows so that 4,000 pairs are trained on",
    )
    batch: int = Field(16, ge=1, description="pairs per update (Tunstall et al. 2022)")
    learning_rate: float = Field(2e-5, gt=0, description="peak, of the encoder (the library's default)")
    C: float | None = Field(
        None,
        gt=0,
        description="inverse penalty of the logistic regression; default: chosen among 0.1 to 300 on inner "
        "folds of the embeddings before training (the library has 1, far too strong for many labels)",
    )
    threshold: sets.Threshold | None = sets.threshold_field("the validation rows")


@dataclass
class FittedSetFit:
    """A probe on an encoder of its own."""

    probe: FittedProbe | FittedOneVsRest
    encoder: Path
    facts: dict[str, Any] = field(default_factory=dict)
    scratch: TemporaryDirectory[str] | None = None  # holds a new encoder for as long as this lives

    def predict(self, examples: Sequence[Example]) -> list[Prediction]:
        """Label and probabilities per row, or every label that reaches its threshold."""
        return self.probe.predict(examples)

    def save(self, folder: Path) -> None:
        """Writes the encoder as a sentence-transformers folder, and the probe."""
        shutil.copytree(self.encoder, folder / "encoder", dirs_exist_ok=True)
        self.probe.save(folder)


class SetFit(NamesLabels):
    """Contrastive fine-tuning of the embedding model, logistic regression on top."""

    name = "setfit"
    title = "SetFit"
    kind: ArmKind = "tuned"
    models: tuple[ModelRole, ...] = ("embedder",)
    answers: Answers = "any"
    Parameters = SetFitParameters

    def unsuited(self, task: Task, labels: Sequence[str], rows: Sequence[Example]) -> str:
        """Why it cannot run here: its answers are labels, and the library is an extra."""
        missing = "" if has_setfit() else 'it needs pip install "tuneworthy[setfit]"'
        return super().unsuited(task, labels, rows) or missing

    def fit(
        self,
        setting: Setting,
        parameters: SetFitParameters,
        train: Sequence[Example],
        validation: Sequence[Example],
    ) -> FittedSetFit:
        """Trains the encoder on pairs, then the regression, on all rows; thresholds are chosen on validation.

        The regression's penalty and class weights are chosen on the embeddings as they were before training,
        by the inner folds that `probe` has: afterwards the encoder knows the labels of every row it would be
        judged on.

        Where there are thresholds to choose, validation rows are for that alone: the encoder knows the labels
        of the rows it was trained on, whatever the inner folds.
        """
        asked = sets.asked_thresholds(parameters.threshold, setting.labels)
        rows = [*train] if setting.task.open and asked is None else [*train, *validation]
        texts = [row.input for row in rows]
        facts = self._settle(setting, parameters, rows)
        pairs = parameters.pairs_per_row or pairs_per_row(len(rows))
        scratch = TemporaryDirectory(prefix="setfit-")
        place = Path(scratch.name)
        updates = train_contrastively(
            setting.models["embedder"],
            texts,
            [labels_of(str(row.target)) if setting.task.open else [str(row.target)] for row in rows],
            pairs,
            parameters.batch,
            parameters.learning_rate,
            setting.seed,
            place,
            lambda done, total: setting.report(done, total, {}),
            lambda model, device: multiplied_in(setting.dtype, model, device),
        )
        embedder = load_embedder(place)
        vectors = embedder.embed(texts)
        facts |= {"pairs_per_row": pairs, "updates": updates}
        if setting.task.open:
            classifiers = fit_classifiers(facts["C"], vectors, sets.truth_of(rows, setting.labels))
            head = FittedOneVsRest(embedder.embed, classifiers, setting.labels, sets.unchosen(setting.labels))
            if asked is not None:
                head.thresholds = asked
            elif validation:
                head.thresholds = sets.choose_thresholds(setting, validation, head.probabilities(validation))
            facts["threshold"] = sets.named(head.thresholds, setting.labels)
            return FittedSetFit(head, place, facts, scratch)
        targets = [str(row.target) for row in rows]
        model = linear.fit_quietly(linear.new_regression(facts["C"], facts["class_weight"]), vectors, targets)
        weights, bias = linear.one_row_per_label(model, setting.labels, vectors.shape[1])
        probe = FittedProbe(embedder, weights, bias, setting.labels)
        return FittedSetFit(probe, place, facts, scratch)

    def _settle(
        self, setting: Setting, parameters: SetFitParameters, rows: Sequence[Example]
    ) -> dict[str, Any]:
        """C and class weight, as the job names them or chosen on inner folds of the frozen embeddings."""
        if parameters.C is not None:
            return {"C": parameters.C, "class_weight": parameters.class_weight}
        vectors = load_embedder(setting.models["embedder"]).embed([row.input for row in rows])

        def frozen(fit: Any, held: Any) -> tuple[Any, Any]:
            return vectors[fit], vectors[held]

        if setting.task.open:
            penalty, _, _ = choose(setting, OneVsRestParameters(), rows, frozen)
            return {"C": penalty, "class_weight": None}
        return linear.settled(setting, parameters, rows, frozen)

    def freeze(
        self,
        parameters: SetFitParameters,
        facts: Sequence[dict[str, Any]],
        rows: Sequence[int],
        all_rows: int,
    ) -> SetFitParameters:
        """The folds' median C and commonest class weight, and median thresholds where answers are sets."""
        usual = linear.usual(facts).model_dump()
        return parameters.model_copy(update={**usual, **sets.frozen_thresholds(facts)})

    def load(self, setting: Setting, parameters: SetFitParameters, folder: Path) -> FittedSetFit:
        """Reads encoder and regression."""
        embedder = load_embedder(folder / "encoder")
        if setting.task.open:
            head = load_one_vs_rest(folder, setting.labels, embedder.embed)
            return FittedSetFit(head, folder / "encoder")
        return FittedSetFit(load_probe(folder, embedder), folder / "encoder")


def pairs_per_row(rows: int) -> int:
    """Pairs of like rows, and as many of unlike ones, that each of so many rows gets by default."""
    return max(1, min(PAPER_PAIRS, MOST_PAIRS // (2 * rows)))


PLUGIN = SetFit()
