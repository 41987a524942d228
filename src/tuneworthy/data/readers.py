"""Every table file through one door: CSV, TSV, JSONL, Parquet and XLSX, the suffix decides."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from tuneworthy.core.errors import DataError, TuneworthyError
from tuneworthy.data.delimited import delimited_parts, read_delimited
from tuneworthy.data.foreign import parsed
from tuneworthy.data.json_lines import json_line_parts, read_json_lines
from tuneworthy.data.missing import require_file
from tuneworthy.data.table import MOST_CELLS, Table, table_from_frame, table_from_rows
from tuneworthy.data.text_encoding import LONGEST_LINE, looks_like
from tuneworthy.data.workbook import read_workbook

__all__ = ["SUFFIXES", "Table", "read_table", "table_from_frame"]

SUFFIXES = (".csv", ".tsv", ".jsonl", ".parquet", ".xlsx")

LARGEST = 2_000_000_000  # bytes: a table is read into memory whole, at several times its size

_HINTS = {
    ".json": "write one object per line and name it .jsonl",
    ".ndjson": "rename it to .jsonl",
    ".xls": "save it as .xlsx",
    ".ods": "save it as .xlsx",
    ".gz": "decompress it first",
    ".zip": "unpack it first",
    ".txt": "rename it to .csv or .tsv if it is a table",
    ".data": "rename it to .csv or .tsv if it is a table",
}


def read_table(path: Path, *, longest_line: int = LONGEST_LINE, largest: int = LARGEST) -> Table:
    """Reads a table of text cells; nothing is guessed but the delimiter and the encoding.

    Args:
        path: a CSV, TSV, JSONL, Parquet or XLSX file.
        longest_line: characters in a line of a text file, above which it is refused.
        largest: bytes of a file, above which it is refused before it is read.

    Raises:
        NotFoundError: there is no such file.
        DataError: the file is not a table; one sentence names file, line and column where it can.
    """
    path = Path(path)
    size = _size(path)
    if size > largest:
        raise DataError(
            f"{path.name} has {size / 1e9:,.1f} GB, and tables are read into memory up to "
            f"{largest / 1e9:g} GB; write a sample of it to a file, some thousand labelled rows say the same."
        )
    with _readable(path):
        match path.suffix.lower():
            case ".csv" | ".tsv":
                return read_delimited(path, path.suffix[1:].upper(), longest_line)
            case ".jsonl":
                return read_json_lines(path, longest_line)
            case ".parquet":
                return _read_parquet(path)
            case ".xlsx":
                return read_workbook(path)
    raise _unknown(path)


def read_parts(path: Path, size: int) -> Iterator[Table]:
    """The same table in parts of `size` rows, of a file however large; memory holds one part.

    The parts of a JSONL file have the columns of their own rows. A workbook is read whole: it holds a
    million rows at most.

    Raises:
        NotFoundError, DataError: as `read_table`, when the part with the fault is read.
    """
    _size(path)
    with _readable(path):
        match path.suffix.lower():
            case ".csv" | ".tsv":
                yield from delimited_parts(path, path.suffix[1:].upper(), size=size)
            case ".jsonl":
                yield from json_line_parts(path, size=size)
            case ".parquet":
                yield from _parquet_parts(path, size)
            case _:
                table = read_table(path)
                for start in range(0, len(table), size):
                    until = start + size
                    yield replace(table, rows=table.rows[start:until], numbers=table.numbers[start:until])


def _size(path: Path) -> int:
    """Bytes of the file; raises NotFoundError where there is none."""
    require_file(path, SUFFIXES)
    return path.stat().st_size


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Says in a sentence that a file cannot be read."""
    try:
        yield
    except TuneworthyError:
        raise
    except OSError as error:
        raise DataError(
            f"{path} cannot be read ({error.strerror or error}); check its permissions."
        ) from None


def _unknown(path: Path) -> DataError:
    suffix = path.suffix.lower()
    hint = f"; {_HINTS[suffix]}" if suffix in _HINTS else ""
    ending = f"the suffix {path.suffix}" if path.suffix else "no suffix"
    return DataError(f"{path.name} has {ending}, not one of {', '.join(SUFFIXES)}{hint}.")


def _read_parquet(path: Path) -> Table:
    with _parquet(path) as polars:
        whole = polars.scan_parquet(path, glob=False)
        rows, columns = whole.select(polars.len()).collect().item(), len(whole.collect_schema())
        if rows * columns > MOST_CELLS:
            raise DataError(
                f"{path.name} has {rows:,} rows of {columns:,} columns, more than the {MOST_CELLS:,} cells "
                "that are read into memory; write a sample of it, with the columns that matter."
            )
        frame = whole.collect()
        return table_from_rows(frame.columns, frame.iter_rows(), path)


def _parquet_parts(path: Path, size: int) -> Iterator[Table]:
    start = 0
    while True:
        with _parquet(path) as polars:
            frame = polars.scan_parquet(path, glob=False).slice(start, size).collect()
            if start and not len(frame):
                return
            part = table_from_rows(frame.columns, frame.iter_rows(), path)
        yield replace(part, numbers=[start + number for number in part.numbers])
        start += size


@contextmanager
def _parquet(path: Path) -> Iterator[Any]:
    """Polars, for a file that is Parquet; its complaints in a sentence."""
    import polars  # here, not above: `--help` should not wait for it

    with path.open("rb") as file:
        head = file.read(64)
    if not head.startswith(b"PAR1"):
        what = looks_like(head) or ("no Parquet data" if head else "an empty file")
        raise DataError(
            f"{path.name} looks like {what}, not a Parquet file; write the table as Parquet again."
        )
    with parsed(path, "a readable Parquet file", "write it again"):
        yield polars
