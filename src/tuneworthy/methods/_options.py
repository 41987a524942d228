"""A question with lettered options, as decision models read it: the answer is one letter, one token.

The prompt is the one that transformers' decision pipeline sends to a model without a template of its own.
Options stand in the order of the run's labels, in training and in use: a model learns places and names.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from tuneworthy.core.errors import JobError
from tuneworthy.core.example import Example
from tuneworthy.methods import Setting
from tuneworthy.models.decider import LETTERS, MOST_OPTIONS, lettered_question
from tuneworthy.tasks import Message, Task

QUESTION = "Which of these is it?"


@dataclass(frozen=True)
class Lettered:
    """A task whose labels are asked for by letter; everything else is the task's own."""

    task: Task
    options: tuple[str, ...]
    open: bool = False

    @property
    def name(self) -> str:
        """The task's."""
        return self.task.name

    @property
    def title(self) -> str:
        """The task's."""
        return self.task.title

    @property
    def metrics(self) -> tuple[str, ...]:
        """The task's."""
        return self.task.metrics

    @property
    def arms(self) -> tuple[str, ...]:
        """The task's."""
        return self.task.arms

    def check_examples(self, examples: Sequence[Example]) -> None:
        """As the task does."""
        self.task.check_examples(examples)

    def labels(self, examples: Sequence[Example]) -> tuple[str, ...]:
        """The task's."""
        return self.task.labels(examples)

    def primary_metric(self, examples: Sequence[Example]) -> str:
        """The task's."""
        return self.task.primary_metric(examples)

    def instruction(self, labels: Sequence[str]) -> str:
        """The question, where the job has none of its own."""
        return QUESTION

    def messages(self, instruction: str, input: str, demonstrations: Sequence[Example] = ()) -> list[Message]:
        """One user turn: the text, the question, the options."""
        return [{"role": "user", "content": lettered_question(input, instruction, self.options)}]

    def format(self, target: str) -> str:
        """The option's letter."""
        return LETTERS[self.options.index(target)]

    def parse(self, text: str, labels: Sequence[str]) -> str | None:
        """The label that a letter stands for."""
        letter = text.strip()
        place = LETTERS.find(letter) if len(letter) == 1 else -1
        return self.options[place] if 0 <= place < len(self.options) else None


def lettered(setting: Setting) -> Setting:
    """The setting with labels asked for by letter.

    Raises:
        JobError: answers are texts, or there are more labels than letters.
    """
    if setting.task.open or len(setting.labels) > MOST_OPTIONS:
        what = "texts" if setting.task.open else f"{len(setting.labels)} labels"
        raise JobError(
            f"answer_format = option names labels by letter, {MOST_OPTIONS} at most, and the answers are "
            f"{what}: leave it at label."
        )
    usual = setting.instruction == setting.task.instruction(setting.labels)
    return replace(
        setting,
        task=Lettered(setting.task, setting.labels),
        instruction=QUESTION if usual else setting.instruction,
    )
