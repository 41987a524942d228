"""Lists and objects in a cell: JSON, or what `str` of a Python list left in a CSV."""

import ast
import json
import re
from typing import Any

from tuneworthy.core.errors import DataError

_PRINTED = re.compile(r"\[\s*(?:\{\s*)?'.*'.*\]|\{\s*'\w+'\s*:.*\}|\[\s*array\(.*\]", re.DOTALL)


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
        return json.loads(text)
    except (ValueError, RecursionError):
        pass
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError, RecursionError, MemoryError, TypeError):
        value = None
    if isinstance(value, list | dict) and repr(value) == text:
        return value
    if _PRINTED.fullmatch(text):
        raise DataError(
            f"'{text[:60]}' looks like a list that NumPy or Python printed, not like JSON: write the table "
            "as JSONL or Parquet."
        )
    return None
