"""Unlabelled text: documents out of text files and tables."""

from collections.abc import Sequence
from pathlib import Path

from tuneworthy.core.errors import DataError, JobError
from tuneworthy.core.registry import did_you_mean, listed
from tuneworthy.data.columns import TEXT_NAMES
from tuneworthy.data.missing import require_file
from tuneworthy.data.readers import SUFFIXES, read_table
from tuneworthy.data.table import Table
from tuneworthy.data.text_encoding import detect_encoding, numbered_lines


def read_documents(files: Sequence[Path], column: str | None = None) -> list[str]:
    """Every document of the files once, in their order.

    Args:
        files: .txt, with a document a line, or a paragraph where blank lines part them; or tables.
        column: of a table's text; default: its only column, or the one that is called so.

    Raises:
        NotFoundError: there is no such file.
        DataError: a file cannot be read, or holds no text.
        JobError: a table does not make clear which column is the text.
    """
    found: dict[str, None] = {}
    for file in files:
        require_file(file, (".txt", *SUFFIXES))
        texts = _of_text(file) if file.suffix.lower() == ".txt" else _of_table(read_table(file), column)
        found |= dict.fromkeys(text.strip() for text in texts if text.strip())
    if not found:
        raise DataError(f"{', '.join(file.name for file in files)}: no text is in it.")
    return list(found)


def _of_text(file: Path) -> list[str]:
    """Paragraphs where there are blank lines between lines, else lines."""
    if file.stat().st_size == 0:
        return []
    encoding = detect_encoding(file, "text file")
    whole = "".join(line for _, line in numbered_lines(file, encoding.codec))
    lines = [line.strip() for line in whole.strip().splitlines()]
    return "\n".join(lines).split("\n\n") if "" in lines else lines


def _of_table(table: Table, column: str | None) -> list[str]:
    if column is None:
        named = [name for name in table.columns if name.lower() in TEXT_NAMES]
        fitting = list(table.columns) if len(table.columns) == 1 else named
        if len(fitting) != 1:
            raise JobError(
                f"{table.name} has the columns {listed(table.columns)}: say which is the text, as in "
                f"adapt.column={table.columns[0]}."
            )
        column = fitting[0]
    if column not in table.columns:
        raise JobError(f"{table.name} has no column '{column}': {did_you_mean(column, list(table.columns))}")
    return [row[column] or "" for row in table.rows]
