"""One file per task type: its columns, its prompt, its parser, its metrics.

`parse(format(target)) == target`, and garbage is None, never a crash.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Protocol, TypedDict, runtime_checkable

from tuneworthy.core.example import Example
from tuneworthy.core.registry import Registry
from tuneworthy.data.forms import PLAIN, Form

Schema = dict[str, Any]  # a JSON Schema, draft 2020-12


class Message(TypedDict):
    """One turn of a chat, as chat templates want it."""

    role: str
    content: str


class Task(Protocol):
    """The contract of a file in `tasks/`.

    Attributes:
        name: the file name with hyphens: the Hub's pipeline tag.
        title: how a report calls it.
        metrics: all that are reported.
        arms: methods compared when the job names none, cheapest first.
        open: True when answers are texts of their own, False when they are labels out of a closed set.
    """

    @property
    def name(self) -> str: ...
    @property
    def title(self) -> str: ...
    @property
    def metrics(self) -> tuple[str, ...]: ...
    @property
    def arms(self) -> tuple[str, ...]: ...
    @property
    def open(self) -> bool: ...

    def check_examples(self, examples: Sequence[Example]) -> None:
        """Raises DataError, one sentence, when the rows cannot be this task."""

    def labels(self, examples: Sequence[Example]) -> tuple[str, ...]:
        """The closed set of answers, or an empty tuple for open ones."""

    def primary_metric(self, examples: Sequence[Example]) -> str:
        """The metric that decides when the job does not name one."""

    def instruction(self, labels: Sequence[str]) -> str:
        """What the model is told to do when the job does not say it."""

    def messages(self, instruction: str, input: str, demonstrations: Sequence[Example] = ()) -> list[Message]:
        """The chat up to, and without, the answer; demonstrations are earlier turns."""

    def format(self, target: str) -> str:
        """The text a model should write for this target."""

    def parse(self, text: str, labels: Sequence[str]) -> str | None:
        """The target a model meant by this text; None when it is none."""


@runtime_checkable
class Structured(Protocol):
    """What a task may offer besides: answers that are JSON objects and are held to a JSON Schema."""

    def schema(self, examples: Sequence[Example]) -> Schema:
        """The schema that the targets of these examples follow."""

    def check_schema(self, schema: Schema, examples: Sequence[Example]) -> None:
        """Raises JobError when no record can be written by the schema, DataError when a target breaks it."""


@runtime_checkable
class Formed(Protocol):
    """What a task may offer besides: rows that stand in a table in other forms than text and target."""

    @property
    def form(self) -> Form: ...


def form_of(task: Task) -> Form:
    """How the task's rows stand in a table; as they are where it does not say."""
    return replace(task.form if isinstance(task, Formed) else PLAIN, open=task.open)


TASKS: Registry[Task] = Registry("tasks", "task")


def as_answered(task: Task, labels: Sequence[str]) -> Callable[[str], str]:
    """From a target to the text that a right answer has once it is parsed."""
    return lambda target: task.parse(task.format(target), labels) or target
