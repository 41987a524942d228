"""Table files: valid ones of every format, files with bytes changed, and bytes that are no table."""

import csv
import io
import json
from dataclasses import dataclass
from random import Random
from typing import Any

import polars
import xlsxwriter
from hypothesis import strategies as st

from properties.pieces import ALL, WORDS, randoms, text_of

SUFFIXES = (".csv", ".tsv", ".jsonl", ".parquet", ".xlsx")
CODECS = ("utf-8", "utf-8", "utf-8-sig", "utf-16", "utf-32", "cp1252", "latin-1")
HEADS = (
    b"",
    b"PK\x03\x04",
    b"PAR1",
    b"\xff\xfe",
    b"\xef\xbb\xbf",
    b"\xff\xfe\0\0",
    b"%PDF-",
    b"\x1f\x8b",
    b"{",
    b'"',
)
STUFFING = (*(one.encode() for one in ALL), *(bytes([byte]) for byte in range(256)), b"\0" * 8, b"\xff" * 4)


@dataclass(frozen=True)
class File:
    """A file to be read."""

    name: str
    content: bytes

    def __repr__(self) -> str:
        return f"File({self.name!r}, {self.content!r})"


@dataclass(frozen=True)
class Sheet:
    """Column names and rows of cells; None is an empty one."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str | None, ...], ...]


def sheet_of(random: Random) -> Sheet:
    """A table with names that may stand in a header: not blank, each once."""
    names = [random.choice(WORDS) if random.random() < 0.5 else text_of(random) for _ in range(4)]
    stripped = (name[:200].replace("\0", "").strip() for name in names[: random.randint(1, 4)])
    columns = tuple(dict.fromkeys(name for name in stripped if name)) or ("text",)
    rows = range(random.randint(1, 5))
    return Sheet(columns, tuple(tuple(_cell(random) for _ in columns) for _ in rows))


def _cell(random: Random) -> str | None:
    return text_of(random)[:30_000].replace("\0", "") or None if random.random() < 0.9 else None


def delimited(sheet: Sheet, mark: str, codec: str = "utf-8", end: str = "\n") -> bytes:
    """As CSV or TSV, every cell quoted."""
    out = io.StringIO()
    writer = csv.writer(out, delimiter=mark, lineterminator=end, quoting=csv.QUOTE_ALL)
    writer.writerows([sheet.columns, *sheet.rows])
    return out.getvalue().encode(codec, "replace")


def json_lines(sheet: Sheet, escaped: bool = True) -> bytes:
    """As JSONL."""
    lines = [
        json.dumps(dict(zip(sheet.columns, row, strict=True)), ensure_ascii=escaped) for row in sheet.rows
    ]
    return "\n".join(lines).encode()


def parquet(sheet: Sheet) -> bytes:
    """As Parquet."""
    out = io.BytesIO()
    rows: Any = [list(row) for row in sheet.rows]
    schema = dict.fromkeys(sheet.columns, polars.String)
    polars.DataFrame(rows, schema=schema, orient="row").write_parquet(out)
    return out.getvalue()


def workbook(sheet: Sheet) -> bytes:
    """As XLSX, texts as texts; in a cell of a workbook a line ends with a line feed."""
    out = io.BytesIO()
    with xlsxwriter.Workbook(out, {"in_memory": True, "strings_to_formulas": False}) as book:
        page = book.add_worksheet()
        for number, row in enumerate([sheet.columns, *sheet.rows]):
            for place, cell in enumerate(row):
                if cell is not None:
                    page.write_string(number, place, cell)
    return out.getvalue()


def file_of(random: Random) -> File:
    """A file that some program may have written."""
    sheet, suffix = sheet_of(random), random.choice(SUFFIXES)
    match suffix:
        case ".csv" | ".tsv":
            mark = "\t" if suffix == ".tsv" else random.choice(",;\t|")
            end = random.choice(["\n", "\r\n", "\r"])
            return File("rows" + suffix, delimited(sheet, mark, random.choice(CODECS), end))
        case ".jsonl":
            return File("rows.jsonl", json_lines(sheet, random.random() < 0.5))
        case ".parquet":
            return File("rows.parquet", parquet(sheet))
    return File("rows.xlsx", workbook(sheet))


def mutated(file: File, random: Random) -> File:
    """The file with a few bytes taken out, put in, turned or repeated, or cut short."""
    content = bytearray(file.content)
    for _ in range(random.randint(1, 5)):
        at = random.randrange(len(content) + 1)
        match random.choice(["turn", "turn", "put", "put", "take", "repeat", "cut"]):
            case "turn" if at < len(content):
                content[at] ^= 1 << random.randrange(8)
            case "put":
                content[at:at] = random.choice(STUFFING)
            case "take":
                del content[at : at + random.randint(1, 64)]
            case "repeat":
                content[at:at] = content[at : at + random.randint(1, 64)] * random.choice([1, 3, 200])
            case "cut":
                del content[at:]
    return File(file.name, bytes(content))


def bytes_of(random: Random) -> File:
    """Bytes that begin as some file does."""
    body = random.randbytes(random.randint(0, 200)) if random.random() < 0.3 else b""
    body += b"".join(random.choice(STUFFING) for _ in range(random.randint(0, 12)))
    return File("rows" + random.choice(SUFFIXES), random.choice(HEADS) + body)


valid = st.builds(file_of, randoms)
changed = st.builds(lambda random: mutated(file_of(random), random), randoms)
raw = st.builds(bytes_of, randoms)
