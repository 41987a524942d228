"""Majority: always the most frequent label. What any arm has to beat."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tuneworthy.core.example import Example, label_counts
from tuneworthy.core.frozen import Frozen
from tuneworthy.core.prediction import Prediction
from tuneworthy.core.unit import ArmKind, ModelRole
from tuneworthy.methods import Answers, Setting
from tuneworthy.methods._traits import KeepsParameters


@dataclass
class FittedMajority:
    """The label shares of the training rows."""

    shares: dict[str, float]
    facts: dict[str, Any] = field(default_factory=dict)
    writer: Setting | None = None  # whose task words the answer, where answers are texts

    def predict(self, examples: Sequence[Example]) -> list[Prediction]:
        """The most frequent label for every row, with the label shares as probabilities."""
        label = max(self.shares, key=lambda name: self.shares[name])
        if self.writer is not None:
            answer = self.writer.task.format(label)
            return [Prediction(example_id=row.id, value=answer) for row in examples]
        return [Prediction(example_id=row.id, value=label, scores=self.shares) for row in examples]

    def save(self, folder: Path) -> None:
        """Writes the shares."""
        (folder / "majority.json").write_text(json.dumps(self.shares), encoding="utf-8")


class Majority(KeepsParameters):
    """The most frequent label; ties go to the first in alphabetical order."""

    name = "majority"
    title = "most frequent answer"
    kind: ArmKind = "baseline"
    models: tuple[ModelRole, ...] = ()
    answers: Answers = "any"

    class Parameters(Frozen):
        """None."""

    def fit(
        self,
        setting: Setting,
        parameters: Parameters,
        train: Sequence[Example],
        validation: Sequence[Example],
    ) -> FittedMajority:
        """Counts labels in train and validation rows."""
        counts = label_counts([*train, *validation])
        total = sum(counts.values())
        if setting.task.open:  # answers seldom repeat: one of the commonest, and no shares of thousands
            return FittedMajority({next(iter(counts)): 1.0}, {"answers": len(counts)}, setting)
        shares = {label: counts.get(label, 0) / total for label in setting.labels}
        return FittedMajority(shares, {"label": max(shares, key=lambda name: shares[name])})

    def load(self, setting: Setting, parameters: Parameters, folder: Path) -> FittedMajority:
        """Reads the shares."""
        shares = json.loads((folder / "majority.json").read_text(encoding="utf-8"))
        return FittedMajority(shares, writer=setting if setting.task.open else None)


PLUGIN = Majority()
