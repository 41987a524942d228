"""Which encoding a text file is in, and its numbered lines, without loading it whole."""

import codecs
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tuneworthy.core.errors import DataError

LONGEST_LINE = 10_000_000  # characters; a longer line is a mistake, and would not fit in memory for long
_CHUNK = 1 << 20
_HEAD = 1 << 16
_CONTROL_SHARE = 0.05  # above this share of control characters, bytes are not text

_BYTE_ORDER_MARKS = (  # UTF-32 first: its little-endian mark begins with UTF-16's
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)

_SIGNATURES = (
    (b"PK\x03\x04", "a ZIP archive (a spreadsheet needs the suffix .xlsx)"),
    (b"PK\x05\x06", "an empty ZIP archive"),
    (b"PAR1", "a Parquet file (rename it to .parquet)"),
    (b"%PDF-", "a PDF"),
    (b"\x89PNG", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"GIF87a", "a GIF image"),
    (b"GIF89a", "a GIF image"),
    (b"\x1f\x8b", "a gzip archive (decompress it first)"),
    (b"BZh91AY&SY", "a bzip2 archive (decompress it first)"),
    (b"\x28\xb5\x2f\xfd", "a Zstandard archive (decompress it first)"),
    (b"\xfd7zXZ\x00", "an xz archive (decompress it first)"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive (decompress it first)"),
    (
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
        "an old Excel (.xls) or password-protected file (save it as .xlsx)",
    ),
    (b"SQLite format 3\x00", "an SQLite database"),
    (b"ARROW1", "an Arrow file (save it as .parquet)"),
    (b"\x7fELF", "a program"),
)


@dataclass(frozen=True)
class Encoding:
    """A codec's name, and a sentence for the user where it was not the expected one."""

    codec: str
    note: str | None = None


def looks_like(head: bytes) -> str | None:
    """What a file that begins with `head` is, when its signature is a well-known one: 'a PDF'."""
    return next((what for signature, what in _SIGNATURES if head.startswith(signature)), None)


def detect_encoding(path: Path, wanted: str) -> Encoding:
    """UTF-8, UTF-16 or UTF-32 by byte order mark, else UTF-8 when every byte agrees, else cp1252 or latin-1.

    Args:
        path: a file that exists.
        wanted: what it should be, for the message ("CSV").

    Raises:
        DataError: the file is empty, binary, damaged, or mixes encodings.
    """
    with path.open("rb") as file:
        head = file.read(_HEAD)
    if not head:
        raise DataError(f"{path.name} is empty; it needs column names and rows under them.")
    for mark, codec in _BYTE_ORDER_MARKS:
        if head.startswith(mark):
            _require_decodable(path, codec)
            return Encoding(codec)
    _require_text(path, head, wanted)
    fault = _first_fault(path, "utf-8")
    return Encoding("utf-8") if fault is None else _fallback(path, head, fault, wanted)


def _require_text(path: Path, head: bytes, wanted: str) -> None:
    what = looks_like(head)
    if what:
        raise DataError(f"{path.name} looks like {what}, not a {wanted}; export the table as {wanted}.")
    if b"\0" not in head:
        return
    even, odd = head[::2].count(0), head[1::2].count(0)
    if len(head) >= 4 and min(even, odd) == 0 and max(even, odd) * 4 > len(head):
        raise DataError(
            f"{path.name} looks like UTF-16 text without its byte order mark; save it again as UTF-8."
        )
    line = _line_of(path, head.index(0))
    raise DataError(
        f"{path.name}, line {line}: NUL bytes, so the file is binary or damaged, not a {wanted}; "
        f"export the table as {wanted} again."
    )


def _require_decodable(path: Path, codec: str) -> None:
    fault = _first_fault(path, codec)
    if fault is None:
        return
    name = codec.removesuffix("-sig").upper()
    line = f", line {_line_of(path, fault[0])}" if codec == "utf-8-sig" else ""
    raise DataError(
        f"{path.name}{line}: byte {fault[0] + 1} of the file is not {name}, though it begins with the byte "
        "order mark of that encoding; save the file again as UTF-8."
    )


def _first_fault(path: Path, codec: str) -> tuple[int, int] | None:
    """Offset and value of the first byte that the codec refuses; None when there is none."""
    decoder = codecs.getincrementaldecoder(codec)()
    consumed = 0
    with path.open("rb") as file:
        while True:
            chunk = file.read(_CHUNK)
            try:
                decoder.decode(chunk, final=not chunk)
            except UnicodeDecodeError as error:
                held_back = len(error.object) - len(chunk)
                return consumed - held_back + error.start, error.object[error.start]
            consumed += len(chunk)
            if not chunk:
                return None


def _fallback(path: Path, head: bytes, fault: tuple[int, int], wanted: str) -> Encoding:
    """An eight-bit encoding for a file that is not UTF-8, unless it is no text, or mostly UTF-8."""
    offset, byte = fault
    control = sum(byte < 32 and byte not in b"\t\n\r\f\x1b" for byte in head)
    if control > _CONTROL_SHARE * len(head):
        raise DataError(
            f"{path.name} looks like binary data, not a {wanted}; export the table as {wanted} again."
        )
    line = _line_of(path, offset)
    good, bad = _multibyte_counts(path)
    if good > bad:
        raise DataError(
            f"{path.name}, line {line}: byte 0x{byte:02X} is not UTF-8 although the rest of the file is; "
            "mend that line or save the whole file again as UTF-8."
        )
    codec = "cp1252" if _first_fault(path, "cp1252") is None else "latin-1"
    return Encoding(
        codec,
        f"{path.name} is not UTF-8 (byte 0x{byte:02X} on line {line}), so it was read as {codec}; "
        "if accents look wrong, save it again as UTF-8.",
    )


def _multibyte_counts(path: Path) -> tuple[int, int]:
    """How many characters beyond ASCII are good UTF-8, and how many are not UTF-8."""
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    beyond_ascii = bad = 0
    with path.open("rb") as file:
        while True:
            chunk = file.read(_CHUNK)
            text = decoder.decode(chunk, final=not chunk)
            bad += text.count("\ufffd")
            beyond_ascii += len(text) - len(text.encode("ascii", "ignore"))
            if not chunk:
                return beyond_ascii - bad, bad


def _line_of(path: Path, offset: int) -> int:
    """The line that holds a byte of a file whose line ends are those of ASCII."""
    line, seen, ended = 1, 0, False
    with path.open(encoding="latin-1", newline="") as file:
        while piece := file.readline(_CHUNK):
            line += ended
            seen += len(piece)
            ended = piece.endswith(("\n", "\r"))
            if seen > offset:
                break
    return line


def numbered_lines(path: Path, codec: str, longest: int = LONGEST_LINE) -> Iterator[tuple[int, str]]:
    """The lines of a text file with their 1-based numbers, line ends kept.

    Raises:
        DataError: a line is longer than `longest` characters (no more than that is read), or holds NUL bytes.
    """
    with path.open(encoding=codec, newline="") as file:
        number = 0
        while line := file.readline(longest + 2):
            number += 1
            if "\0" in line:
                raise DataError(
                    f"{path.name}, line {number}: NUL bytes; the file is damaged, export it again."
                )
            if len(line) > longest and len(line.rstrip("\r\n")) > longest:
                raise DataError(
                    f"{path.name}: line {number} is longer than {size_words(longest)}; "
                    "check that each row has a line of its own, or shorten the text."
                )
            yield number, line


def size_words(characters: int) -> str:
    """'10 MB' for ten million characters."""
    return f"{characters // 1_000_000} MB" if characters >= 1_000_000 else f"{characters} characters"
