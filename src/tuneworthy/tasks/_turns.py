"""The turns of a chat, and the fewest rows, that most tasks share."""

from collections.abc import Iterable, Sequence

from tuneworthy.core.errors import DataError
from tuneworthy.core.example import Example
from tuneworthy.tasks import Message

FEWEST_ROWS = 20


def chat(instruction: str, input: str, shown: Iterable[tuple[str, str]]) -> list[Message]:
    """System turn with the instruction, each (input, answer) shown as earlier turns, then the input."""
    turns: list[Message] = [{"role": "system", "content": instruction}]
    for asked, answer in shown:
        turns.append({"role": "user", "content": asked})
        turns.append({"role": "assistant", "content": answer})
    turns.append({"role": "user", "content": input})
    return turns


def enough(examples: Sequence[Example]) -> None:
    """Raises DataError when there are too few rows to measure anything."""
    if len(examples) < FEWEST_ROWS:
        raise DataError(
            f"{len(examples)} labelled rows are too few to measure anything: "
            f"bring at least {FEWEST_ROWS}, better 100."
        )
