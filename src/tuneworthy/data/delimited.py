"""CSV and TSV: the standard library's strict parser, with errors that name the line."""

import csv
import re
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path

from tuneworthy.core.errors import DataError
from tuneworthy.core.outline import outline
from tuneworthy.core.registry import listed
from tuneworthy.data.table import Table, column_names, require_rows
from tuneworthy.data.text_encoding import LONGEST_LINE, detect_encoding, numbered_lines, size_words

DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}
ONE_COLUMN = "\x1f"  # ASCII unit separator: splits nothing, so a file of one column may hold commas

Lines = list[tuple[int, str]]


def read_delimited(path: Path, kind: str, longest: int = LONGEST_LINE) -> Table:
    """A CSV (comma, semicolon, tab or bar, found from the header) or TSV (tab) file as a table.

    Args:
        path: a file that exists.
        kind: "CSV" or "TSV".
        longest: the longest line, and the longest row, in characters.

    Raises:
        DataError: the file is no such table; the message names the line.
    """
    [table] = delimited_parts(path, kind, longest)
    return table


def delimited_parts(
    path: Path, kind: str, longest: int = LONGEST_LINE, size: int | None = None
) -> Iterator[Table]:
    """The same in parts of `size` rows, each a table; in one without a size. Memory holds one part.

    Raises:
        DataError: the file is no such table; the message names the line.
    """
    encoding = detect_encoding(path, kind)
    source = _Records(path, encoding.codec, longest)
    header = source.skip_blank_lines()
    delimiter = _delimiter(header[1], kind, f"{path.name}, line {header[0]}")
    columns: tuple[str, ...] = ()
    rows: list[dict[str, str | None]] = []
    numbers: list[int] = []

    def part() -> Table:
        return Table(
            path=path,
            columns=columns,
            rows=rows,
            numbers=numbers,
            encoding=encoding.codec,
            counted_in="line",
            names_first=True,
            notes=(encoding.note,) if encoding.note else (),
        )

    given = False
    for start, end, fields in source.read(delimiter):
        if not columns:
            columns = column_names(fields, f"{path.name}, line {start}")
            continue
        if not fields or (len(columns) > 1 and len(fields) == 1 and not fields[0].strip()):
            continue  # a blank line; in a table of one column, "" is a row with nothing in it
        if len(fields) != len(columns):
            raise _ragged(path.name, (start, end), fields, columns, delimiter)
        if len(rows) == size:
            yield part()
            given, rows, numbers = True, [], []
        rows.append({column: field or None for column, field in zip(columns, fields, strict=True)})
        numbers.append(start)
    if not given:
        require_rows(rows, path.name)
    yield part()


class _Records:
    """The records of a file, one after the other; remembers the lines of the record being read."""

    def __init__(self, path: Path, codec: str, longest: int) -> None:
        self._name = path.name
        self._longest = longest
        self._lines = numbered_lines(path, codec, longest)
        self._record: Lines = []
        self._waiting: Lines = []

    def skip_blank_lines(self) -> tuple[int, str]:
        """The first line that is not blank; `read` starts there."""
        for line in self._lines:
            if line[1].strip():
                self._waiting = [line]
                return line
        raise DataError(f"{self._name} is empty; it needs column names and rows under them.")

    def read(self, delimiter: str) -> Iterator[tuple[int, int, list[str]]]:
        """First line, last line and fields of each record."""
        csv.field_size_limit(max(csv.field_size_limit(), self._longest))  # ours is checked in `_feed`
        parser = csv.reader(self._feed(delimiter), delimiter=delimiter, strict=True)
        while True:
            try:
                fields = next(parser)
            except StopIteration:
                return
            except csv.Error as error:
                raise self._broken(error, delimiter) from None
            yield self._record[0][0], self._record[-1][0], fields
            self._record.clear()

    def _feed(self, delimiter: str) -> Iterator[str]:
        size = 0
        for numbered in chain(self._waiting, self._lines):
            size = len(numbered[1]) + (size if self._record else 0)
            self._record.append(numbered)
            if size > self._longest + 2:
                raise DataError(
                    f"{self._name}, line {self._record[0][0]}: the row that starts here is longer than "
                    f"{size_words(self._longest)}; probably the quote that opens on line "
                    f"{open_quote_line(self._record, delimiter)} is never closed."
                )
            yield numbered[1]

    def _broken(self, error: csv.Error, delimiter: str) -> DataError:
        opened, last = open_quote_line(self._record, delimiter), self._record[-1][0]
        if "unexpected end of data" in str(error):
            return DataError(
                f"{self._name}, line {opened}: the quote that opens here is never closed; close it, or write "
                'a quote that belongs to the text twice ("") inside a quoted field.'
            )
        since = f" (it opened on line {opened})" if opened != last else ""
        return DataError(
            f"{self._name}, line {last}: text follows the closing quote of a field{since}; inside "
            'a quoted field write a quote that belongs to the text twice ("").'
        )


def open_quote_line(record: Lines, delimiter: str) -> int:
    """The line on which the last quoted field of a record opens (its first line when none does)."""
    opened = record[0][0]
    state = "start"
    for number, line in record:
        for character in line:
            if state == "start" and character == '"':
                state, opened = "quoted", number
            elif state == "quoted":
                state = "quote" if character == '"' else "quoted"
            elif state == "quote" and character == '"':
                state = "quoted"
            else:
                state = "start" if character == delimiter else "plain"
    return opened


def _delimiter(header: str, kind: str, place: str) -> str:
    """The one delimiter that splits the header line into the most names; `ONE_COLUMN` when none does."""
    bare = re.sub(r'"[^"]*("|$)', "", header)
    counts = {mark: bare.count(mark) for mark in (DELIMITERS if kind == "CSV" else "\t") if mark in bare}
    most = max(counts.values(), default=0)
    best = [mark for mark, count in counts.items() if count == most]
    if len(best) == 1:
        return best[0]
    shown = outline(header.strip())  # without a header, this is a row
    if best:
        names = " and ".join(DELIMITERS[mark] for mark in best)
        raise DataError(
            f"{place}: {names} split the header equally ({shown}); quote the column names that contain one."
        )
    if kind == "TSV":
        other = next((word for mark, word in DELIMITERS.items() if mark in bare), None)
        advice = f"it has a {other}, so rename the file to .csv" if other else "separate the columns by tabs"
        raise DataError(f"{place}: no tab in the header {shown}; {advice}.")
    return ONE_COLUMN


def _ragged(
    name: str, lines: tuple[int, int], fields: Sequence[str], columns: Sequence[str], delimiter: str
) -> DataError:
    start, end = lines
    mark = DELIMITERS.get(delimiter, "unit separator")  # a control character that nobody sees
    found = f"{len(fields)} field{'s' if len(fields) != 1 else ''}"
    expected = f"expected {len(columns)} ({listed(columns)})"
    if end > start:
        advice = f"the row runs to line {end}, so look for a quote that is not closed"
    elif delimiter == ONE_COLUMN:
        advice = "take this control character (U+001F) out of the text"
    elif len(fields) > len(columns):
        advice = f"put double quotes around a text that contains a {mark}"
    else:
        advice = f"add the missing {mark}"
    return DataError(f"{name}, line {start}: found {found}, {expected}; {advice}.")
