"""Predict a file: the rows as they came, with label, confidence and whether the model abstained."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tuneworthy.core.errors import DataError, JobError
from tuneworthy.data.columns import require_column
from tuneworthy.data.examples import input_text, read_row
from tuneworthy.data.forms import Cells, Form
from tuneworthy.data.readers import read_table
from tuneworthy.data.safe_csv import csv_text
from tuneworthy.data.table import Table, blank
from tuneworthy.methods import Report
from tuneworthy.runfolder.folder import RunFolder, write_text
from tuneworthy.tasks import TASKS, form_of
from tuneworthy.units.predictor import Predictor

LABELLED, ANSWERED = ("label", "confidence", "abstained"), ("answer",)  # columns added


@dataclass(frozen=True, slots=True)
class Written:
    """What was written."""

    rows: int
    abstained: int
    blank: int
    method: str


def predict_file(
    run: Path,
    data: Path,
    output: Path,
    input: Sequence[str],
    abstain_below: float,
    report: Report,
    label_only: bool = False,
    send_rows: bool = False,
) -> Written:
    """Writes `output` (CSV): the columns of `data`, then label, confidence and abstained.

    Where answers are texts, one column `answer` takes their place. Blank texts get no label. With
    `label_only` no confidence is computed where that takes less time. A cell that a spreadsheet would run as
    a formula is written with a leading apostrophe.

    Raises:
        JobError, DataError, RunFolderError: one sentence each; nothing is written then.
        ConsentError: rows would be sent to another machine, and `send_rows` does not allow it.
    """
    facts = RunFolder(run).read("dataset.json")
    columns = tuple(input) or tuple(facts["input_columns"])
    form = form_of(TASKS.get(facts.get("task", "text-classification")))
    open = form.open
    added = ANSWERED if open else LABELLED
    if output.exists() and output.samefile(data):
        raise JobError(f"{output} is the input itself: name another --output.")
    if label_only and abstain_below:
        raise JobError("abstaining needs the confidence that --label-only leaves out: drop one of the two.")
    if open and abstain_below:
        raise JobError("answers that are texts have no confidence to abstain by: drop --abstain-below.")
    table = read_table(data)
    for column in columns:
        require_column(table, column)
    taken = [name for name in added if name in table.columns]
    if taken:
        raise DataError(
            f"{table.name} already has a column '{taken[0]}': rename it, it would be overwritten."
        )
    texts = _texts(table, columns, form)
    filled = [index for index, text in enumerate(texts) if text]
    predictor = Predictor(run, report)
    if abstain_below and predictor.endpoints:
        raise JobError(
            f"{predictor.endpoints[0].title} gives no confidence to abstain by: drop --abstain-below."
        )
    predictions = predictor.predict([texts[index] for index in filled], label_only, send_rows)
    answers = dict(zip(filled, predictions, strict=True))
    rows, abstained = [], 0
    for index, row in enumerate(table.rows):
        answer = answers.get(index)
        confidence = answer.confidence if answer is not None else None
        hides = answer is not None and (confidence or 0.0) < abstain_below
        abstained += hides
        label = "" if answer is None or hides else answer.value or ""
        shown = "" if confidence is None else f"{confidence:.4f}"
        found = [label] if open else [label, shown, str(hides).lower()]
        rows.append([*(row[name] or "" for name in table.columns), *found])
    write_text(output, csv_text([*table.columns, *added], rows))
    return Written(len(rows), abstained, len(rows) - len(filled), predictor.unit.method)


def _texts(table: Table, columns: Sequence[str], form: Form) -> list[str]:
    """The input of each row, joined and read as in training; empty when every column is blank."""
    joined = [input_text(row, columns) for row in table.rows]
    return [
        "" if blank(text) else read_row(table, index, form, Cells(text, None, len(columns) > 1)).input
        for index, text in enumerate(joined)
    ]
