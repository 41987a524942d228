"""Dictionary: entities that the training rows named, wherever their words occur. What memory is worth."""

import json
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import Field

from tuneworthy.core.example import Example
from tuneworthy.core.frozen import Frozen
from tuneworthy.core.prediction import Prediction
from tuneworthy.core.unit import ArmKind, ModelRole
from tuneworthy.methods import Answers, Setting
from tuneworthy.methods._traits import AnswersEntities, KeepsParameters
from tuneworthy.metrics._entities import entities_of, written


@dataclass
class FittedDictionary:
    """The commonest type of each entity's words, in lower case."""

    types: dict[str, str]
    facts: dict[str, Any] = field(default_factory=dict)

    def predict(self, examples: Sequence[Example]) -> list[Prediction]:
        """Every known entity of each text in its order; longer ones take the words of shorter ones."""
        return [Prediction(example_id=row.id, value=written(self._found(row.input))) for row in examples]

    def _found(self, text: str) -> list[tuple[str, str]]:
        lowered = text.lower()
        taken: list[tuple[int, int, str]] = []
        for words in sorted(self.types, key=lambda words: (-len(words), words)):
            if words not in lowered:
                continue
            for match in re.finditer(rf"(?<!\w){re.escape(words)}(?!\w)", lowered):
                if all(match.end() <= start or match.start() >= end for start, end, _ in taken):
                    taken.append((match.start(), match.end(), self.types[words]))
        return [(kind, text[start:end]) for start, end, kind in sorted(taken)]

    def save(self, folder: Path) -> None:
        """Writes the dictionary."""
        (folder / "dictionary.json").write_text(json.dumps(self.types), encoding="utf-8")


class Dictionary(KeepsParameters, AnswersEntities):
    """Looks entities up among those of the training rows."""

    name = "dictionary"
    title = "entities of the training rows"
    kind: ArmKind = "classifier"
    models: tuple[ModelRole, ...] = ()
    answers: Answers = "texts"

    class Parameters(Frozen):
        """How sure a word has to be an entity."""

        share: float = Field(
            0.5,
            ge=0,
            le=1,
            description="share of its words' mentions in training texts that are the entity",
        )

    def fit(
        self,
        setting: Setting,
        parameters: Parameters,
        train: Sequence[Example],
        validation: Sequence[Example],
    ) -> FittedDictionary:
        """Counts entities in train and validation rows, and how often their words occur without being one."""
        rows = [*train, *validation]
        kinds: dict[str, Counter[str]] = {}
        for row in rows:
            for kind, text in entities_of(str(row.target)) or ():
                kinds.setdefault(" ".join(text.lower().split()), Counter())[kind] += 1
        texts = [" ".join(row.input.lower().split()) for row in rows]
        types = {}
        for words, found in kinds.items():
            mentions = sum(len(re.findall(rf"(?<!\w){re.escape(words)}(?!\w)", text)) for text in texts)
            if words and found.total() >= parameters.share * mentions:
                types[words] = min(sorted(found), key=lambda kind: -found[kind])
        return FittedDictionary(types, {"entities": len(types)})

    def load(self, setting: Setting, parameters: Parameters, folder: Path) -> FittedDictionary:
        """Reads the dictionary."""
        return FittedDictionary(json.loads((folder / "dictionary.json").read_text(encoding="utf-8")))


PLUGIN = Dictionary()
