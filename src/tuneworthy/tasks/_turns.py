"""The turns that a model is given, and the fewest rows, that most tasks share."""

from collections.abc import Iterable, Sequence

from tuneworthy.core.errors import DataError
from tuneworthy.core.example import Example
from tuneworthy.tasks import Message
from tuneworthy.tasks._chats import transcribed

FEWEST_ROWS = 20


def chat(instruction: str, input: str, shown: Iterable[tuple[str, str]]) -> list[Message]:
    """System turn with the instruction, each (input, answer) shown as earlier turns, then the input."""
    turns: list[Message] = [{"role": "system", "content": instruction}]
    for asked, answer in shown:
        turns.append({"role": "user", "content": asked})
        turns.append({"role": "assistant", "content": answer})
    turns.append({"role": "user", "content": input})
    return turns


def conversation(
    instruction: str, input: str, shown: Iterable[tuple[str, str]], stand_in: str = ""
) -> list[Message]:
    """As `chat`, where an input may be the transcript of several turns.

    A chat has one system turn, at its beginning: the instruction, then the row's own. An instruction that is
    only a stand-in gives way to the row's own. A demonstration with another system turn than the row's says
    it at the head of its first turn.
    """
    own, turns = _parted(input)
    told = [instruction] if instruction != stand_in or not own else []
    found: list[Message] = [{"role": "system", "content": "\n\n".join([*told, *own])}]
    for asked, answer in shown:
        theirs, earlier = _parted(asked)
        if theirs and theirs != own and earlier:
            first = "\n\n".join([*theirs, earlier[0]["content"]])
            earlier = [{"role": earlier[0]["role"], "content": first}, *earlier[1:]]
        found += [*earlier, {"role": "assistant", "content": answer}]
    return [*found, *turns]


def _parted(input: str) -> tuple[list[str], list[Message]]:
    """The system texts and the other turns of an input."""
    turns = transcribed(input)
    if turns is None:
        turns = [{"role": "user", "content": input}]
    own = [turn["content"] for turn in turns if turn["role"] == "system"]
    return own, [turn for turn in turns if turn["role"] != "system"]


def enough(examples: Sequence[Example]) -> None:
    """Raises DataError when there are too few rows to measure anything."""
    if len(examples) < FEWEST_ROWS:
        raise DataError(
            f"{len(examples)} labelled rows are too few to measure anything: "
            f"bring at least {FEWEST_ROWS}, better 100."
        )
