"""`Table`: rows of text cells, and where each of them came from."""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from tuneworthy.core.errors import DataError
from tuneworthy.core.hashing import canonical_json
from tuneworthy.core.strict_json import is_whole

LONGEST_NAME = 500  # characters: what is longer is a text, and the line of names is missing
MOST_CELLS = 50_000_000  # of a file that packs them, so that a small one may hold any number
_PLACES_SHOWN = 5


@dataclass(frozen=True)
class Table:
    """What a reader found: every cell is text, or None where it was empty.

    Attributes:
        path: the file, None for a table made in memory.
        columns: the column names, in the file's order, stripped.
        rows: one dictionary per row, with every column.
        numbers: where each row is, from 1: for CSV, TSV and JSONL the line on which it starts, as an editor
            counts; for XLSX the row as the spreadsheet counts; else its position.
        encoding: the codec a text file was read with; None for Parquet, XLSX and tables in memory.
        counted_in: what `numbers` counts.
        names_first: whether the column names stand in the file as its first row, and are counted.
        notes: one sentence each about a choice the reader made that the user should know of.
        lines: of a part of a JSONL file, the lines that the rows stand on.
    """

    path: Path | None
    columns: tuple[str, ...]
    rows: list[dict[str, str | None]]
    numbers: list[int]
    encoding: str | None = None
    counted_in: Literal["line", "row"] = "row"
    names_first: bool = False
    notes: tuple[str, ...] = ()
    lines: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """What messages call it."""
        return self.path.name if self.path else "the table"

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def numbering(self) -> str:
        """One sentence on what row numbers count."""
        if self.names_first:
            what = f"{self.counted_in}s of the file, the column names being the first"
        else:
            what = "lines of the file" if self.counted_in == "line" else "the table's rows from 1 on"
        return f"Row numbers count {what}."

    def where(self, indices: Sequence[int]) -> str:
        """'lines 3, 8 and 12' for some 0-based row indices; the first few when there are many."""
        noun = self.counted_in + ("s" if len(indices) > 1 else "")
        shown = [str(self.numbers[index]) for index in indices[:_PLACES_SHOWN]]
        if len(indices) > _PLACES_SHOWN:
            return f"{noun} {', '.join(shown)} and {len(indices) - _PLACES_SHOWN} more"
        return f"{noun} {' and '.join(filter(None, [', '.join(shown[:-1]), shown[-1]]))}"


def blank(cell: str | None) -> bool:
    """Whether a cell is empty or white space."""
    return cell is None or not cell.strip()


def column_names(names: Sequence[str], place: str) -> tuple[str, ...]:
    """The stripped names.

    Args:
        names: the names as they stand in the file.
        place: the file (and line) for the message.

    Raises:
        DataError: a name is blank, no text, longer than names are, or occurs twice.
    """
    stripped = tuple(name.strip() for name in names)
    first_at: dict[str, int] = {}
    for position, name in enumerate(stripped, start=1):
        if not name:
            raise DataError(
                f"{place}: column {position} of {len(stripped)} has no name; name it in the header or remove "
                "the column (pandas writes such a column unless index=False)."
            )
        if not is_whole(name):
            raise DataError(
                f"{place}: the name of column {position} holds NUL or half a character; write it whole."
            )
        if len(name) > LONGEST_NAME:
            raise DataError(
                f"{place}: the name of column {position} has {len(name)} characters ('{name[:40]}…'), so it "
                "is hardly a name; write column names above the first row."
            )
        if name in first_at:
            raise DataError(
                f"{place}: columns {first_at[name]} and {position} are both called '{name}'; rename one."
            )
        first_at[name] = position
    return stripped


def require_rows(rows: Sequence[object], place: str) -> None:
    """Raises DataError when a table has a header only."""
    if not rows:
        raise DataError(f"{place} has column names but no rows under them; add some.")


def cell_text(value: Any, place: str) -> str | None:
    """One value of a typed source as the text of a cell.

    Numbers keep their shortest exact form, booleans are `true` and `false`, nested values are canonical JSON;
    None, NaN and the empty string are None.

    Args:
        value: what the source holds.
        place: file, row and column for the message.

    Raises:
        DataError: the value is binary data, or text that is no Unicode text.
    """
    try:
        plain = _plain(value)
    except UnicodeDecodeError:
        raise DataError(f"{place}: binary data instead of text; remove the column or decode it.") from None
    except RecursionError:
        raise DataError(f"{place}: the value is nested too deeply to read; flatten it.") from None
    if plain is None:
        return None
    text = plain if isinstance(plain, str) else canonical_json(plain)
    if "\0" in text:
        raise DataError(f"{place}: the text holds a NUL character; remove it.")
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError as error:
            code = f"\\u{ord(text[error.start]):04x}"
            raise DataError(f"{place}: the text holds half a character ({code}); write it whole.") from None
    return text or None


def _plain(value: Any) -> Any:
    """The value in the types of JSON; dates, decimals and the like become text."""
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float):
        return None if math.isnan(value) else value
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if type(value).__name__ in ("NAType", "NaTType"):  # pandas' missing values, without importing pandas
        return None
    if hasattr(value, "tolist"):  # NumPy's arrays and scalars
        return _plain(value.tolist())
    return str(value)


def table_from_frame(frame: Any) -> Table:
    """A pandas or polars DataFrame, or a list of dictionaries, as the table its file would have given.

    Args:
        frame: has `columns` and polars' `iter_rows()` or pandas' `itertuples()`, or is a list of dicts.

    Raises:
        DataError: it is none of these, it has no rows, or a column name is blank or occurs twice.
    """
    if hasattr(frame, "iter_rows"):
        return table_from_rows(frame.columns, frame.iter_rows(), None)
    if hasattr(frame, "itertuples"):
        return table_from_rows(frame.columns, frame.itertuples(index=False, name=None), None)
    if isinstance(frame, list | tuple) and all(isinstance(row, dict) for row in frame):
        names = list(dict.fromkeys(key for row in frame for key in row))
        return table_from_rows(names, ([row.get(name) for name in names] for row in frame), None)
    raise DataError(
        f"a table was expected, got {type(frame).__name__}; pass a file path, a pandas or polars DataFrame, "
        "or a list of dictionaries."
    )


def table_from_rows(names: Iterable[Any], rows: Iterable[Sequence[Any]], path: Path | None) -> Table:
    """Typed rows, in the order of `names`, as a table counted in rows.

    Raises:
        DataError: no columns, no rows, a bad column name, or a value that is no text.
    """
    place = path.name if path else "the table"
    columns = column_names([str(name) for name in names], place)
    if not columns:
        raise DataError(f"{place} is empty; add column names and rows under them.")
    cells = list(_cells(columns, rows, place))
    require_rows(cells, place)
    return Table(path=path, columns=columns, rows=cells, numbers=list(range(1, len(cells) + 1)))


def _cells(
    columns: Sequence[str], rows: Iterable[Sequence[Any]], place: str
) -> Iterator[dict[str, str | None]]:
    for number, row in enumerate(rows, start=1):
        yield {
            column: cell_text(value, f"{place}, row {number}, column '{column}'")
            for column, value in zip(columns, row, strict=True)
        }
