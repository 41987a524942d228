"""CSV that no spreadsheet executes: a cell that would be taken for a formula gets an apostrophe in front."""

import csv
import io
import json
from collections.abc import Iterable, Sequence

FORMULA = ("=", "+", "-", "@", "\t", "\r")  # what a formula begins with, as spreadsheets read it


def csv_text(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """The table as text; texts are made inert, numbers stay numbers."""
    return _written([header]) + csv_lines(rows)


def csv_lines(rows: Iterable[Sequence[object]]) -> str:
    """Rows without a header."""
    return _written([inert(cell) if isinstance(cell, str) else cell for cell in row] for row in rows)


def _written(rows: Iterable[Sequence[object]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


def inert(cell: str) -> str:
    """The cell as it can be written: -5 stays, -5+cmd does not.

    >>> inert("-5"), inert("=A1"), inert("plain")
    ('-5', "'=A1", 'plain')
    """
    if not cell.startswith(FORMULA):
        return cell
    try:
        json.loads(cell)
    except ValueError:
        return f"'{cell}"
    return cell


def plain(cell: str) -> str:
    """What `inert` was given."""
    return cell[1:] if cell.startswith("'") and cell[1:].startswith(FORMULA) else cell
