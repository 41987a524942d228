"""XLSX: the first sheet, read by calamine, after a look for formulas whose value was never saved."""

import posixpath
import zipfile
from pathlib import Path
from xml.etree import ElementTree

from tuneworthy.core.errors import DataError
from tuneworthy.data.table import Table, cell_text, column_names, require_rows
from tuneworthy.data.text_encoding import looks_like

_MAIN = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
_STRICT = "{http://purl.oclc.org/ooxml/spreadsheetml/main}"
_CELLS_SHOWN = 3


def read_workbook(path: Path) -> Table:
    """The first sheet of an XLSX file as a table; its first row that is not blank holds the column names.

    Dates are written as `2024-01-31 00:00:00`, whole numbers without a fraction. Blank rows, and columns with
    neither name nor value, are left out.

    Raises:
        DataError: the file is no workbook, its first sheet holds no table, or a formula has no saved value.
    """
    import fastexcel  # here, not above: `--help` should not wait for it

    with path.open("rb") as file:
        head = file.read(64)
    if not head.startswith(b"PK"):
        what = looks_like(head) or ("text (perhaps a CSV)" if head.strip() else "an empty file")
        raise DataError(
            f"{path.name} looks like {what}, not an XLSX; save the table as XLSX or rename the file."
        )
    try:
        workbook = fastexcel.read_excel(path)
        names = workbook.sheet_names
        sheet = workbook.load_sheet(0, header_row=None, skip_rows=0, dtypes="string")
        grid = sheet.to_polars().rows()
        unsaved, errors = _odd_cells(path, names[0])
    except (fastexcel.FastExcelError, zipfile.BadZipFile, ElementTree.ParseError, KeyError, OSError) as error:
        reason = str(error).splitlines()[0]
        raise DataError(f"{path.name} is not a readable XLSX ({reason}); save it again as XLSX.") from None
    if unsaved:
        raise DataError(
            f"{path.name}, sheet '{names[0]}': the formula in {_cell_list(unsaved)} has no saved value; open "
            "the file in a spreadsheet program and save it, or paste the values."
        )
    return _table(path, names, grid, errors)


def _table(path: Path, sheets: list[str], grid: list[tuple[str | None, ...]], errors: list[str]) -> Table:
    place = f"{path.name}, sheet '{sheets[0]}'"
    filled = [
        (number, row)
        for number, row in enumerate(grid, start=1)
        if any(cell not in (None, "") for cell in row)
    ]
    if not filled:
        others = f" (the others: {', '.join(sheets[1:])})" if len(sheets) > 1 else ""
        raise DataError(f"{place} is empty; the table must be on the first sheet{others}.")
    header_number, header = filled[0]
    kept = [
        position
        for position in range(len(header))
        if any(row[position] not in (None, "") for _, row in filled)
    ]
    columns = column_names([header[position] or "" for position in kept], f"{place}, row {header_number}")
    rows = [
        {
            column: cell_text(row[position], f"{place}, row {number}, column '{column}'")
            for column, position in zip(columns, kept, strict=True)
        }
        for number, row in filled[1:]
    ]
    require_rows(rows, place)
    notes = []
    if len(sheets) > 1:
        notes.append(
            f"{path.name} has {len(sheets)} sheets: '{sheets[0]}' was read, {', '.join(sheets[1:])} ignored."
        )
    if errors:
        notes.append(f"{place}: {_cell_list(errors)} hold error values and were read as empty.")
    return Table(
        path=path,
        columns=columns,
        rows=rows,
        numbers=[number for number, _ in filled[1:]],
        names_first=True,
        notes=tuple(notes),
    )


def _odd_cells(path: Path, sheet: str) -> tuple[list[str], list[str]]:
    """Cells whose formula has no saved value, and cells that hold an error such as #DIV/0!."""
    unsaved: list[str] = []
    errors: list[str] = []
    with zipfile.ZipFile(path) as archive, archive.open(_sheet_part(archive, sheet)) as part:
        for _, element in ElementTree.iterparse(part):
            space, _, tag = element.tag.rpartition("}")
            if tag == "c":
                value, formula = element.find(f"{space}}}v"), element.find(f"{space}}}f")
                if element.get("t") == "e":
                    errors.append(element.get("r", "?"))
                elif formula is not None and element.get("t") != "str" and not getattr(value, "text", None):
                    unsaved.append(element.get("r", "?"))
            elif tag == "row":
                element.clear()
    return unsaved, errors


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


def _cell_list(cells: list[str]) -> str:
    more = f" and {len(cells) - _CELLS_SHOWN} more cells" if len(cells) > _CELLS_SHOWN else ""
    return ", ".join(cells[:_CELLS_SHOWN]) + more
