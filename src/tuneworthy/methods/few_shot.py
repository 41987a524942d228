"""Few-shot: k fixed demonstrations from the training rows before the text."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
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


class FewShotParameters(PromptParameters):
    """Parameters of the few-shot arm."""

    k: int = Field(
        8, ge=1, le=64, description="demonstrations, spread over the labels, frequent labels first"
    )
    draw: int = Field(0, ge=0, description="which of the seed's draws of demonstrations")
    longest_demonstration: int = Field(
        1200,
        ge=50,
        description="rows with more characters than this are no demonstrations; where most "
        "are longer and answers are labels, they are shown by their beginning",
    )


@dataclass
class FittedFewShot(FittedPrompt):
    """A prompt with fixed demonstrations."""

    demonstrations: list[Example] = field(default_factory=list)

    def save(self, folder: Path) -> None:
        """Writes the correction and the demonstrations."""
        self.save_correction(folder)
        save_examples(folder / "demonstrations.jsonl", self.demonstrations)


class FewShot:
    """The base model after k fixed demonstrations."""

    name = "few_shot"
    title = "few-shot prompt"
    kind: ArmKind = "prompt"
    models: tuple[ModelRole, ...] = ("prompter",)
    answers: Answers = "any"
    Parameters = FewShotParameters

    def fit(
        self,
        setting: Setting,
        parameters: FewShotParameters,
        train: Sequence[Example],
        validation: Sequence[Example],
    ) -> FittedFewShot:
        """Draws the demonstrations, then chooses the prior correction on other training rows."""
        rows = [*train, *validation]
        shown = draw_demonstrations(rows, parameters, setting.seed, setting.task.open)
        fitted = self._with(setting, parameters, shown)
        used = {row.id for row in shown}
        fitted.calibrate([row for row in rows if row.id not in used], rows)
        fitted.facts["demonstrations"] = [row.id for row in shown]
        return fitted

    def _with(self, setting: Setting, parameters: FewShotParameters, shown: list[Example]) -> FittedFewShot:
        return FittedFewShot(setting, parameters, lambda row, training: shown, demonstrations=shown)

    def space(
        self, setting: Setting, parameters: FewShotParameters, rows: int
    ) -> tuple[dict[str, Any], Space]:
        """How many demonstrations, and which."""
        counts = tuple(sorted({parameters.k, *(k for k in (2, 4, 8, 16) if k <= rows // 2)}))
        draws = tuple(sorted({parameters.draw, 0, 1, 2, 3}))
        return {"k": parameters.k, "draw": parameters.draw}, {"k": counts, "draw": draws}

    def shown(self, parameters: FewShotParameters, rows: int) -> int:
        """The k demonstrations, which every prompt shares."""
        return min(parameters.k, rows)

    def freeze(
        self,
        parameters: FewShotParameters,
        facts: Sequence[dict[str, Any]],
        rows: Sequence[int],
        all_rows: int,
    ) -> FewShotParameters:
        """The correction most folds chose; demonstrations are drawn anew from all rows."""
        return parameters.model_copy(update={"correction": frozen_correction(facts)})

    def load(self, setting: Setting, parameters: FewShotParameters, folder: Path) -> FittedFewShot:
        """Reads demonstrations and correction."""
        fitted = self._with(setting, parameters, load_examples(folder / "demonstrations.jsonl"))
        fitted.load_correction(folder)
        return fitted


def draw_demonstrations(
    rows: Sequence[Example], parameters: FewShotParameters, seed: int, open: bool = False
) -> list[Example]:
    """k rows, label by label in turns from the most frequent label on, in a seeded order; any k rows where
    answers are texts.
    """
    rng = np.random.default_rng([seed, 2 + 1000 * parameters.draw])
    usable = demonstrable(rows, parameters.longest_demonstration, open)
    if open:
        return [usable[int(i)] for i in rng.permutation(len(usable))[: parameters.k]]
    by_label: dict[str, list[Example]] = {}
    for index in rng.permutation(len(usable)):
        row = usable[int(index)]
        by_label.setdefault(str(row.target), []).append(row)
    queues = sorted(by_label.values(), key=lambda queue: (-len(queue), str(queue[0].target)))
    chosen: list[Example] = []
    while len(chosen) < parameters.k and any(queues):
        for queue in queues:
            if queue and len(chosen) < parameters.k:
                chosen.append(queue.pop())
    return [chosen[int(i)] for i in rng.permutation(len(chosen))]


PLUGIN = FewShot()
