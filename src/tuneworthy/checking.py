"""The data doctor on its own: examine a table, write what was found, mend what is safe to mend."""

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tuneworthy import steps
from tuneworthy.checks import run_checks
from tuneworthy.checks.personal_data import masked
from tuneworthy.checks.text_damage import repaired
from tuneworthy.core.errors import DataError, JobError
from tuneworthy.core.finding import Finding
from tuneworthy.core.job import Job
from tuneworthy.data.loading import Loaded, load
from tuneworthy.data.readers import read_table
from tuneworthy.data.splits import normalised
from tuneworthy.data.table import Table
from tuneworthy.runfolder.folder import write_text
from tuneworthy.tasks import TASKS

CHANGES = ("row", "column", "before", "after", "rule")
REVIEW = ("row", "column", "before", "proposed", "decision", "why", "other_row", "doubt", "code")
DANGEROUS = ("=", "+", "-", "@", "\t", "\r")  # a spreadsheet takes a cell that begins so for a formula
MENDED = ("wrong encoding", "control characters", "entities")  # by --fix, without asking
TAKEN = ("yes", "y", "1", "x", "true", "apply")


@dataclass(frozen=True, slots=True)
class Checked:
    """A table's findings, and the rows they speak of."""

    data: Loaded
    table: Table
    findings: tuple[Finding, ...]

    @property
    def blocking(self) -> tuple[Finding, ...]:
        """Those that would keep the main job from training."""
        return tuple(found for found in self.findings if found.blocking)


@dataclass(frozen=True, slots=True)
class Change:
    """One cell that was changed, or one row that was taken out (no column)."""

    row: int
    column: str
    before: str
    after: str
    rule: str


def check_job(job: Job, table: Table | None = None, slow: bool = False, mute: Sequence[str] = ()) -> Checked:
    """Every check's finding on the job's table.

    Raises:
        DataError, JobError, NotFoundError: the table cannot be read, or a code to mute is unknown.
    """
    table = table or read_table(Path(job.data.path))
    data = load(job, table, TASKS.get(job.task).open)
    findings = run_checks(steps.examined(job, data, slow), mute)
    unknown = set(mute) - {found.code for found in findings}
    if unknown:
        raise JobError(
            f"no check has the code '{min(unknown)}': known: {', '.join(f.code for f in findings)}."
        )
    return Checked(data, table, tuple(findings))


def fix(checked: Checked, output: Path) -> tuple[list[Change], int]:
    """Writes `clean.csv`, `changes.csv` and `review.csv`; returns the changes and the proposals to review.

    Only what cannot be wrong is changed: mis-decoded text, control characters, white space at the ends of
    labels, and repeats of a text with the same label. Doing it again changes nothing.

    Raises:
        DataError: a file of that name is there already, or it would overwrite the input.
    """
    changes = _safe_changes(checked)
    proposals = _proposals(checked)
    _refuse_overwriting(checked.table, output, ("clean.csv", "changes.csv", "review.csv"))
    output.mkdir(parents=True, exist_ok=True)
    _write_table(checked.table, changes, output / "clean.csv")
    write_text(output / "changes.csv", _changes_csv(changes))
    write_text(output / "review.csv", _csv(REVIEW, proposals))
    return changes, len(proposals)


def apply_review(checked: Checked, review: Path, output: Path) -> tuple[list[Change], int]:
    """Applies a filled-in review on top of the safe repairs: `reviewed.csv` and `reviewed_changes.csv`.

    A decision is yes (the proposal is taken), any other text (that text is taken), `delete`, or empty.
    Returns all changes, and how many of them are decisions.

    Raises:
        DataError: the review does not belong to this table, or a file would be overwritten.
    """
    safe = _safe_changes(checked)
    decided = _decisions(checked, review, safe)
    cells = {(change.row, change.column) for change in decided}
    gone = {change.row for change in decided if not change.column}
    kept = [c for c in safe if (c.row, c.column) not in cells and c.row not in gone]
    changes = [*kept, *(c for c in decided if not c.column or c.row not in gone)]
    names = ("reviewed.csv", "reviewed_changes.csv")
    _refuse_overwriting(checked.table, output, names)
    output.mkdir(parents=True, exist_ok=True)
    _write_table(checked.table, changes, output / names[0])
    write_text(output / names[1], _changes_csv(changes))
    return changes, len(decided)


def _decisions(checked: Checked, review: Path, safe: Sequence[Change]) -> list[Change]:
    """What the filled-in lines of a review ask for; each must be about a cell as it is, or as repaired."""
    asked = read_table(review)
    missing = {"row", "column", "before", "proposed", "decision"} - set(asked.columns)
    if missing:
        raise DataError(f"{asked.name} has no column '{min(missing)}': use the review.csv that --fix wrote.")
    repaired_cells = {(change.row, change.column): change.after for change in safe}
    at = {number: i for i, number in enumerate(checked.table.numbers)}
    changes = []
    for line in asked.rows:
        decision = _plain(line["decision"] or "").strip()
        if not decision:
            continue
        number, column = (line["row"] or "").strip(), line["column"] or ""
        row = int(number) if number.isdecimal() else 0
        if row not in at:
            raise DataError(
                f"{asked.name} speaks of row '{number}', which {checked.table.name} does not have."
            )
        if decision.lower() == "delete":
            changes.append(Change(row, "", "", "", "review"))
            continue
        if not column:
            raise DataError(
                f"{asked.name} says '{decision}' about row {row}, where nothing is proposed: write delete, "
                f"or leave it empty and change the row in {checked.table.name}."
            )
        cell = checked.table.rows[at[row]].get(column)
        before = _plain(line["before"] or "")
        if cell is None or before not in (cell, repaired_cells.get((row, column))):
            raise DataError(f"row {row} of {checked.table.name} has changed since {asked.name} was written.")
        after = _plain(line["proposed"] or "") if decision.lower() in TAKEN else decision
        changes.append(Change(row, column, cell, after, "review"))
    return changes


def _safe_changes(checked: Checked) -> list[Change]:
    table, columns = checked.table, checked.data.columns
    used = {row.row for row in checked.data.dataset.examples}
    changes: list[Change] = []
    seen: set[tuple[str, ...]] = set()
    for number, cells in zip(table.numbers, table.rows, strict=True):
        texts = []
        for column in columns.input:
            before = cells[column] or ""
            after = repaired(before)
            texts.append(normalised(after))
            if after != before:
                changes.append(Change(number, column, before, after, "TW012"))
        label = cells[columns.target] or ""
        if " ".join(label.split()) != label:
            changes.append(Change(number, columns.target, label, " ".join(label.split()), "TW008"))
        key = (*texts, " ".join(label.split()))
        if number in used and key in seen:
            changes = [change for change in changes if change.row != number]
            changes.append(Change(number, "", "", "", "TW001"))
        seen.add(key)
    return changes


def _proposals(checked: Checked) -> list[tuple[object, ...]]:
    """What a person should decide, the likeliest gain first: a wrong label costs more than a stray tag."""
    worth = {"TW002": 0, "TW009": 1, "TW008": 2, "TW013": 3, "TW015": 4, "TW007": 5, "TW006": 6, "TW012": 7}
    real = {"label": checked.data.columns.target, "input": checked.data.columns.input[0]}
    texts = {row.row: row.input for row in checked.data.dataset.examples}
    rows = []
    for found in checked.findings:
        if found.code not in worth or found.outcome not in ("issue", "tip"):
            continue
        for note in found.notes:
            if note.test:
                continue  # its number is another file's
            if found.code == "TW012" and note.note in MENDED:
                continue
            if found.code == "TW015":
                text = texts[note.row]
                note = note.model_copy(update={"column": "input", "before": text, "after": masked(text)})
            column = real.get(note.column, note.column)
            if column and len(checked.data.columns.input) > 1 and note.column == "input":
                column = (
                    ""  # several columns make the text: say what is wrong, and leave the cell to the reader
                )
            before, after = (note.before, note.after) if column else ("", "")
            rows.append(
                (
                    (worth[found.code], -note.doubt, note.row),
                    (
                        note.row,
                        column,
                        before,
                        after,
                        "",
                        note.note,
                        note.other or "",
                        note.doubt,
                        found.code,
                    ),
                )
            )
    return [row for _, row in sorted(rows, key=lambda item: item[0])]


def _write_table(table: Table, changes: Sequence[Change], path: Path) -> None:
    new = {(change.row, change.column): change.after for change in changes if change.column}
    gone = {change.row for change in changes if not change.column}
    rows = (
        [new.get((number, column), cells[column] or "") for column in table.columns]
        for number, cells in zip(table.numbers, table.rows, strict=True)
        if number not in gone
    )
    write_text(path, _csv(table.columns, rows))


def _changes_csv(changes: Sequence[Change]) -> str:
    return _csv(CHANGES, ((c.row, c.column, c.before, c.after, c.rule) for c in changes))


def _csv(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """CSV whose cells no spreadsheet executes: a leading sign that means a formula gets an apostrophe."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    for row in rows:
        writer.writerow([_harmless(cell) for cell in row])
    return text.getvalue()


def _harmless(cell: object) -> object:
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(DANGEROUS) else cell


def _plain(cell: str) -> str:
    """What `_harmless` was given."""
    return cell[1:] if cell.startswith("'") and cell[1:].startswith(DANGEROUS) else cell


def _refuse_overwriting(table: Table, output: Path, names: Sequence[str]) -> None:
    for name in names:
        if (output / name).exists():
            raise DataError(f"{output / name} exists already: name another folder with --output.")
