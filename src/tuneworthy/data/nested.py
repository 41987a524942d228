"""Lists and objects in a cell: JSON, or what `str` of a Python list left in a CSV."""

import ast
import re
import warnings
from typing import Any

from tuneworthy.core.errors import DataError
from tuneworthy.core.outline import outline
from tuneworthy.core.strict_json import is_whole, strict_json

LONGEST_PRINTED = 200_000  # characters: Python takes hundreds of bytes for each sign of a list it parses
_PRINTED = re.compile(r"\[\s*(?:\{\s*)?'|\[\s*array\(|\{\s*'\w+'\s*:")


def nested(cell: str) -> Any:
    """The list or object that a cell holds; None when it is a text like any other.

    pandas writes lists of a frame to CSV as Python prints them, which is read where it is exact. NumPy leaves
    out the commas, and Python would read its strings as one.

    >>> nested('["a", "b"]'), nested("['a', 'b']"), nested("[sic] a text")
    (['a', 'b'], ['a', 'b'], None)

    Raises:
        DataError: the list was printed in a way that cannot be read back.
    """
    text = cell.strip()
    if text[:1] not in ("[", "{") or text[-1:] not in ("]", "}"):
        return None
    try:
        return strict_json(text)
    except ValueError:
        pass
    value = _as_python_prints(text) if len(text) <= LONGEST_PRINTED else None
    if value is not None:
        return value
    if _looks_printed(text):
        raise DataError(
            f"{outline(text)} looks like a list that NumPy or Python printed, not like JSON: write the table "
            "as JSONL or Parquet."
        )
    return None


def _as_python_prints(text: str) -> Any:
    """The list or dictionary whose `repr` the text is, in the types of JSON; None where it is none."""
    try:
        with warnings.catch_warnings(action="ignore"):  # of odd backslashes, to nobody who could mend them
            value = ast.literal_eval(text)
        plain = _plain(value) if isinstance(value, list | dict) and repr(value) == text else None
        return plain if is_whole(plain) else None
    except (ValueError, SyntaxError, RecursionError, MemoryError, TypeError):
        return None


def _plain(value: Any) -> Any:
    """The value in the types of JSON. Raises TypeError where it holds anything else, such as bytes."""
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, dict) and all(isinstance(key, str | int) for key in value):
        return {str(key): _plain(item) for key, item in value.items()}
    if value is None or isinstance(value, str | int | float):
        return value
    raise TypeError(f"{type(value).__name__} is no type of JSON")


def _looks_printed(text: str) -> bool:
    """Whether it begins and ends as a printed list or dictionary of texts does."""
    begins = _PRINTED.match(text)
    closed = text.endswith("]" if text.startswith("[") else "}")
    if begins is None or not closed:
        return False
    return not begins.group().endswith("'") or text.find("'", begins.end()) > 0
