"""SetFit: the sentence encoder fine-tuned on pairs of like and unlike rows, then a logistic regression.

Tunstall et al. 2022; the pairs are trained by the setfit library. Made for a few rows per label.
"""

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from pydantic import Field

from tuneworthy.core.example import Example
from tuneworthy.core.frozen import Frozen
from tuneworthy.core.prediction import Prediction
from tuneworthy.core.unit import ArmKind, ModelRole
from tuneworthy.methods import Answers, Setting
from tuneworthy.methods import _linear as linear
from tuneworthy.methods.probe import FittedProbe
from tuneworthy.models.contrastive import has_setfit, train_contrastively
from tuneworthy.models.embedder import load_embedder
from tuneworthy.tasks import Task

PAPER_PAIRS, MOST_PAIRS = 20, 4000


class SetFitParameters(Frozen):
    """Parameters of the setfit arm."""

    pairs_per_row: int | None = Field(
        None,
        ge=1,
        description="pairs of like rows, and of unlike ones, per row; default 20 (Tunstall et al. 2022), "
        "fewer beyond 100 rows so that 4,000 pairs are trained on",
    )
    batch: int = Field(16, ge=1, description="pairs per update (Tunstall et al. 2022)")
    learning_rate: float = Field(2e-5, gt=0, description="peak, of the encoder (the library's default)")
    C: float = Field(1.0, gt=0, description="inverse penalty of the logistic regression (the library's)")


@dataclass
class FittedSetFit:
    """A probe on an encoder of its own."""

    probe: FittedProbe
    encoder: Path
    facts: dict[str, Any] = field(default_factory=dict)
    scratch: TemporaryDirectory[str] | None = None  # holds a new encoder for as long as this lives

    def predict(self, examples: Sequence[Example]) -> list[Prediction]:
        """Softmax of a linear map of each text's embedding."""
        return self.probe.predict(examples)

    def save(self, folder: Path) -> None:
        """Writes the encoder as a sentence-transformers folder, and the probe."""
        shutil.copytree(self.encoder, folder / "encoder", dirs_exist_ok=True)
        self.probe.save(folder)


class SetFit:
    """Contrastive fine-tuning of the embedding model, logistic regression on top."""

    name = "setfit"
    title = "SetFit"
    kind: ArmKind = "tuned"
    models: tuple[ModelRole, ...] = ("embedder",)
    answers: Answers = "labels"
    Parameters = SetFitParameters

    def unsuited(self, task: Task, labels: Sequence[str], rows: Sequence[Example]) -> str:
        """Why it cannot run here: the library is an extra."""
        return "" if has_setfit() else 'it needs pip install "tuneworthy[setfit]"'

    def fit(
        self,
        setting: Setting,
        parameters: SetFitParameters,
        train: Sequence[Example],
        validation: Sequence[Example],
    ) -> FittedSetFit:
        """Trains the encoder on pairs, then the regression on all rows; nothing is chosen on validation."""
        rows = [*train, *validation]
        texts, targets = [row.input for row in rows], [str(row.target) for row in rows]
        pairs = parameters.pairs_per_row or max(1, min(PAPER_PAIRS, MOST_PAIRS // (2 * len(rows))))
        scratch = TemporaryDirectory(prefix="setfit-")
        place = Path(scratch.name)
        updates = train_contrastively(
            setting.models["embedder"],
            texts,
            targets,
            pairs,
            parameters.batch,
            parameters.learning_rate,
            setting.seed,
            place,
            lambda done, total: setting.report(done, total, {}),
        )
        embedder = load_embedder(place)
        vectors = embedder.embed(texts)
        model = linear.fit_quietly(linear.new_regression(parameters.C, None), vectors, targets)
        weights, bias = linear.one_row_per_label(model, setting.labels)
        facts = {"pairs_per_row": pairs, "updates": updates, "C": parameters.C}
        probe = FittedProbe(embedder, weights, bias, setting.labels)
        return FittedSetFit(probe, place, facts, scratch)

    def freeze(
        self,
        parameters: SetFitParameters,
        facts: Sequence[dict[str, Any]],
        rows: Sequence[int],
        all_rows: int,
    ) -> SetFitParameters:
        """As they are."""
        return parameters

    def load(self, setting: Setting, parameters: SetFitParameters, folder: Path) -> FittedSetFit:
        """Reads encoder and probe."""
        stored = np.load(folder / "probe.npz", allow_pickle=False)
        labels = tuple(json.loads((folder / "probe.json").read_text(encoding="utf-8"))["labels"])
        embedder = load_embedder(folder / "encoder")
        probe = FittedProbe(embedder, stored["weights"], stored["bias"], labels)
        return FittedSetFit(probe, folder / "encoder")


PLUGIN = SetFit()
