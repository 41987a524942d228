"""XLSX: the first sheet, read by calamine, after a look at how large it gets and what its formulas hold."""

from pathlib import Path

from tuneworthy.core.errors import DataError
from tuneworthy.data.foreign import parsed
from tuneworthy.data.table import Table, cell_text, column_names, require_rows
from tuneworthy.data.text_encoding import looks_like
from tuneworthy.data.workbook_parts import look_through, unpacked_size

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
    with parsed(path, "a readable XLSX", "save it again as XLSX"):
        unpacked_size(path)
        workbook = fastexcel.read_excel(path)
        names = workbook.sheet_names
        unsaved, errors = look_through(path, names[0])
        sheet = workbook.load_sheet(0, header_row=None, skip_rows=0, dtypes="string")
        grid = sheet.to_polars().rows()
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


def _cell_list(cells: list[str]) -> str:
    more = f" and {len(cells) - _CELLS_SHOWN} more cells" if len(cells) > _CELLS_SHOWN else ""
    return ", ".join(cells[:_CELLS_SHOWN]) + more
