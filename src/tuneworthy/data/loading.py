"""From a job to its rows: the labelled table and, when there is one, the user's test file."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tuneworthy.core.errors import DataError, JobError
from tuneworthy.core.example import Dataset, Example, label_counts
from tuneworthy.core.job import Job
from tuneworthy.data.columns import Columns, choose_columns
from tuneworthy.data.examples import to_dataset
from tuneworthy.data.forms import PLAIN, Form
from tuneworthy.data.json_schema import read_json_schema
from tuneworthy.data.readers import read_table
from tuneworthy.data.repeats import normalised
from tuneworthy.data.table import Table
from tuneworthy.data.whole_labels import in_whole_numbers, with_whole_labels


@dataclass(frozen=True, slots=True)
class Loaded:
    """The rows of a job.

    Attributes:
        dataset: the labelled table.
        test: rows of the user's test file, or none.
        columns: which columns were used and why.
        notes: one sentence for each kind of row that was left out.
        source, test_source: what to call the files in reports.
        others: the labelled table's other columns, a cell for each row of `dataset`.
        open: whether targets are texts of their own.
        json_schema: the user's JSON Schema of the targets, where the job names one.
    """

    dataset: Dataset
    test: Dataset | None
    columns: Columns
    notes: tuple[str, ...]
    source: str
    test_source: str | None
    others: dict[str, list[str | None]]
    open: bool = False
    json_schema: dict[str, Any] | None = None

    @property
    def test_rows(self) -> tuple[Example, ...]:
        """The test file's rows."""
        return self.test.examples if self.test is not None else ()

    def trainable(self) -> list[Example]:
        """The table without rows that are also in the test file."""
        held = {normalised(row.input) for row in self.test_rows}
        return [row for row in self.dataset.examples if normalised(row.input) not in held]

    def scorable_test(self) -> list[Example]:
        """The test rows whose label a trainable row has (the others were accepted as left out); where targets
        are open, all of them. None where there is no test file.

        Raises:
            DataError: there is a test file, and no row of it can be scored.
        """
        if self.open:
            return list(self.test_rows)
        known = label_counts(self.trainable())
        found = [row for row in self.test_rows if row.target in known]
        if self.test_rows and known and not found:
            raise DataError(
                f"no row of {self.test_source} has a label that {self.source} can teach: correct the labels "
                "of one of the two (tuneworthy check lists them), or leave the test file out."
            )
        return found


def load(job: Job, table: Table | None = None, form: Form = PLAIN) -> Loaded:
    """Reads what the job names.

    Args:
        job: what to read.
        table: stands in for `data.path` when the rows are in memory already.
        form: how rows of the job's task stand in a table.

    Raises:
        NotFoundError, DataError, JobError: one sentence each, see the readers and `choose_columns`.
    """
    spec = job.data
    if spec.blank_means_none and form.nothing is None:
        raise JobError(
            f"data.blank_means_none is for tasks in which a row may have nothing to find, and {job.task} is "
            "none: leave it out, or name the --task."
        )
    table = table or read_table(Path(spec.path))
    columns = choose_columns(table, spec.input, spec.target, spec.group, form)
    tables = [table]
    if spec.test is not None:
        tables.append(read_table(Path(spec.test)))
    notes = []
    if not form.open and columns.target is not None and in_whole_numbers(tables, columns.target):
        form = replace(form, read=with_whole_labels)
        notes.append(f"The labels ({columns.target}) are whole numbers written as 1.0, and were read as 1.")
    sets = []
    for one, path in zip(tables, (spec.path, spec.test), strict=False):
        rows, told = to_dataset(one, columns, spec.group, Path(str(path)).stem, form, spec.blank_means_none)
        sets.append(rows)
        notes += [*one.notes, *told]
    return Loaded(
        dataset=sets[0],
        test=sets[1] if spec.test is not None else None,
        columns=columns,
        notes=tuple(notes),
        source=Path(spec.path).name,
        test_source=Path(spec.test).name if spec.test else None,
        others=_other_columns(table, columns, sets[0]),
        open=form.open,
        json_schema=None if job.json_schema is None else read_json_schema(Path(job.json_schema)),
    )


def _other_columns(table: Table, columns: Columns, dataset: Dataset) -> dict[str, list[str | None]]:
    """The columns that are neither text nor label, aligned with the examples."""
    at = {number: index for index, number in enumerate(table.numbers)}
    used = {*columns.input, columns.target}
    rows = [table.rows[at[example.row]] for example in dataset.examples]
    return {name: [row[name] for row in rows] for name in table.columns if name not in used}
