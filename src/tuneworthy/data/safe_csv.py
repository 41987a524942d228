"""CSV that no spreadsheet executes: a cell that would be taken for a formula gets an apostrophe in front."""

import csv
import io
import re
from collections.abc import Iterable, Sequence

# What a formula begins with, as spreadsheets read it; East Asian ones take the wide signs too.
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
NUMBER = re.compile(r"-?\d+(\.\d+)?([eE][+-]?\d+)?")


def csv_text(header: Sequence[str], rows: Iterable[Sequence[object]], as_they_are: bool = False) -> str:
    """The table as text; texts are made inert, names of columns too, numbers stay numbers.

    Args:
        header: names of columns.
        rows: a cell for each of them.
        as_they_are: nothing is made inert: for a table that is read as data again.
    """
    return csv_lines([header], as_they_are) + csv_lines(rows, as_they_are)


def csv_lines(rows: Iterable[Sequence[object]], as_they_are: bool = False) -> str:
    """Rows without a header."""
    text = io.StringIO()
    plainly = csv.writer(text, lineterminator="\n")
    quoted = csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_ALL)
    for row in rows:
        cells = [inert(cell) if isinstance(cell, str) and not as_they_are else cell for cell in row]
        # Readers end a row at a bare carriage return, which the writer does not quote by itself.
        returns = any(isinstance(cell, str) and "\r" in cell for cell in cells)
        (quoted if returns else plainly).writerow(cells)
    return text.getvalue()


def inert(cell: str) -> str:
    """The cell as it can be written: -5 stays, -5+cmd does not.

    >>> inert("-5"), inert("=A1"), inert("plain")
    ('-5', "'=A1", 'plain')
    """
    return f"'{cell}" if cell.startswith(FORMULA) and not NUMBER.fullmatch(cell) else cell


def plain(cell: str) -> str:
    """What `inert` was given."""
    return cell[1:] if cell.startswith("'") and cell[1:].startswith(FORMULA) else cell
