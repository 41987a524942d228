"""Spans with offsets over a text, under the key names that annotation tools use: the entities they mark."""

from typing import Any

from tuneworthy.core.errors import DataError
from tuneworthy.core.outline import outline

Entity = tuple[str, str]  # type and words
_TYPES = ("label", "labels", "type", "entity", "entity_group", "entity_type", "tag")
_WORDS = ("text", "word")
_COUNTED = "offsets count characters of the input column from 0, the end not included."


def spans_in(value: Any) -> list[Any] | None:
    """A list of spans: objects with `start` and `end`, or [start, end, type] triples; None when it is none.

    Label Studio's `{"value": {"start": ..., "end": ..., "labels": [...]}}` is taken apart.
    """
    if not isinstance(value, list) or not value:
        return None
    spans = [
        dict(zip(("start", "end", "label"), one, strict=True))
        if isinstance(one, list) and len(one) == 3
        else one["value"]
        if isinstance(one, dict) and isinstance(one.get("value"), dict)
        else one
        for one in value
    ]
    return spans if all(isinstance(one, dict) and {"start", "end"} <= one.keys() for one in spans) else None


def marked(text: str, spans: list[dict[str, Any]]) -> list[Entity]:
    """The entities in text order.

    Raises:
        DataError: a span has no type, leaves the text, or says that it holds other words than stand there.
    """
    found = []
    for span in spans:
        start, end = span["start"], span["end"]
        if not all(isinstance(at, int) and not isinstance(at, bool) for at in (start, end)):
            raise DataError(f"the span {start!r} to {end!r} has offsets that are no whole numbers.")
        if not 0 <= start < end <= len(text):
            raise DataError(
                f"the span {start} to {end} does not lie in the text of {len(text)} characters: {_COUNTED}"
            )
        words = text[start:end]
        said = next((span[key] for key in _WORDS if isinstance(span.get(key), str)), words)
        if "".join(said.split()).casefold() != "".join(words.split()).casefold():
            raise DataError(
                f"the span {start} to {end} is {outline(words)} in the text and {outline(said)} in the "
                f"target: {_COUNTED}"
            )
        found.append((start, end, _kind(span), words.strip()))
    return [(kind, words) for _, _, kind, words in sorted(found) if words]


def _kind(span: dict[str, Any]) -> str:
    """The type: a text, or a list of one."""
    named = next((span[key] for key in _TYPES if span.get(key)), None)
    if isinstance(named, list) and len(named) == 1:
        named = named[0]
    if isinstance(named, str) and named.strip():
        return named.strip()
    keys = ", ".join(span)
    raise DataError(
        f"the span {span['start']} to {span['end']} (keys: {keys}) has no one type: add a 'label'."
    )
