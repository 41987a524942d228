"""JSON that other people wrote, read so that it can be written again anywhere."""

import json
import math
import re
from typing import Any

_NO_TEXT = re.compile("[\0\ud800-\udfff]")


def strict_json(text: str) -> Any:
    """The value of a JSON text; NaN, which Python writes for a missing number, is null.

    >>> strict_json('{"a": [1, NaN]}')
    {'a': [1, None]}

    Raises:
        ValueError: it is no JSON, is nested too deeply, or holds what UTF-8 text or JSON cannot: an infinite
            number, half a character, NUL.
    """
    try:
        value = json.loads(text, parse_constant=_constant)
        if not is_whole(value):
            raise ValueError("a number that is infinite, half a character, or NUL")
    except RecursionError:
        raise ValueError("nested too deeply") from None
    return value


def _constant(name: str) -> None:
    if name != "NaN":
        raise ValueError(f"{name} is not a JSON number")


def is_whole(value: Any) -> bool:
    """Whether every number of a value in the types of JSON is finite, and every text is text in UTF-8."""
    if isinstance(value, str):
        return _is_text(value)
    if isinstance(value, float):
        return math.isfinite(value)
    if isinstance(value, dict):
        return all(_is_text(key) and is_whole(item) for key, item in value.items())
    return all(map(is_whole, value)) if isinstance(value, list) else True


def _is_text(text: str) -> bool:
    return _NO_TEXT.search(text) is None
