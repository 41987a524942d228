"""Predict a file: the rows as they came, with label, confidence and whether the model abstained."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tuneworthy.core.endpoint import require_consent
from tuneworthy.core.errors import DataError, JobError
from tuneworthy.core.hashing import address, file_digest
from tuneworthy.core.prediction import Prediction
from tuneworthy.data.columns import require_column
from tuneworthy.data.examples import input_text, read_row
from tuneworthy.data.forms import Cells, Form
from tuneworthy.data.json_lines import read_objects
from tuneworthy.data.nested import nested
from tuneworthy.data.readers import read_parts
from tuneworthy.data.safe_csv import csv_lines, csv_text
from tuneworthy.data.table import Table, blank
from tuneworthy.methods import Report
from tuneworthy.runfolder.folder import RunFolder
from tuneworthy.runfolder.growing_file import GrowingFile
from tuneworthy.tasks import TASKS, form_of
from tuneworthy.units.predictor import Predictor

# Rows that are answered and written together, by the costliest model: a stop costs one part. Always the same
# number, so that a file that was stopped has the bytes of one that was not.
PARTS = {"none": 20_000, "embedder": 5_000, "decoder": 500, "prompter": 500}
LABELLED, ANSWERED = ("label", "confidence", "abstained"), ("answer",)  # columns added
JSON_LINES = ".jsonl"


@dataclass(frozen=True, slots=True)
class Written:
    """What was written.

    Attributes:
        rows, abstained, blank: of the file.
        method: that answered.
        before: rows that were there already, of a call that was stopped.
        replaced: whether a file of that name was there.
    """

    rows: int
    abstained: int
    blank: int
    method: str
    before: int = 0
    replaced: bool = False


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
    """Writes `output`: the columns of `data`, then label, confidence and abstained.

    Where answers are texts, one column `answer` takes their place. Blank texts get no label. With
    `label_only` no confidence is computed where that takes less time. The ending of `output` decides: in a
    `.csv` a cell that a spreadsheet would run as a formula has a leading apostrophe; in a `.jsonl` numbers,
    lists and records are JSON.

    A file of any length is read, answered and written in parts, after a first reading that finds what is
    wrong with it. Called again after it was stopped, it goes on after the last part that was written.

    Raises:
        JobError, DataError, RunFolderError: one sentence each; nothing is written then.
        ConsentError: rows would be sent to another machine, and `send_rows` does not allow it.
    """
    facts = RunFolder(run).read("dataset.json")
    columns = tuple(input) or tuple(facts["input_columns"])
    form = form_of(TASKS.get(facts.get("task", "text-classification")))
    open = form.open
    if output.suffix.lower() not in (".csv", JSON_LINES):
        raise JobError(
            f"answers are written to a .csv or a {JSON_LINES} file: name --output so, not {output}."
        )
    if output.exists() and data.exists() and output.samefile(data):
        raise JobError(f"{output} is the input itself: name another --output.")
    if label_only and abstain_below:
        raise JobError("abstaining needs the confidence that --label-only leaves out: drop one of the two.")
    if open and abstain_below:
        raise JobError("answers that are texts have no confidence to abstain by: drop --abstain-below.")
    survey = surveyed(data, columns, form, ANSWERED if open else LABELLED)
    offset = Offset(report, survey.rows)
    predictor = Predictor(run, offset)
    if abstain_below and predictor.endpoints:
        raise JobError(
            f"{predictor.endpoints[0].title} gives no confidence to abstain by: drop --abstain-below."
        )
    require_consent(predictor.endpoints, survey.rows - survey.blank, send_rows)
    size = min((PARTS[role] for role in predictor.unit.models), default=PARTS["none"])
    asked = [predictor.unit.address, file_digest(data), columns, abstain_below, label_only, size]
    with GrowingFile(output, address(asked)) as file:
        before = done = file.counts.get("rows", 0)
        abstained, replaced = file.counts.get("abstained", 0), output.exists()
        for number, part in enumerate(read_parts(data, size)):
            if number * size < done:
                continue
            offset.done, offset.rows = done, len(part)
            texts = _texts(part, columns, form)
            filled = [index for index, text in enumerate(texts) if text]
            predictions = predictor.predict([texts[index] for index in filled], label_only, send_rows)
            answers = dict(zip(filled, predictions, strict=True))
            found = [_added(answers.get(index), abstain_below, open) for index in range(len(part))]
            done += len(part)
            abstained += sum(one.get("abstained", False) for one in found)
            content = _content(output, part, found, survey, form, first=number == 0)
            file.append(content, {"rows": done, "abstained": abstained})
            report(done, survey.rows, {})
        file.finish()
    return Written(survey.rows, abstained, survey.blank, predictor.unit.method, before, replaced)


@dataclass(frozen=True, slots=True)
class Survey:
    """What a first reading finds: how many rows, how many of them blank, and all columns."""

    rows: int
    blank: int
    columns: tuple[str, ...]


def surveyed(data: Path, columns: Sequence[str], form: Form, added: Sequence[str]) -> Survey:
    """Reads a file once, so that whatever is wrong with it is said before hours are spent.

    Raises:
        JobError: a column is missing.
        DataError: a row cannot be read, or one of the columns to be added is there already.
    """
    rows = blank_rows = 0
    known: dict[str, None] = {}
    for part in read_parts(data, PARTS["none"]):
        known.update(dict.fromkeys(part.columns))
        texts = _texts(part, columns, form)
        rows += len(texts)
        blank_rows += texts.count("")
    whole = Table(data, tuple(known), [], [])
    for column in columns:
        require_column(whole, column)
    taken = [name for name in added if name in known]
    if taken:
        raise DataError(f"{data.name} already has a column '{taken[0]}': rename it, it would be overwritten.")
    return Survey(rows, blank_rows, whole.columns)


class Offset:
    """Progress within a part as progress in the file."""

    def __init__(self, report: Report, total: int) -> None:
        self._report = report
        self._total = total
        self.done = 0
        self.rows = 0

    def __call__(self, done: int, total: int, facts: dict[str, float]) -> None:
        """A method's own count, of rows or of something else, is a share of the part."""
        self._report(self.done + self.rows * done // max(1, total), self._total, facts)


def _content(
    output: Path, part: Table, found: Sequence[dict[str, Any]], survey: Survey, form: Form, first: bool
) -> str:
    """A part of the output; the first has the header."""
    if output.suffix.lower() == JSON_LINES:
        return _json_lines(part, found, form)
    rows = _csv_rows(part, found, survey.columns)
    return csv_text([*survey.columns, *found[0]], rows) if first else csv_lines(rows)


def _added(answer: Prediction | None, abstain_below: float, open: bool) -> dict[str, Any]:
    """The values of the added columns; None where there is nothing to say."""
    if open:
        return {ANSWERED[0]: answer.value if answer is not None else None}
    confidence = answer.confidence if answer is not None else None
    hides = answer is not None and (confidence or 0.0) < abstain_below
    label = None if answer is None or hides else answer.value
    rounded = None if confidence is None else round(confidence, 4)
    return dict(zip(LABELLED, (label, rounded, hides), strict=True))


def _csv_rows(table: Table, found: Sequence[dict[str, Any]], columns: Sequence[str]) -> list[list[str]]:
    def cell(value: Any) -> str:
        if isinstance(value, bool):
            return str(value).lower()
        return f"{value:.4f}" if isinstance(value, float) else value or ""

    return [
        [*(row.get(name) or "" for name in columns), *map(cell, added.values())]
        for row, added in zip(table.rows, found, strict=True)
    ]


def _json_lines(table: Table, found: Sequence[dict[str, Any]], form: Form) -> str:
    """An object a row: as it came from JSON lines, else its cells; and what was added."""
    given = read_objects(table) if table.lines else [_parsed(row) for row in table.rows]
    lines = []
    for row, added in zip(given, found, strict=True):
        answer = added.get(ANSWERED[0])
        typed = added if answer is None else {ANSWERED[0]: form.as_json(answer)}
        lines.append(json.dumps({**row, **typed}, ensure_ascii=False, allow_nan=False) + "\n")
    return "".join(lines)


def _parsed(row: dict[str, str | None]) -> dict[str, Any]:
    """A row's cells, lists and objects taken out of their text."""

    def value(cell: str | None) -> Any:
        try:
            found = None if cell is None else nested(cell)
        except DataError:  # a printed list: a text here
            found = None
        return cell if found is None else found

    return {name: value(cell) for name, cell in row.items()}


def _texts(table: Table, columns: Sequence[str], form: Form) -> list[str]:
    """The input of each row, joined and read as in training; empty when every column is blank."""
    joined = [input_text({name: row.get(name) for name in columns}, columns) for row in table.rows]
    return [
        "" if blank(text) else read_row(table, index, form, Cells(text, None, len(columns) > 1)).input
        for index, text in enumerate(joined)
    ]
