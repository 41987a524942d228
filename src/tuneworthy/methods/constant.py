"""Constant: the median of the training targets, whatever the text says. The floor for numbers."""

import json
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from tuneworthy.core.example import Example
from tuneworthy.core.frozen import Frozen
from tuneworthy.core.prediction import Prediction
from tuneworthy.core.unit import ArmKind, ModelRole
from tuneworthy.methods import Answers, Setting
from tuneworthy.methods._traits import AnswersNumbers, KeepsParameters
from tuneworthy.metrics._numbers import written


class ConstantParameters(Frozen):
    """Parameters of the constant arm."""

    statistic: Literal["median", "mean"] = Field(
        "median", description="median: least absolute error of all constants; mean: least squared error"
    )


@dataclass
class FittedConstant:
    """A number."""

    number: str
    facts: dict[str, Any] = field(default_factory=dict)

    def predict(self, examples: Sequence[Example]) -> list[Prediction]:
        """The number, for every row."""
        return [Prediction(example_id=row.id, value=self.number, raw=self.number) for row in examples]

    def save(self, folder: Path) -> None:
        """Writes the number."""
        (folder / "constant.json").write_text(json.dumps({"number": self.number}), encoding="utf-8")


class Constant(AnswersNumbers, KeepsParameters):
    """The best answer that does not read the text."""

    name = "constant"
    title = "constant answer"
    kind: ArmKind = "baseline"
    models: tuple[ModelRole, ...] = ()
    answers: Answers = "texts"
    Parameters = ConstantParameters

    def fit(
        self,
        setting: Setting,
        parameters: ConstantParameters,
        train: Sequence[Example],
        validation: Sequence[Example],
    ) -> FittedConstant:
        """The statistic of all rows' targets."""
        numbers = [float(str(row.target)) for row in [*train, *validation]]
        middle = statistics.median(numbers) if parameters.statistic == "median" else statistics.mean(numbers)
        return FittedConstant(written(middle), {"number": middle})

    def load(self, setting: Setting, parameters: ConstantParameters, folder: Path) -> FittedConstant:
        """Reads the number."""
        return FittedConstant(json.loads((folder / "constant.json").read_text(encoding="utf-8"))["number"])


PLUGIN = Constant()
