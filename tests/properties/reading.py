"""What readers do with files: tables, documents, and cells as each task reads them."""

from pathlib import Path
from typing import NamedTuple

from hypothesis import strategies as st

from properties.files import File, changed, raw, valid
from properties.pieces import text
from properties.promise import Target
from tuneworthy.core.errors import TuneworthyError
from tuneworthy.data.columns import choose_columns
from tuneworthy.data.documents import read_documents
from tuneworthy.data.examples import read_row, to_dataset
from tuneworthy.data.forms import Cells
from tuneworthy.data.readers import read_parts, read_table
from tuneworthy.data.table import Table
from tuneworthy.tasks import TASKS, form_of


def whole(cell: str | None) -> bool:
    """Whether a cell is nothing, or text that can be written anywhere."""
    if cell is None:
        return True
    cell.encode()
    return cell != "" and "\0" not in cell


def read_file(file: File, folder: Path) -> None:
    """A table is whole, the same in parts, and its folder is as it was; each task finds its rows or not."""
    path = folder / file.name
    path.write_bytes(file.content)
    try:
        table = read_table(path)
        assert len(table.rows) == len(table.numbers) > 0
        assert len(set(table.columns)) == len(table.columns) > 0
        assert all(row.keys() == set(table.columns) for row in table.rows)
        assert all(whole(name) for name in table.columns)
        assert all(whole(cell) for row in table.rows for cell in row.values())
        filled = [{name: cell for name, cell in row.items() if cell is not None} for row in table.rows]
        parts = list(read_parts(path, 2))
        assert [number for part in parts for number in part.numbers] == table.numbers
        in_parts = [{k: v for k, v in row.items() if v is not None} for part in parts for row in part.rows]
        assert in_parts == filled
        find_rows(table)
    finally:
        assert path.read_bytes() == file.content
        assert [one.name for one in folder.iterdir()] == [file.name]


def find_rows(table: Table) -> None:
    """Every task chooses columns and reads the rows, or refuses."""
    for name in TASKS.names():
        task = TASKS.get(name)
        try:
            columns = choose_columns(table, (), None, None, form_of(task))
            dataset, _ = to_dataset(table, columns, None, "rows", form_of(task))
            task.check_examples(dataset.examples)
        except TuneworthyError:
            continue


def read_text(file: File, folder: Path) -> None:
    """Documents are whole texts, each once."""
    path = folder / "notes.txt"
    path.write_bytes(file.content)
    found = read_documents([path])
    assert len(set(found)) == len(found) > 0
    assert all(whole(one) and one.strip() for one in found)


class Cell(NamedTuple):
    """What one row holds."""

    task: str
    input: str
    target: str | None


def read_cell(cell: Cell, folder: Path) -> None:
    """A row's canonical texts are whole; its answer is written, and read back or not, without a crash."""
    task = TASKS.get(cell.task)
    form = form_of(task)
    for holds in (form.holds_both, form.holds_target, form.holds_input):
        for one in (cell.input, cell.target):
            if holds is not None and one is not None:
                holds(one)
    table = Table(None, ("text", "label"), [{"text": cell.input, "label": cell.target}], [1])
    read = read_row(table, 0, form, Cells(cell.input, cell.target))
    assert whole(read.input or None) and whole(read.target or None)
    task.messages("", read.input)
    if read.target is None:
        return
    answer = task.format(read.target)
    answer.encode()
    task.parse(answer, (read.target,))
    task.parse(cell.input, (read.target,))
    form.as_json(read.target)
    again = read_row(table, 0, form, Cells(read.input, read.target))
    assert (again.input, again.target) == (read.input, read.target)


filled = text.map(lambda one: one.replace("\0", "")).filter(bool)
READERS = [
    Target("files_changed", changed, read_file, lambda file: len(file.content)),
    Target("files_valid", valid, read_file, lambda file: len(file.content)),
    Target("files_raw", raw, read_file, lambda file: len(file.content)),
    Target("documents", raw | changed, read_text, lambda file: len(file.content)),
    Target("cells", st.builds(Cell, st.sampled_from(TASKS.names()), filled, st.none() | filled), read_cell),
]
