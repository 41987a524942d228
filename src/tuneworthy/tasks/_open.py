"""`OpenTask`: a task whose answers are texts of their own, not labels out of a closed set."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tuneworthy.core.example import Example
from tuneworthy.data.forms import PLAIN, Form
from tuneworthy.metrics._answers import alternatives
from tuneworthy.tasks import Message
from tuneworthy.tasks._turns import chat, conversation, enough


def whole(text: str) -> str | None:
    """The text without white space around it; None when no sign of it is left."""
    answer = text.strip()
    return answer if any(c.isprintable() and not c.isspace() for c in answer) else None


def first_line(text: str) -> str | None:
    """The first line that says something: models like to go on."""
    lines = (whole(line) for line in text.splitlines())
    return next((line for line in lines if line is not None), None)


@dataclass(frozen=True, slots=True)
class OpenTask:
    """A target is one text or a JSON list of several acceptable ones, the first of which is taught.

    Attributes:
        name, title: as every task has them.
        metrics: the primary one first.
        arms: methods compared when the job names none, cheapest first.
        told: the instruction when the job has none of its own.
        read: from what a model wrote to the answer it meant.
        form: how its rows stand in a table.
    """

    name: str
    title: str
    metrics: tuple[str, ...]
    arms: tuple[str, ...]
    told: str
    read: Callable[[str], str | None] = whole
    form: Form = PLAIN
    open: bool = True

    def check_examples(self, examples: Sequence[Example]) -> None:
        """Raises DataError when there are too few rows to measure anything."""
        enough(examples)

    def labels(self, examples: Sequence[Example]) -> tuple[str, ...]:
        """None: answers are open."""
        return ()

    def primary_metric(self, examples: Sequence[Example]) -> str:
        """The first of the task's metrics."""
        return self.metrics[0]

    def instruction(self, labels: Sequence[str]) -> str:
        """Shared by every row, so the engine computes it once."""
        return self.told

    def messages(self, instruction: str, input: str, demonstrations: Sequence[Example] = ()) -> list[Message]:
        """System turn with the instruction, demonstrations as earlier turns, then the input or its turns."""
        shown = [(d.input, self.format(d.target or "")) for d in demonstrations]
        if self.form.holds_both is None:
            return chat(instruction, input, shown)
        return conversation(instruction, input, shown, stand_in=self.told)

    def format(self, target: str) -> str:
        """The first acceptable answer."""
        return alternatives(target)[0]

    def parse(self, text: str, labels: Sequence[str]) -> str | None:
        """The answer that was meant; None when nothing was written."""
        return self.read(text)
