"""One file per rung of the ladder: any way to turn labelled examples into predictions.

A method gets a `Setting` (task, models, seed), its validated parameters, and rows; it returns a `Fitted`,
which predicts and can be saved. It never sees a target it has to predict: such rows come without one.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol, runtime_checkable

from pydantic import BaseModel

from tuneworthy.core.example import Example
from tuneworthy.core.prediction import Prediction
from tuneworthy.core.registry import Registry
from tuneworthy.core.unit import ArmKind, ModelRole
from tuneworthy.metrics import Metric
from tuneworthy.tasks import Schema, Task

Answers = Literal["labels", "texts", "any"]
Report = Callable[[int, int, dict[str, float]], None]


@dataclass(frozen=True, slots=True)
class Setting:
    """Everything a method may use besides rows and parameters.

    Attributes:
        task, labels, instruction: what is asked.
        metric: the primary metric, for inner selection and checkpoint choice.
        seed: every random draw derives from it.
        dtype: training precision, "float32" or "bfloat16"; scoring is float32.
        models: local folders of the base models the method needs, by role.
        checkpoint: a folder that survives a kill, for long fits.
        report: told done, total and facts, for the progress display.
        json_schema: the user's JSON Schema of the answers; None where it is inferred from the rows.
        constrain: whether answers are held to the JSON Schema.
        until: the share of a fine-tune's steps after which it pauses, so that a search can drop it.
    """

    task: Task
    labels: tuple[str, ...]
    instruction: str
    metric: Metric
    seed: int
    dtype: str
    models: dict[ModelRole, Path]
    checkpoint: Path | None
    report: Report
    json_schema: Schema | None = None
    constrain: bool = True
    until: float = 1.0


class Fitted(Protocol):
    """A method that has seen its rows.

    Attributes:
        facts: what it chose and saw, JSON-ready, kept in the run folder.
    """

    facts: dict[str, Any]

    def predict(self, examples: Sequence[Example]) -> list[Prediction]:
        """One prediction per example, in order; targets of the examples are never read."""

    def save(self, folder: Path) -> None:
        """Writes all that `Method.load` needs, no pickles."""


@runtime_checkable
class LabelOnly(Protocol):
    """What a fitted method may offer besides: the same labels, sooner, without their probabilities."""

    def predict_labels(self, examples: Sequence[Example]) -> list[Prediction]:
        """`predict` without scores, for methods to which scoring every label is the larger part."""


@runtime_checkable
class Selective(Protocol):
    """What a method may offer besides: the tasks it cannot do, or the library it lacks."""

    def unsuited(self, task: Task, labels: Sequence[str], rows: Sequence[Example]) -> str:
        """Why it cannot answer this task with these labels and rows here; empty when it can."""


@dataclass(frozen=True, slots=True)
class Range:
    """A positive parameter to search between two ends, on a logarithmic scale."""

    low: float
    high: float


Space = dict[str, Range | tuple[Any, ...]]


@runtime_checkable
class Searchable(Protocol):
    """What a method may offer besides: which of its parameters are worth a search, and between what."""

    def space(self, setting: Setting, parameters: Any, rows: int) -> tuple[dict[str, Any], Space]:
        """The values that a fit on so many rows would have, and what to try around them."""


@runtime_checkable
class Demonstrating(Protocol):
    """What a method may offer besides: other rows stand in its prompts."""

    def shown(self, parameters: Any, rows: int) -> int:
        """How many of so many training rows stand in the prompts of one fit, at most."""


@runtime_checkable
class Unsteady(Protocol):
    """What a method may offer besides: another seed moves its score so much that one fit is not enough.

    Attributes:
        usual_seeds: fits whose mean is reported, where one part of the rows is held out.
    """

    usual_seeds: int


@runtime_checkable
class Adapting(Protocol):
    """What a method may offer besides: it changes the base model, once, and hands it to another method.

    What it adapts depends on no fold, so it is a unit of its own, from whose model the fits start.
    """

    then: str

    def bound(self, parameters: Any) -> "Method":
        """The method with the other one that its parameters name."""

    def adapt(self, setting: Setting, parameters: Any, documents: Sequence[Example]) -> Fitted:
        """What has the new base model to save; it answers nothing, and its facts tell how it went."""


class Method(Protocol):
    """The contract of a file in `methods/`.

    Attributes:
        name: the file name.
        title: how a report calls it.
        kind: baseline, classifier, prompt or tuned; the verdict goes by it.
        models: the roles of the base models it needs.
        answers: "labels" out of a closed set, "texts" of its own, or "any".
        Parameters: its parameters, each with unit, effect, default and the default's source.
    """

    name: str
    title: str
    kind: ArmKind
    models: tuple[ModelRole, ...]
    answers: Answers
    Parameters: type[BaseModel]

    def fit(
        self, setting: Setting, parameters: Any, train: Sequence[Example], validation: Sequence[Example]
    ) -> Fitted:
        """Fits on `train`; `validation` may choose checkpoints and settings, and is empty for a refit."""

    def freeze(
        self, parameters: Any, facts: Sequence[dict[str, Any]], rows: Sequence[int], all_rows: int
    ) -> Any:
        """Parameters of the final refit on all rows: what the folds chose, nothing searched again.

        Args:
            parameters: the parameters the folds ran with.
            facts: each fold's facts.
            rows: how many rows each fold fitted.
            all_rows: how many the refit fits.
        """

    def load(self, setting: Setting, parameters: Any, folder: Path) -> Fitted:
        """A fitted method from its saved folder."""


METHODS: Registry[Method] = Registry("methods", "method")
