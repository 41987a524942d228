"""Entities of a text as (type, words) pairs, and the one way they are written."""

import re
from collections.abc import Sequence
from typing import Any

from tuneworthy.core.strict_json import strict_json

NONE = "none"  # what is written where a text has no entity
_LINE = re.compile(r"\s*([^:;\n]{1,60}?)\s*:\s*(.+?)\s*$")


def entities_of(target: str) -> list[tuple[str, str]] | None:
    """The entities of a target, in its order; None when it is no list of entities.

    A target is a JSON list of objects with `type` and `text`, or the written form of `written`.

    >>> entities_of('[{"type": "city", "text": "Rome"}]'), entities_of("city: Rome; city: New York")
    ([('city', 'Rome')], [('city', 'Rome'), ('city', 'New York')])
    >>> entities_of("none"), entities_of("Rome")
    ([], None)
    """
    if target.startswith("["):
        try:
            listed: Any = strict_json(target)
        except ValueError:
            return None
        if not all(isinstance(one, dict) and {"type", "text"} <= one.keys() for one in listed):
            return None
        return [(str(one["type"]), str(one["text"])) for one in listed]
    if target.strip().casefold() == NONE:
        return []
    found = [_LINE.fullmatch(piece) for piece in re.split(r"[;\n]", target) if piece.strip()]
    read = [(match.group(1), match.group(2)) for match in found if match is not None]
    return read if read and len(read) == len(found) else None


def written(entities: Sequence[tuple[str, str]]) -> str:
    """Entities as a model writes them: "type: words; type: words", or "none"."""
    return "; ".join(f"{kind}: {_plain(text)}" for kind, text in entities) or NONE


def listed(answer: str) -> list[dict[str, str]]:
    """The entities of an answer as JSON holds them.

    >>> listed("city: Rome"), listed("none")
    ([{'type': 'city', 'text': 'Rome'}], [])
    """
    return [{"type": kind, "text": words} for kind, words in entities_of(answer) or ()]


def _plain(text: str) -> str:
    """The words on one line, without the sign that parts entities."""
    return " ".join(text.replace(";", ",").split())


def as_record(target: str) -> dict[str, list[str]] | None:
    """The entities as a record of lists by type, which the metrics of records can read."""
    found = entities_of(target)
    if found is None:
        return None
    record: dict[str, list[str]] = {}
    for kind, text in found:
        record.setdefault(kind, []).append(_plain(text))
    return record
