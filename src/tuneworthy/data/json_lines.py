"""JSONL: one object per line, with errors that name the line and the character."""

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tuneworthy.core.errors import DataError
from tuneworthy.data.table import Table, cell_text, column_names
from tuneworthy.data.text_encoding import LONGEST_LINE, detect_encoding, numbered_lines

MOST_EMPTY = 20  # cells of a table for each one that is filled: every row has every column

_TYPE_WORDS = {
    "list": "a list",
    "str": "a text",
    "int": "a number",
    "_Number": "a number",
    "bool": "true or false",
    "NoneType": "null",
}


class _Number(float):
    """A JSON number with a fraction or an exponent, which remembers how it was written."""

    written: str

    @classmethod
    def parse(cls, text: str) -> "_Number":
        number = cls(text)
        number.written = text
        return number


def read_json_lines(path: Path, longest: int = LONGEST_LINE) -> Table:
    """A file with one JSON object per line as a table; a key that a line lacks is an empty cell.

    Args:
        path: a file that exists.
        longest: the longest line, in characters.

    Raises:
        DataError: a line is no JSON object; the message names the line and the character.
    """
    [table] = json_line_parts(path, longest)
    return table


def json_line_parts(path: Path, longest: int = LONGEST_LINE, size: int | None = None) -> Iterator[Table]:
    """The same in parts of `size` rows, each a table with the columns and the lines of its rows.

    Without a size there is one part, which keeps no lines. Memory holds one part.

    Raises:
        DataError: a line is no JSON object; the message names the line and the character.
    """
    encoding = detect_encoding(path, "JSONL")
    found: list[dict[str, str | None]] = []
    numbers: list[int] = []
    lines: list[str] = []

    def part() -> Table:
        columns = dict.fromkeys(name for row in found for name in row)
        cells = sum(map(len, found))
        if len(columns) * len(found) > MOST_EMPTY * (cells + 10_000):
            raise DataError(
                f"{path.name}: {len(found)} lines have {len(columns)} different keys, hardly one in common; "
                'write {"text": ..., "label": ...} on each line, with the same keys.'
            )
        return Table(
            path=path,
            columns=tuple(columns),
            rows=[{column: row.get(column) for column in columns} for row in found],
            numbers=numbers,
            encoding=encoding.codec,
            counted_in="line",
            notes=(encoding.note,) if encoding.note else (),
            lines=tuple(lines),
        )

    given = False
    for number, line in numbered_lines(path, encoding.codec, longest):
        if not line.strip():
            continue
        if len(found) == size:
            yield part()
            given, found, numbers, lines = True, [], [], []
        found.append(_row(line, f"{path.name}, line {number}"))
        numbers.append(number)
        if size is not None:
            lines.append(line)
    if not given and not any(found):
        raise DataError(f"{path.name} is empty; it needs one object per line, with a text and a label.")
    yield part()


def read_objects(table: Table) -> list[dict[str, Any]]:
    """The objects that the lines of a part hold, one a row, their numbers and lists as they are."""
    return [json.loads(line, parse_constant=_constant) for line in table.lines]


def _row(line: str, place: str) -> dict[str, str | None]:
    value = _parse(line, place)
    if not isinstance(value, dict):
        what = _TYPE_WORDS[type(value).__name__]
        raise DataError(
            f'{place}: {what} instead of an object; write {{"text": ..., "label": ...}} on each line.'
        )
    names = column_names(list(value), place)
    return {
        name: item.written if isinstance(item, _Number) else cell_text(item, f"{place}, column '{name}'")
        for name, item in zip(names, value.values(), strict=True)
    }


def _parse(line: str, place: str) -> Any:
    try:
        return json.loads(
            line, parse_float=_Number.parse, parse_constant=_constant, object_pairs_hook=_unique_keys
        )
    except json.JSONDecodeError as error:
        whole = line.lstrip().startswith("[") or line.strip() == "{"
        advice = "write each object whole, on one line" if whole else "mend it or remove the line"
        what = (error.msg[0].lower() + error.msg[1:]).removesuffix(" at").removesuffix(" starting")
        raise DataError(f"{place}, character {error.pos + 1}: broken JSON ({what}); {advice}.") from None
    except ValueError as error:
        raise DataError(f"{place}: {error}.") from None
    except RecursionError:
        raise DataError(f"{place}: the value is nested too deeply to read; flatten it.") from None


def _constant(name: str) -> None:
    """NaN, which Python writes for a missing number, is a missing value; infinities are not JSON."""
    if name != "NaN":
        raise ValueError(f"{name} is not a JSON number; write null or a number")


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        [(twice, _)] = Counter(key for key, _ in pairs).most_common(1)
        raise ValueError(f"the key '{twice[:60]}' occurs twice in one object; rename one")
    return value
