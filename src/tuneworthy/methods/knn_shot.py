"""kNN-shot: the training rows most like the text, as its demonstrations."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from tuneworthy.core.example import Example
from tuneworthy.core.unit import ArmKind, ModelRole
from tuneworthy.methods import Answers, Setting, Space
from tuneworthy.methods._prompting import (
    FittedPrompt,
    PromptParameters,
    demonstrable,
    frozen_correction,
    load_examples,
    save_examples,
)
from tuneworthy.models.embedder import Embedder, load_embedder
from tuneworthy.tasks._chats import gist


class KnnShotParameters(PromptParameters):
    """Parameters of the kNN-shot arm."""

    k: int = Field(4, ge=1, le=64, description="demonstrations, the most similar one last")
    longest_demonstration: int = Field(
        1200,
        ge=50,
        description="rows with more characters than this are no demonstrations; where most "
        "are longer and answers are labels, they are shown by their beginning",
    )


@dataclass
class Neighbours:
    """Labelled rows with their embeddings [rows, D]."""

    embedder: Embedder
    rows: list[Example]
    vectors: NDArray[np.float32]
    k: int
    known: dict[str, int] = field(default_factory=dict)

    def of(self, row: Example, training: bool) -> list[Example]:
        """The k nearest rows by cosine, nearest last; a training row is never its own demonstration."""
        vector = self.vectors[self.known[row.id]] if training else self.embedder.embed([gist(row.input)])[0]
        similarity = self.vectors @ vector
        if training:
            similarity = similarity.copy()
            similarity[self.known[row.id]] = -np.inf
        nearest = np.argsort(-similarity, kind="stable")[: self.k]
        return [self.rows[int(i)] for i in nearest[::-1]]


@dataclass
class FittedKnnShot(FittedPrompt):
    """A prompt whose demonstrations are retrieved for each text."""

    neighbours: Neighbours | None = None

    def save(self, folder: Path) -> None:
        """Writes the correction and the rows that can be retrieved."""
        assert self.neighbours is not None
        self.save_correction(folder)
        save_examples(folder / "neighbours.jsonl", self.neighbours.rows)


class KnnShot:
    """The base model after the k most similar training rows."""

    name = "knn_shot"
    title = "few-shot prompt, retrieved demonstrations"
    kind: ArmKind = "prompt"
    models: tuple[ModelRole, ...] = ("prompter", "embedder")
    answers: Answers = "any"
    Parameters = KnnShotParameters

    def fit(
        self,
        setting: Setting,
        parameters: KnnShotParameters,
        train: Sequence[Example],
        validation: Sequence[Example],
    ) -> FittedKnnShot:
        """Embeds the training rows; chooses the prior correction with each row left out of its own prompt."""
        known = [*train, *validation]
        shown = demonstrable(known, parameters.longest_demonstration, setting.task.open)
        fitted = self._with(setting, parameters, shown)
        retrievable = {row.id for row in shown}
        fitted.calibrate([row for row in known if row.id in retrievable], known)
        fitted.facts["retrievable_rows"] = len(shown)
        return fitted

    def _with(self, setting: Setting, parameters: KnnShotParameters, rows: list[Example]) -> FittedKnnShot:
        embedder = load_embedder(setting.models["embedder"])
        vectors = embedder.embed([gist(row.input) for row in rows])
        known = {row.id: index for index, row in enumerate(rows)}
        neighbours = Neighbours(embedder, rows, vectors, parameters.k, known)
        return FittedKnnShot(setting, parameters, neighbours.of, neighbours=neighbours)

    def space(
        self, setting: Setting, parameters: KnnShotParameters, rows: int
    ) -> tuple[dict[str, Any], Space]:
        """How many demonstrations."""
        counts = tuple(sorted({parameters.k, *(k for k in (2, 4, 8, 16) if k <= rows // 2)}))
        return {"k": parameters.k}, {"k": counts}

    def shown(self, parameters: KnnShotParameters, rows: int) -> int:
        """All: any of them may be the nearest to a row."""
        return rows

    def freeze(
        self,
        parameters: KnnShotParameters,
        facts: Sequence[dict[str, Any]],
        rows: Sequence[int],
        all_rows: int,
    ) -> KnnShotParameters:
        """The correction most folds chose; all rows become retrievable."""
        return parameters.model_copy(update={"correction": frozen_correction(facts)})

    def load(self, setting: Setting, parameters: KnnShotParameters, folder: Path) -> FittedKnnShot:
        """Reads the rows and embeds them again: the same encoder gives the same vectors."""
        fitted = self._with(setting, parameters, load_examples(folder / "neighbours.jsonl"))
        fitted.load_correction(folder)
        return fitted


PLUGIN = KnnShot()
