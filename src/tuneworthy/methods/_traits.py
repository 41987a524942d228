"""What several methods say in the same words; a method takes the traits that are true of it."""

from collections.abc import Sequence
from typing import Any, TypeVar

from pydantic import BaseModel

from tuneworthy.core.example import Example
from tuneworthy.tasks import Task

P = TypeVar("P", bound=BaseModel)


class KeepsParameters:
    """A method whose folds choose nothing that the final refit would need."""

    def freeze(self, parameters: P, facts: Sequence[dict[str, Any]], rows: Sequence[int], all_rows: int) -> P:
        """As they are."""
        return parameters


class AnswersNumbers:
    """A method for regression alone."""

    def unsuited(self, task: Task, labels: Sequence[str], rows: Sequence[Example]) -> str:
        """Why it cannot answer: its answers are numbers."""
        return "" if task.name == "regression" else "its answers are numbers"


class AnswersLabelSets:
    """A method for multi-label alone."""

    def unsuited(self, task: Task, labels: Sequence[str], rows: Sequence[Example]) -> str:
        """Why it cannot answer: its answers are sets of labels."""
        return "" if task.name == "multi-label" else "its answers are sets of labels"


class NamesLabels:
    """A method for one label or a set of them."""

    def unsuited(self, task: Task, labels: Sequence[str], rows: Sequence[Example]) -> str:
        """Why it cannot answer: its answers are labels."""
        named = not task.open or task.name == "multi-label"
        return "" if named else f"it names labels, which {task.name} does not ask for"


class AnswersEntities:
    """A method for token classification alone."""

    def unsuited(self, task: Task, labels: Sequence[str], rows: Sequence[Example]) -> str:
        """Why it cannot answer: its answers are entities."""
        return "" if task.name == "token-classification" else "its answers are entities"


class AnswersSentences:
    """A method that repeats sentences of the input."""

    def unsuited(self, task: Task, labels: Sequence[str], rows: Sequence[Example]) -> str:
        """Why it cannot answer: its answers are sentences."""
        wanted = ("summarization", "question-answering", "text-generation")
        return "" if task.name in wanted else "its answers are sentences of the input"
