"""Labels such as 1.0: what pandas makes of whole numbers beside a blank cell."""

import re
from collections.abc import Sequence

from tuneworthy.data.forms import Cells, Read
from tuneworthy.data.table import Table, blank

_WHOLE = re.compile(r"([-+]?\d+)(\.0+)?")


def in_whole_numbers(tables: Sequence[Table], target: str) -> bool:
    """Whether every label of every table is a whole number, and one at least is written as 1.0."""
    cells = [str(row[target]).strip() for table in tables for row in table.rows if not blank(row[target])]
    return all(map(_WHOLE.fullmatch, cells)) and any("." in cell for cell in cells)


def with_whole_labels(cells: Cells) -> Read:
    """The label without its fraction.

    >>> with_whole_labels(Cells("a text", "2.0")).target
    '2'
    """
    found = _WHOLE.fullmatch((cells.target or "").strip())
    return Read(cells.input, found.group(1) if found else cells.target)
