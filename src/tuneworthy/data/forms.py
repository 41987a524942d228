"""`Form`: how the rows of a task stand in a table, and what is made of their cells.

A task takes cells as they are unless it has a form of its own: tags beside tokens, spans with offsets, chats.
Everything after loading sees one canonical text for the input and one for the target.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

Layout = tuple[tuple[str, ...], str]  # names of the input columns, name of the target column


class Cells(NamedTuple):
    """What a row holds in the columns of the job; several input columns are joined already."""

    input: str
    target: str | None
    joined: bool = False


class Read(NamedTuple):
    """What a task makes of it.

    Attributes:
        input, target: in canonical form; a row without a target cannot be learned from and is left out.
        note: what the user should know of such rows, as the beginning of "..., in 3 of 60 rows"; where there
            is no target, the end of "3 of 60 rows were left out because ...".
    """

    input: str
    target: str | None
    note: str = ""


def as_they_are(cells: Cells) -> Read:
    """The two texts."""
    return Read(cells.input, cells.target)


@dataclass(frozen=True, slots=True)
class Form:
    """How a task's rows stand in a table.

    Attributes:
        open: targets are texts of their own, not labels out of a closed set.
        read: from cells to canonical texts, reading its own output as it is; raises DataError that says what
            is wrong, and leaves it to the caller to say where.
        holds_both: whether a cell holds input and target in one, as a chat does; None where none can.
        layouts: well-known names of columns that belong together.
        holds_target: whether a cell may be a target of the task, by which the column is found; None where
            only its name tells, or that few values repeat.
        holds_input: whether a cell holds an input that does not look like a text, such as a list of tokens.
        as_json: from an answer to what it is in JSON: a list, a number, an object, or the text itself.
        target: what a target is called in a sentence.
        nothing: the target of a row in which there is nothing to find; None where there always is.
    """

    open: bool = False
    read: Callable[[Cells], Read] = as_they_are
    holds_both: Callable[[str], bool] | None = None
    layouts: tuple[Layout, ...] = ()
    holds_target: Callable[[str], bool] | None = None
    holds_input: Callable[[str], bool] | None = None
    as_json: Callable[[str], Any] = str
    target: str = "label"
    nothing: str | None = None


PLAIN = Form()  # a text and a label
