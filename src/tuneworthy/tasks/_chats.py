"""Chats: lists of turns as tables hold them, and the transcript that stands for them everywhere else.

A transcript is text that checks, retrieval and people can read, and that gives the turns back exactly: each
turn begins on a line of its own with its role in brackets. A line of a turn's own text that looks like such a
beginning has a backslash in front.
"""

import re
from collections.abc import Sequence
from typing import Any

from tuneworthy.core.errors import DataError
from tuneworthy.core.hashing import canonical_json
from tuneworthy.data.forms import Cells, Read
from tuneworthy.data.nested import nested
from tuneworthy.metrics._answers import alternatives
from tuneworthy.tasks import Message

UNANSWERED = "the last turn is not the assistant's"
ROLES = {  # as OpenAI's, ShareGPT's and Open Assistant's files call them
    "system": ("system", "developer"),
    "user": ("user", "human", "prompter"),
    "assistant": ("assistant", "gpt", "chatgpt", "bot"),
}
_KEYS = (("role", "content"), ("from", "value"))
_START = re.compile(r"^\[(system|user|assistant)\](?: |$)", re.MULTILINE)
_LOOKS = re.compile(r"^(?=\\*\[(?:system|user|assistant)\](?: |$))", re.MULTILINE)
_ESCAPED = re.compile(r"^\\(?=\\*\[(?:system|user|assistant)\](?: |$))", re.MULTILINE)


def read_chat(cells: Cells) -> Read:
    """A chat as a transcript of what comes before the answer, and the answer. Other texts stay as they are.

    The answer is the target, or without one the last turn, which has then to be the assistant's.

    Raises:
        DataError: a turn has another role, or no text.
    """
    turns = turns_of(cells.input)
    if turns is None:
        return Read(cells.input, cells.target)
    if cells.target is not None:
        return Read(transcript(turns), cells.target)
    if not turns or turns[-1]["role"] != "assistant":
        return Read(transcript(turns), None, UNANSWERED)
    answer = turns[-1]["content"]
    only = answer if alternatives(answer) == [answer] else canonical_json([answer])
    return Read(transcript(turns[:-1]), only)


def holds_chat(cell: str) -> bool:
    """Whether the cell is a list of turns, be it one with a fault."""
    try:
        return turns_of(cell) is not None
    except DataError:
        return True


def turns_of(cell: str) -> list[Message] | None:
    """The turns of a cell with a list of {"role", "content"} or {"from", "value"}; None when it holds none.

    Raises:
        DataError: a turn has another role, or no text.
    """
    listed = nested(cell)
    if not isinstance(listed, list) or not listed:
        return None
    for role, content in _KEYS:
        if all(isinstance(one, dict) and {role, content} <= one.keys() for one in listed):
            return [
                {"role": _role(one[role], number), "content": _text(one[content], number)}
                for number, one in enumerate(listed, start=1)
            ]
    return None


def transcript(turns: Sequence[Message]) -> str:
    """The turns as one text.

    >>> print(transcript([{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello!"}]))
    [user] Hi
    [assistant] Hello!
    """
    return "\n".join(f"[{turn['role']}] {_LOOKS.sub(chr(92) * 2, turn['content'])}" for turn in turns)


def transcribed(text: str) -> list[Message] | None:
    """The turns of a transcript; None when the text is not one."""
    starts = list(_START.finditer(text))
    if not starts or starts[0].start() != 0:
        return None
    ends = [match.start() - 1 for match in starts[1:]] + [len(text)]
    return [
        {"role": match.group(1), "content": _ESCAPED.sub("", text[match.end() : end])}
        for match, end in zip(starts, ends, strict=True)
    ]


def gist(text: str) -> str:
    """What likeness to other texts goes by: of a chat what was said, the latest first; other texts whole.

    A system turn is often the same for every row and longer than the rest, and encoders read beginnings.

    >>> print(gist("[system] Be kind.\\n[user] Hi\\n[assistant] Hello!"))
    Hello!
    Hi
    """
    turns = transcribed(text) or []
    said = [turn["content"] for turn in reversed(turns) if turn["role"] != "system"]
    return "\n".join(said) if said else text


def _role(given: Any, number: int) -> str:
    for role, names in ROLES.items():
        if str(given).strip().lower() in names:
            return role
    raise DataError(
        f"turn {number} has the role '{str(given)[:40]}', not system, user or assistant: rename it or take "
        "the turn out."
    )


def _text(content: Any, number: int) -> str:
    """The text of a turn; parts of text are joined."""
    if isinstance(content, list) and content and all(isinstance(part, dict) for part in content):
        texts = [part.get("text") for part in content if part.get("type", "text") == "text"]
        whole = len(texts) == len(content) and all(isinstance(text, str) for text in texts)
        content = "\n".join(map(str, texts)) if whole else None
    if not isinstance(content, str):
        raise DataError(
            f"turn {number} holds no text (a picture, a call of a tool, or nothing): take it out."
        )
    return content
