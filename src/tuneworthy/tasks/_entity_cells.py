"""Entities as tables hold them: a list of them, tags beside tokens, or spans over the text."""

from typing import Any

from tuneworthy.core.errors import DataError
from tuneworthy.core.hashing import canonical_json
from tuneworthy.data.forms import Cells, Read
from tuneworthy.data.nested import nested
from tuneworthy.metrics._entities import entities_of
from tuneworthy.tasks._spans import marked, spans_in
from tuneworthy.tasks._tags import like_a_tag, tagged, tags_in

LOOSE = "An entity that begins with I- or E- in place of B- was read as a beginning, as CoNLL's script does"


def read_entities(cells: Cells) -> Read:
    """Tokens joined by spaces, and entities as a JSON list of {"text", "type"} in text order.

    What is none of these forms is left as it is, for the task to name.

    Raises:
        DataError: tags or spans that do not fit the text.
    """
    tokens = _tokens(cells.input)
    text = cells.input if tokens is None else " ".join(token for token in tokens if token.strip())
    if cells.target is None:
        return Read(text, None)
    value = nested(cells.target)
    if value is None:
        value = cells.target
    spans, tags = spans_in(value), tags_in(value)
    if spans is not None:
        if tokens is not None or cells.joined:
            what = "the input is a list of tokens" if tokens is not None else "several columns are the input"
            raise DataError(
                f"the target has offsets into a text, but {what}: name the text column by --input."
            )
        return Read(text, _written(marked(text, spans)))
    if tags is not None:
        entities, loose = tagged(cells.input.split() if tokens is None else tokens, tags)
        return Read(text, _written(entities), LOOSE if loose else "")
    listed = entities_of(canonical_json(value)) if isinstance(value, list) else None
    return Read(text, cells.target if listed is None else _written(listed))


def holds_tokens(cell: str) -> bool:
    """Whether a cell is a list of tokens."""
    try:
        return _tokens(cell) is not None
    except DataError:
        return False


def holds_entities(cell: str) -> bool:
    """Whether a cell is a list of entities or of spans, or one tag beside another.

    >>> holds_entities('["B-city", "O"]'), holds_entities('["Rome", "fell"]'), holds_entities("O O B-city")
    (True, False, True)
    """
    try:
        value = nested(cell)
    except DataError:
        return False
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        return all(map(like_a_tag, value))
    value = cell if value is None else value
    spans = isinstance(value, list) and spans_in(value) is not None
    listed = isinstance(value, list) and entities_of(canonical_json(value)) is not None
    return spans or listed or (isinstance(value, str) and tags_in(value) is not None)


def _written(entities: list[tuple[str, str]]) -> str:
    return canonical_json([{"type": kind, "text": words} for kind, words in entities])


def _tokens(cell: str) -> list[str] | None:
    """The tokens of a cell that holds a list of them."""
    found: Any = nested(cell)
    if not isinstance(found, list) or not any(isinstance(one, str) for one in found):
        return None
    return [str(one) for one in found] if all(isinstance(one, str | int | float) for one in found) else None
