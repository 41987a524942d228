"""From a table and its columns to the examples: joined, read as the task reads them, blank ones left out."""

from collections import Counter, defaultdict
from collections.abc import Sequence

from tuneworthy.core.errors import DataError
from tuneworthy.core.example import Dataset, Example, example_id
from tuneworthy.data.columns import Columns, require_column
from tuneworthy.data.forms import PLAIN, Cells, Form, Read
from tuneworthy.data.table import Table, blank


def to_dataset(
    table: Table,
    columns: Columns,
    group: str | None,
    name: str,
    form: Form = PLAIN,
    keep_blank: bool = False,
) -> tuple[Dataset, list[str]]:
    """The rows with a text and a label as examples, and a sentence for each kind of row left out.

    One input column is used as it is; several become lines `name: value`, blank ones among them left out.

    Args:
        table: the rows.
        columns: which columns to use.
        group: the group column, if any; a blank group is no group.
        name: what the dataset is called.
        form: how rows of the task stand in a table.
        keep_blank: a blank label means that there is nothing to find (`form.nothing`).

    Raises:
        JobError: a column does not exist.
        DataError: no row has both a text and a label, or a row cannot be read; the message names it.
    """
    for column in (*columns.input, columns.target, group):
        if column is not None:
            require_column(table, column)
    seen: Counter[str] = Counter()
    examples: list[Example] = []
    left_out: dict[str, list[int]] = defaultdict(list)
    noted: dict[str, list[int]] = defaultdict(list)
    for index, (row, number) in enumerate(zip(table.rows, table.numbers, strict=True)):
        text, label, note = _read(table, index, columns, form, keep_blank)
        if label is None:
            left_out[note].append(index)
            continue
        if note:
            noted[note].append(index)
        belongs = None if group is None or blank(row[group]) else row[group]
        stem = example_id(text, label, belongs, 0)
        identity = example_id(text, label, belongs, seen[stem])
        seen[stem] += 1
        examples.append(Example(id=identity, input=text, target=label, group=belongs, row=number))
    if not examples:
        raise DataError(_none_left(table, columns, left_out))
    dataset = Dataset(
        name=name,
        examples=tuple(examples),
        input_columns=columns.input,
        target_column=columns.target,
        group_column=group,
    )
    told = [_left_out(table, rows, why) for why, rows in sorted(left_out.items(), reverse=True)]
    return dataset, told + [
        f"{what}, in {len(rows)} of {len(table)} rows: {table.where(rows)}." for what, rows in noted.items()
    ]


def _read(table: Table, index: int, columns: Columns, form: Form, keep_blank: bool) -> Read:
    """A row's texts and note; without a target where it is left out, and then the note says why."""
    row = table.rows[index]
    text = input_text(row, columns.input)
    label = None if columns.target is None else row[columns.target]
    if keep_blank and blank(label):
        label = form.nothing
    no_text = f"the text ({', '.join(columns.input)}) is blank"
    no_label = f"the label ({columns.target or columns.input[0]}) is blank"
    if form.nothing is not None:
        no_label += " (data.blank_means_none keeps them as rows with nothing to find)"
    if blank(text) or (columns.target is not None and blank(label)):
        return Read(text, None, no_text if blank(text) else no_label)
    read = read_row(table, index, form, Cells(text, label, len(columns.input) > 1))
    if blank(read.input):
        return Read(text, None, no_text)
    if blank(read.target):
        return Read(text, None, (read.target is None and read.note) or no_label)
    return read


def input_text(row: dict[str, str | None], columns: Sequence[str]) -> str:
    """The input of a row: its one column, or lines `name: value` of those that are not blank."""
    if len(columns) == 1:
        return row[columns[0]] or ""
    return "\n".join(f"{column}: {row[column]}" for column in columns if not blank(row[column]))


def read_row(table: Table, index: int, form: Form, cells: Cells) -> Read:
    """A row's cells as the task reads them. Raises DataError with the row's place in front."""
    try:
        return form.read(cells)
    except DataError as error:
        raise DataError(f"{table.name}, {table.where([index])}: {error}") from None


def _left_out(table: Table, indices: list[int], why: str) -> str:
    verb = "were" if len(indices) > 1 else "was"
    return f"{len(indices)} of {len(table)} rows {verb} left out because {why}: {table.where(indices)}."


def _none_left(table: Table, columns: Columns, left_out: dict[str, list[int]]) -> str:
    text = ", ".join(columns.input)
    if columns.target is None:
        why = "; ".join(f"{reason} ({len(rows)} rows)" for reason, rows in left_out.items())
        return (
            f"{table.name}: none of the {len(table)} rows of column '{text}' has an input and an answer: "
            f"{why}; name the column with the answers by --target, if there is one."
        )
    return (
        f"{table.name}: none of the {len(table)} rows has both a text ({text}) and a "
        f"label ({columns.target}); fill these columns in or name others."
    )
