"""Lead: the first sentences of the text as its summary, the rival that summarizers often fail to beat."""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field

from tuneworthy.core.example import Example
from tuneworthy.core.frozen import Frozen
from tuneworthy.core.prediction import Prediction
from tuneworthy.core.unit import ArmKind, ModelRole
from tuneworthy.methods import Answers, Setting
from tuneworthy.methods._sentences import sentences
from tuneworthy.methods._traits import AnswersSentences
from tuneworthy.metrics import oriented

MOST = 5  # sentences tried
ENDS = ("first", "last")


@dataclass
class FittedLead:
    """How many sentences, and from which end."""

    count: int
    end: str
    facts: dict[str, Any] = field(default_factory=dict)

    def predict(self, examples: Sequence[Example]) -> list[Prediction]:
        """The sentences in their order."""
        return [
            Prediction(example_id=row.id, value=_cut(row.input, self.count, self.end)) for row in examples
        ]

    def save(self, folder: Path) -> None:
        """Writes the choice."""
        stored = {"count": self.count, "end": self.end}
        (folder / "lead.json").write_text(json.dumps(stored), encoding="utf-8")


class Lead(AnswersSentences):
    """The first n sentences, or the last where those are nearer to the summaries."""

    name = "lead"
    title = "first sentences"
    kind: ArmKind = "classifier"
    models: tuple[ModelRole, ...] = ()
    answers: Answers = "texts"

    class Parameters(Frozen):
        """Both are chosen on training rows by the primary metric when absent."""

        count: int | None = Field(None, ge=1, description="sentences; default: chosen among 1 to 5")
        end: str | None = Field(
            None, pattern="^(first|last)$", description="'first' or 'last' sentences; default: chosen"
        )

    def fit(
        self,
        setting: Setting,
        parameters: Parameters,
        train: Sequence[Example],
        validation: Sequence[Example],
    ) -> FittedLead:
        """Tries every choice on train and validation rows."""
        rows = [*train, *validation]
        targets = [str(row.target) for row in rows]
        best, chosen = -math.inf, FittedLead(1, ENDS[0])
        for end in (parameters.end,) if parameters.end else ENDS:
            for count in (parameters.count,) if parameters.count else range(1, MOST + 1):
                tried = FittedLead(count, end)
                parts = setting.metric.parts(tried.predict(rows), targets, setting.labels)
                score = float(oriented(setting.metric, setting.metric.value(parts.sum(0))))
                if score > best:
                    best, chosen = score, tried
        shown = round(float(oriented(setting.metric, np.array(best))), 4)
        chosen.facts = {"count": chosen.count, "end": chosen.end, "training_score": shown}
        return chosen

    def freeze(
        self, parameters: Parameters, facts: Sequence[dict[str, Any]], rows: Sequence[int], all_rows: int
    ) -> Parameters:
        """What most folds chose."""
        pairs = [(fact["end"], fact["count"]) for fact in facts]
        end, count = max(pairs, key=pairs.count)
        return parameters.model_copy(update={"count": count, "end": end})

    def load(self, setting: Setting, parameters: Parameters, folder: Path) -> FittedLead:
        """Reads the choice."""
        return FittedLead(**json.loads((folder / "lead.json").read_text(encoding="utf-8")))


def _cut(text: str, count: int, end: str) -> str:
    found = sentences(text)
    return " ".join(found[:count] if end == "first" else found[-count:]) or text


PLUGIN = Lead()
