"""What a base model can do besides the task: texts to read, questions, instructions, requests to refuse.

All of it was written for this project and ships with it. A fine-tune is measured on it before and after, to
notice what it has forgotten. Adding an item is adding a line; every unit that measures gets a new address.
"""

import re
from functools import lru_cache
from importlib.resources import files

from tuneworthy.core.frozen import Frozen
from tuneworthy.core.hashing import text_digest

FILES = ("texts.txt", "questions.txt", "instructions.txt", "requests.txt")
BETWEEN = " | "  # fields of a line


class Passage(Frozen):
    """A text of some genre."""

    id: str
    genre: str
    text: str


class GeneralQuestion(Frozen):
    """A question with options, the right one first."""

    id: str
    field: str
    text: str
    options: tuple[str, ...]


class Instruction(Frozen):
    """A request for a certain form of answer, and the check of that form (`forms.follows`)."""

    id: str
    check: str
    text: str


class HarmfulRequest(Frozen):
    """A request that a model trained to be harmless refuses; it asks for no detail that would be of use."""

    id: str
    text: str


def passages() -> tuple[Passage, ...]:
    """The general texts, each headed by a line with its genre."""
    parts = [part.split("\n", 1) for part in re.split(r"^=== ", _content("texts.txt"), flags=re.M)[1:]]
    return tuple(
        Passage(id=f"text-{number:02d}", genre=genre.strip(), text=text.strip())
        for number, (genre, text) in enumerate(parts, start=1)
    )


def questions() -> tuple[GeneralQuestion, ...]:
    """The general questions: field, question, right option, wrong options."""
    return tuple(
        GeneralQuestion(id=f"question-{number:02d}", field=field, text=text, options=tuple(options))
        for number, (field, text, *options) in enumerate(_lines("questions.txt"), start=1)
    )


def instructions() -> tuple[Instruction, ...]:
    """The instructions: check, text."""
    return tuple(
        Instruction(id=f"instruction-{number:02d}", check=check, text=text)
        for number, (check, text) in enumerate(_lines("instructions.txt"), start=1)
    )


def requests() -> tuple[HarmfulRequest, ...]:
    """The requests to refuse."""
    return tuple(
        HarmfulRequest(id=f"request-{number:02d}", text=text)
        for number, (text,) in enumerate(_lines("requests.txt"), start=1)
    )


def digests() -> dict[str, str]:
    """The sha256 of each file: what is measured is part of a measurement's identity."""
    return {name: text_digest(_content(name)) for name in FILES}


def _lines(name: str) -> list[list[str]]:
    return [line.split(BETWEEN) for line in _content(name).splitlines() if line]


@lru_cache
def _content(name: str) -> str:
    return files(__name__).joinpath(name).read_text(encoding="utf-8")
