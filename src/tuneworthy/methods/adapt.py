"""Adapt: the base model reads on in the user's unlabelled text, once, and another method is fitted on it.

Gururangan et al. 2020, "Don't Stop Pretraining": texts of the domain, or of the task itself, help where they
are far from what the model was trained on. It can harm as well, so held-out text is read before and after.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import Field, field_validator

from tuneworthy.core.errors import JobError
from tuneworthy.core.example import Example
from tuneworthy.core.unit import ArmKind, ModelRole
from tuneworthy.methods import METHODS, Answers, Fitted, Method, Selective, Setting, Unsteady
from tuneworthy.methods._adapting import Adapted, ReadingParameters, read_on
from tuneworthy.tasks import Task

USUAL = "encoder"
STARTS = (("embedder",), ("decoder",))  # roles whose model a method may be given another of


class AdaptParameters(ReadingParameters):
    """What is read, how, and the method that comes after."""

    text: tuple[str, ...] = Field(
        (),
        description="file(s) of unlabelled text: .txt with a document a line (a paragraph, where blank lines "
        "part them), or a table",
    )
    column: str | None = Field(None, description="column of the text, where it is a table of several")
    then: str = Field(
        USUAL, description="the method that is fitted afterwards, by the settings of its own section"
    )
    settings: dict[str, Any] = Field(
        default_factory=dict, description="of that method, where they are other than in its own section"
    )

    @field_validator("text", mode="before")
    @classmethod
    def _one_or_several(cls, given: Any) -> Any:
        return (given,) if isinstance(given, str) else given


@dataclass(frozen=True)
class Adapt:
    """Continued pre-training, then `then`.

    Attributes:
        then: the method that is fitted.
        has_text: whether the job names any.
    """

    then: str = USUAL
    has_text: bool = False
    name: str = "adapt"
    title: str = "continued pre-training, then a fit"
    kind: ArmKind = "tuned"
    Parameters: type[AdaptParameters] = AdaptParameters

    @property
    def models(self) -> tuple[ModelRole, ...]:
        """Those of the method that is fitted."""
        return METHODS.get(self.then).models

    @property
    def usual_seeds(self) -> int:
        """As many as the method that is fitted."""
        then = METHODS.get(self.then)
        return then.usual_seeds if isinstance(then, Unsteady) else 1

    @property
    def answers(self) -> Answers:
        """Those of the method that is fitted."""
        return METHODS.get(self.then).answers

    def bound(self, parameters: AdaptParameters) -> "Adapt":
        """The same with the method that a job names.

        Raises:
            JobError: that method starts from no model, or from several.
        """
        if parameters.then == self.name or METHODS.get(parameters.then).models not in STARTS:
            fitting = (name for name in METHODS.names() if name != self.name)
            known = ", ".join(name for name in fitting if METHODS.get(name).models in STARTS)
            raise JobError(
                f"adapt.then = '{parameters.then}', which has no model to adapt: choose among {known}."
            )
        return Adapt(parameters.then, bool(parameters.text))

    def unsuited(self, task: Task, labels: Sequence[str], rows: Sequence[Example]) -> str:
        """What is missing: unlabelled text, or what the method that is fitted lacks."""
        if not self.has_text:
            return "it needs unlabelled text (--set adapt.text=FILE)"
        then = METHODS.get(self.then)
        return then.unsuited(task, labels, rows) if isinstance(then, Selective) else ""

    def adapt(self, setting: Setting, parameters: AdaptParameters, documents: Sequence[Example]) -> Adapted:
        """The base model after reading the documents, or its facts alone where that made it worse."""
        [folder] = setting.models.values()
        texts = [document.input for document in documents]
        return read_on(
            folder, texts, parameters, setting.seed, setting.dtype, setting.checkpoint, setting.report
        )

    def fit(
        self,
        setting: Setting,
        parameters: AdaptParameters,
        train: Sequence[Example],
        validation: Sequence[Example],
    ) -> Fitted:
        """Fits the other method on the model that `setting` names, which is the adapted one."""
        method, own = _after(parameters)
        return method.fit(setting, own, train, validation)

    def freeze(
        self,
        parameters: AdaptParameters,
        facts: Sequence[dict[str, Any]],
        rows: Sequence[int],
        all_rows: int,
    ) -> AdaptParameters:
        """What the other method freezes."""
        method, own = _after(parameters)
        settings = method.freeze(own, facts, rows, all_rows).model_dump(mode="json")
        return parameters.model_copy(update={"settings": settings})

    def load(self, setting: Setting, parameters: AdaptParameters, folder: Path) -> Fitted:
        """The other method's."""
        method, own = _after(parameters)
        return method.load(setting, own, folder)


def _after(parameters: AdaptParameters) -> tuple[Method, Any]:
    """The method that is fitted, and its parameters."""
    method = METHODS.get(parameters.then)
    return method, method.Parameters.model_validate(parameters.settings)


PLUGIN = Adapt()
