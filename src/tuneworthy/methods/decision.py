"""Decision: the untrained decoder asked for one letter out of lettered options, in several orders.

Transformers' decision pipeline reads the probability of every letter from one forward pass. Small models pick
by position, whatever the text says, so each order's probabilities are divided by those of empty texts
(Zhao et al. 2021) and the answer is the mean over several orders.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from tuneworthy.core.example import Example
from tuneworthy.core.frozen import Frozen
from tuneworthy.core.prediction import Prediction
from tuneworthy.core.unit import ArmKind, ModelRole
from tuneworthy.engine.encoding import cut_input
from tuneworthy.methods import Answers, Setting
from tuneworthy.methods import _linear as linear
from tuneworthy.methods._prompting import CONTENT_FREE
from tuneworthy.methods._traits import KeepsParameters
from tuneworthy.models.decider import MOST_OPTIONS, Decider, load_decider
from tuneworthy.tasks import Task

LEAST = 1e-6  # a place that never gets any probability says nothing when divided by


class DecisionParameters(Frozen):
    """Parameters of the decision arm."""

    orders: int = Field(
        4, ge=1, le=26, description="orders of the options whose answers are averaged: rotations of the list"
    )
    content_free: bool = Field(
        True, description="divide by the probabilities for texts without content (Zhao et al. 2021)"
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
        blank = [self.prior(order) for order in turns]
        table = np.zeros((len(examples), len(labels)))
        firsts = 0
        for number, row in enumerate(examples):
            text = cut_input(self.decider.decoder, row.input, self.parameters.max_input_tokens)
            for order, prior in zip(turns, blank, strict=True):
                found = self.ask(text, order)
                corrected = found / prior
                table[number, order] += corrected / corrected.sum() / len(turns)
                firsts += int(np.argmax(found)) == 0
            self.setting.report(number + 1, len(examples), {})
        self.facts["orders"] = len(turns)
        self.facts["first_option_chosen"] = round(firsts / (len(examples) * len(turns)), 4)
        return linear.to_predictions([row.id for row in examples], table, labels)

    def ask(self, text: str, order: Sequence[int]) -> NDArray[np.float64]:
        """The probability of each option in this order."""
        options = [self.setting.labels[i] for i in order]
        return np.array(self.decider.decide(text, self.setting.instruction, options))

    def prior(self, order: Sequence[int]) -> NDArray[np.float64]:
        """What each place of this order gets whatever the text says; equal shares without the correction."""
        if not self.parameters.content_free:
            return np.ones(len(order))
        found = np.mean([self.ask(text, order) for text in CONTENT_FREE], axis=0)
        return np.asarray(np.maximum(found, LEAST), dtype=np.float64)

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


class Decision(KeepsParameters):
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

    def load(self, setting: Setting, parameters: DecisionParameters, folder: Path) -> FittedDecision:
        """Loads the decoder."""
        return FittedDecision(setting, parameters, load_decider(setting.models["decoder"]))


PLUGIN = Decision()
