"""A look through the parts of an XLSX before it is read: how large it gets, and cells that would be misread.

A workbook is a packed folder, and its reader lays out every cell between the first and the last: a file of a
kilobyte can ask for any amount of memory.
"""

import posixpath
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

from tuneworthy.core.errors import DataError
from tuneworthy.data.table import MOST_CELLS

LARGEST_UNPACKED = 1_000_000_000  # bytes
MOST_EMPTY = 50  # cells of the grid for each that is filled
FEW = 1_000_000  # cells of a grid that is small enough however empty it is
_MAIN = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
_STRICT = "{http://purl.oclc.org/ooxml/spreadsheetml/main}"
_PLACE = re.compile(r"([A-Z]{1,3})([1-9]\d{0,6})")


def unpacked_size(path: Path) -> int:
    """Bytes of the unpacked parts; raises DataError where they are more than are read."""
    with zipfile.ZipFile(path) as archive:
        size = sum(part.file_size for part in archive.infolist())
    if size > LARGEST_UNPACKED:
        raise DataError(
            f"{path.name} unpacks to {size / 1e9:,.1f} GB, more than the {LARGEST_UNPACKED / 1e9:g} GB that "
            "are read; save the rows that matter as CSV."
        )
    return size


def look_through(path: Path, sheet: str) -> tuple[list[str], list[str]]:
    """Cells whose formula has no saved value, and cells that hold an error such as #DIV/0!.

    Raises:
        DataError: cells lie so far apart, or repeat so long a text, that the sheet would not fit in memory.
        KeyError, ValueError: the workbook's parts do not fit together.
    """
    unsaved: list[str] = []
    errors: list[str] = []
    last_row = last_column = filled = characters = 0
    with zipfile.ZipFile(path) as archive:
        shared = list(_shared_lengths(archive))
        with archive.open(_sheet_part(archive, sheet)) as part:
            row = column = 0
            for event, element in ElementTree.iterparse(part, events=("start", "end")):
                space, _, tag = element.tag.rpartition("}")
                if tag == "row":
                    if event == "start":
                        row, column = int(element.get("r", row + 1)), 0
                    else:
                        element.clear()
                elif tag == "c" and event == "end":
                    place = element.get("r")
                    row, column = (row, column + 1) if place is None else _at(place)
                    value, formula = element.find(f"{space}}}v"), element.find(f"{space}}}f")
                    written = value.text if value is not None else None
                    if written is None and not len(element):
                        continue
                    filled, last_row, last_column = filled + 1, max(last_row, row), max(last_column, column)
                    if element.get("t") == "s" and written:
                        characters += shared[int(written)]
                    if element.get("t") == "e":
                        errors.append(place or "?")
                    elif formula is not None and element.get("t") != "str" and not written:
                        unsaved.append(place or "?")
    _require_room(path, sheet, last_row * last_column, filled, characters)
    return unsaved, errors


def _require_room(path: Path, sheet: str, cells: int, filled: int, characters: int) -> None:
    if cells > max(FEW, min(MOST_CELLS, MOST_EMPTY * filled)):
        raise DataError(
            f"{path.name}, sheet '{sheet}': {filled:,} cells are filled and lie over {cells:,}, which would "
            "not fit in memory; delete what stands far from the table."
        )
    if characters > LARGEST_UNPACKED:
        raise DataError(
            f"{path.name}, sheet '{sheet}': its texts have {characters:,} characters in all, more than the "
            f"{LARGEST_UNPACKED:,} that are read; save the rows that matter as CSV."
        )


def _at(place: str) -> tuple[int, int]:
    """Row and column, from 1, of a cell such as B7. Raises ValueError where it is none."""
    found = _PLACE.fullmatch(place)
    if found is None:
        raise ValueError(f"a cell is called '{place[:20]}'")
    column = 0
    for letter in found.group(1):
        column = 26 * column + ord(letter) - ord("A") + 1
    return int(found.group(2)), column


def _shared_lengths(archive: zipfile.ZipFile) -> Iterator[int]:
    """Characters of each text that cells share."""
    if "xl/sharedStrings.xml" not in archive.namelist():
        return
    with archive.open("xl/sharedStrings.xml") as part:
        length = 0
        for _, element in ElementTree.iterparse(part):
            tag = element.tag.rpartition("}")[2]
            if tag == "t":
                length += len(element.text or "")
            elif tag == "si":
                yield length
                length = 0
                element.clear()


def _sheet_part(archive: zipfile.ZipFile, sheet: str) -> str:
    """The archive's member that holds a sheet. Raises KeyError when the workbook does not say."""
    root = ElementTree.fromstring(archive.read("xl/workbook.xml"))
    relation = None
    for entry in [*root.iter(f"{_MAIN}sheet"), *root.iter(f"{_STRICT}sheet")]:
        if entry.get("name") == sheet:
            relation = next(value for key, value in entry.attrib.items() if key.endswith("}id"))
    for entry in ElementTree.fromstring(archive.read("xl/_rels/workbook.xml.rels")):
        if entry.get("Id") == relation:
            return posixpath.normpath(posixpath.join("/xl", entry.get("Target", ""))).lstrip("/")
    raise KeyError(f"no part for the sheet '{sheet}'")
