"""Decision: the untrained decoder asked for one letter out of lettered options, in several orders.

Transformers' decision pipeline reads the probability of every letter from one forward pass. Small models pick
by position, so the answer is the mean over orders of the options.
"""

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
from tuneworthy.methods import _linear as linear
from tuneworthy.models.decider import MOST_OPTIONS, Decider, load_decider
from tuneworthy.tasks import Task


class DecisionParameters(Frozen):
    """Parameters of the decision arm."""

    orders: int = Field(
        4, ge=1, le=26, description="orders of the options whose answers are averaged: rotations of the list"
    )
    max_input_tokens: int = Field(1024, ge=16, description="longer inputs are cut, in tokens of the model")


@dataclass
class FittedDecision:
    """A decoder and the orders to ask in."""

    setting: Setting
    parameters: DecisionParameters
    decider: Decider
    facts: dict[str, Any] = field(default_factory=dict)

    def predict(self, examples: Sequence[Example]) -> list[Prediction]:
        """The label with the highest mean probability over the orders."""
        if not examples:
            return []
        labels = self.setting.labels
        turns = rotations(len(labels), self.parameters.orders)
        table = np.zeros((len(examples), len(labels)))
        firsts = 0
        for number, row in enumerate(examples):
            text = self.decider.cut(row.input, self.parameters.max_input_tokens)
            for order in turns:
                found = self.decider.decide(text, self.setting.instruction, [labels[i] for i in order])
                table[number, order] += np.array(found) / len(turns)
                firsts += int(np.argmax(found)) == 0
            self.setting.report(number + 1, len(examples), {})
        self.facts["orders"] = len(turns)
        self.facts["first_option_chosen"] = round(firsts / (len(examples) * len(turns)), 4)
        return linear.to_predictions([row.id for row in examples], table, labels)

    def save(self, folder: Path) -> None:
        """Nothing was learned: the parameters are all there is."""


def rotations(options: int, orders: int) -> list[list[int]]:
    """Evenly spaced rotations of 0 .. options - 1, each option in first place at most once.

    >>> rotations(4, 2)
    [[0, 1, 2, 3], [2, 3, 0, 1]]
    """
    count = min(options, orders)
    starts = [round(turn * options / count) for turn in range(count)]
    return [[(start + i) % options for i in range(options)] for start in starts]


class Decision:
    """The base model, untrained, as a decision model."""

    name = "decision"
    title = "decision prompt"
    kind: ArmKind = "prompt"
    models: tuple[ModelRole, ...] = ("decoder",)
    answers: Answers = "labels"
    Parameters = DecisionParameters

    def unsuited(self, task: Task, labels: Sequence[str], rows: Sequence[Example]) -> str:
        """Why it cannot answer: options are letters."""
        return (
            f"it names options by letters, and {len(labels)} labels are more than {MOST_OPTIONS}"
            if len(labels) > MOST_OPTIONS
            else ""
        )

    def fit(
        self,
        setting: Setting,
        parameters: DecisionParameters,
        train: Sequence[Example],
        validation: Sequence[Example],
    ) -> FittedDecision:
        """Nothing is trained and no labelled row is looked at."""
        return FittedDecision(setting, parameters, load_decider(setting.models["decoder"]))

    def freeze(
        self,
        parameters: DecisionParameters,
        facts: Sequence[dict[str, Any]],
        rows: Sequence[int],
        all_rows: int,
    ) -> DecisionParameters:
        """As they are."""
        return parameters

    def load(self, setting: Setting, parameters: DecisionParameters, folder: Path) -> FittedDecision:
        """Loads the decoder."""
        return FittedDecision(setting, parameters, load_decider(setting.models["decoder"]))


PLUGIN = Decision()
