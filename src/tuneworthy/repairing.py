"""What the data doctor mends: safe repairs at once, everything else as proposals that a person decides."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tuneworthy.checking import Checked
from tuneworthy.checks.personal_data import masked
from tuneworthy.checks.text_damage import repaired
from tuneworthy.core.errors import DataError
from tuneworthy.core.finding import Finding, RowNote
from tuneworthy.core.hashing import address
from tuneworthy.core.registry import did_you_mean
from tuneworthy.core.turn_marks import apart
from tuneworthy.data.readers import read_table
from tuneworthy.data.safe_csv import csv_text, plain
from tuneworthy.data.table import Table
from tuneworthy.runfolder.disk import make_folder
from tuneworthy.runfolder.folder import write_text

CHANGES = ("row", "column", "before", "after", "rule")
REVIEW = (
    *("id", "row", "label", "text", "column", "before", "proposed", "decision"),
    *("why", "other_row", "doubt", "code"),
)
MENDED = ("wrong encoding", "control characters", "entities")  # without asking
TAKEN = ("yes", "y", "1", "x", "true", "apply", "ok")
REFUSED = ("no", "n", "0", "false", "skip", "keep", "ignore", "leave", "none", "-", "?")
LITERAL = "label:"  # before a value that is also one of the words above, or a label that no row has yet
GONE = "(row removed)"
EXCERPT = 200  # characters of a row's text in the review
# The order in which a person's minute is worth most: a wrong label costs more than a stray tag.
WORTH = (
    *("TW002", "TW009", "TW008", "TW026", "TW013", "TW015"),
    *("TW003", "TW007", "TW001", "TW006", "TW011", "TW012"),
)


@dataclass(frozen=True, slots=True)
class Change:
    """One cell that was changed, or one row that was taken out (no column; `before` is its text)."""

    row: int
    column: str
    before: str
    after: str
    rule: str


def fix(checked: Checked, output: Path) -> tuple[list[Change], int]:
    """Writes `clean.csv`, `changes.csv` and `review.csv`; returns the changes and the proposals to review.

    Only what cannot be wrong is changed: mis-decoded text, control characters, entities, white space at the
    ends of labels, and repeats of a text with the same label. Doing it again changes nothing.

    Raises:
        DataError: a file of that name is there already.
        RunFolderError: the folder cannot be made.
    """
    changes = _safe_changes(checked)
    proposals = _proposals(checked)
    _refuse_overwriting(output, ("clean.csv", "changes.csv", "review.csv"))
    make_folder(output)
    _write_table(checked.table, changes, output / "clean.csv")
    write_text(output / "changes.csv", _changes_csv(changes))
    write_text(output / "review.csv", csv_text(REVIEW, proposals))
    return changes, len(proposals)


def count_proposals(checked: Checked) -> int:
    """How many lines a review of these findings has."""
    return len(_proposals(checked))


def apply_review(checked: Checked, review: Path, output: Path) -> tuple[list[Change], int]:
    """Applies a filled-in review on top of the safe repairs: `reviewed.csv` and `reviewed_changes.csv`.

    A decision is yes (the proposal is taken), no or empty (the cell stays), `delete`, or another value. A
    label that no row has yet, or that is one of those words, is written `label:no`.
    Returns all changes, and how many of them are decisions.

    Raises:
        DataError: the review does not belong to this table, or a file would be overwritten.
        RunFolderError: the folder cannot be made.
    """
    safe = _safe_changes(checked)
    decided = _decisions(checked, review, safe)
    cells = {(change.row, change.column) for change in decided}
    gone = {change.row for change in decided if not change.column}
    kept = [c for c in safe if (c.row, c.column) not in cells and c.row not in gone]
    changes = [*kept, *(c for c in decided if not c.column or c.row not in gone)]
    names = ("reviewed.csv", "reviewed_changes.csv")
    _refuse_overwriting(output, names)
    make_folder(output)
    _write_table(checked.table, changes, output / names[0])
    write_text(output / names[1], _changes_csv(changes))
    return changes, len(decided)


def _decisions(checked: Checked, review: Path, safe: Sequence[Change]) -> list[Change]:
    """What the filled-in lines of a review ask for; each must be about a row as it was then."""
    asked, table = read_table(review), checked.table
    missing = {"id", "row", "column", "before", "proposed", "decision"} - set(asked.columns)
    if missing:
        raise DataError(f"{asked.name} has no column '{min(missing)}': use the review.csv that --fix wrote.")
    mended = {(change.row, change.column): change.after for change in safe}
    at = {number: i for i, number in enumerate(table.numbers)}
    labels = {str(row.target) for row in checked.data.dataset.examples}
    changes: dict[tuple[int, str], Change] = {}
    for line in asked.rows:
        decision = plain(line["decision"] or "").strip()
        if not decision:
            continue
        number, column = (line["row"] or "").strip(), line["column"] or ""
        column = column if column in table.columns else plain(column)
        row = int(number) if number.isdecimal() else 0
        if row not in at:
            raise DataError(f"{asked.name} speaks of row '{number}', which {table.name} does not have.")
        cells = table.rows[at[row]]
        if line["id"] != _fingerprint(table, at[row]):
            raise DataError(
                f"row {row} of {table.name} is not the one that {asked.name} was written about: apply a "
                "review to the very table that --fix was given."
            )
        if decision.casefold() == "delete":
            changes[row, ""] = Change(row, "", _text_of(checked, at[row]), GONE, "review")
            continue
        about = f"{asked.name} says '{decision}' about row {row}"
        proposed, is_target = plain(line["proposed"] or ""), column == checked.data.columns.target
        targets = labels if is_target else set[str]()
        after = _value(decision, proposed, column, targets, is_target and not checked.data.open, about)
        if after is None:
            continue
        before = cells.get(column) or ""
        change = Change(row, column, before, after, "review")
        if (row, column) in changes and changes[row, column].after != change.after:
            raise DataError(
                f"{asked.name} decides twice about column '{column}' of row {row}: leave one of them empty."
            )
        if change.after not in (before, mended.get((row, column))):
            changes[row, column] = change
    return list(changes.values())


def _value(
    decision: str, proposed: str, column: str, labels: set[str], closed: bool, about: str
) -> str | None:
    """The cell that a decision asks for; None where it is to stay.

    Args:
        decision: the word or value that was written.
        proposed: what `yes` takes.
        column: whose cell it is; empty where no cell holds the text.
        labels: the targets of the rows where the cell is a target, else none.
        closed: whether another target than these is probably a slip.
        about: how an error begins.

    Raises:
        DataError: there is nothing to take, or it is not clear whether a label is meant, or which.
    """
    word = decision.casefold()
    literal = word.startswith(LITERAL)
    if not literal and decision in labels and word in (*TAKEN, *REFUSED):
        raise DataError(
            f"{about}, which is also a label here: write {LITERAL}{decision} for the label, or apply, keep "
            "or delete."
        )
    if not literal and word in REFUSED:
        return None
    takes = not literal and word in TAKEN
    if not column or (takes and not proposed):
        what = "delete" if not column else "the right value, delete"
        raise DataError(f"{about}, where nothing is proposed: write {what} or no.")
    if literal:
        return decision[len(LITERAL) :].strip()
    if closed and not takes and decision not in (*labels, proposed):
        raise DataError(
            f"{about}, which is no row's label: {did_you_mean(decision, sorted(labels))} A new label is "
            f"written {LITERAL}{decision}; else write apply, keep or delete."
        )
    return proposed if takes else decision


def _safe_changes(checked: Checked) -> list[Change]:
    table, columns = checked.table, checked.data.columns
    used = {row.row for row in checked.data.dataset.examples}
    structured = _structured(checked) if len(columns.input) == 1 else set()
    changes: list[Change] = []
    seen: set[tuple[str, ...]] = set()
    for i, (number, cells) in enumerate(zip(table.numbers, table.rows, strict=True)):
        texts = []
        for column in columns.input:
            before = cells[column] or ""
            after = repaired(before)
            texts.append(" ".join(after.split()))
            if after != before and number not in structured:
                changes.append(Change(number, column, before, after, "TW012"))
        label = (cells[columns.target] or "") if columns.target is not None else ""
        tidy = label if checked.data.open else " ".join(label.split())
        if columns.target is not None and tidy != label:
            changes.append(Change(number, columns.target, label, tidy, "TW008"))
        key = (*texts, tidy)
        if number in used and key in seen:
            changes = [change for change in changes if change.row != number]
            changes.append(Change(number, "", _text_of(checked, i), GONE, "TW001"))
        seen.add(key)
    return changes


def _proposals(checked: Checked) -> list[tuple[object, ...]]:
    """What a person should decide, the likeliest gain first."""
    done = {change.row for change in _safe_changes(checked) if not change.column}
    at = {number: i for i, number in enumerate(checked.table.numbers)}
    examples = {row.row: row for row in checked.data.dataset.examples}
    structured = _structured(checked)
    rows = []
    for found in checked.findings:
        if found.code not in WORTH or found.outcome not in ("issue", "tip"):
            continue
        for note in found.notes:
            if note.test or note.row in done or (found.code == "TW012" and note.note in MENDED):
                continue
            whole = note.row not in structured
            column, before, after = _proposal(checked, found, note, examples[note.row].input, whole)
            if found.code == "TW008" and " ".join(before.split()) == after:
                continue  # white space, mended already
            example = examples[note.row]
            text = example.input if len(example.input) <= EXCERPT else f"{example.input[:EXCERPT]}..."
            rows.append(
                (
                    (WORTH.index(found.code), -note.doubt, note.row),
                    (
                        *(_fingerprint(checked.table, at[note.row]), note.row, example.target or "", text),
                        *(column, before, after, "", note.note, note.other or "", note.doubt, found.code),
                    ),
                )
            )
    return [row for _, row in sorted(rows, key=lambda item: item[0])]


def _proposal(
    checked: Checked, found: Finding, note: RowNote, text: str, whole: bool
) -> tuple[str, str, str]:
    """Column, cell and proposal; where no cell holds the whole text, it is left to the reader."""
    columns = checked.data.columns
    before, after, column = note.before, note.after, note.column
    if found.code == "TW015":
        column, before, after = "input", text, masked(repaired(text))
    if found.code == "TW013":
        column, before, after = "input", text, apart(repaired(text))
    if column == "label":
        return (columns.target, before, after) if columns.target is not None else ("", "", "")
    if column == "input":
        return (columns.input[0], before, after) if whole else ("", "", "")
    return column, before, after


def _structured(checked: Checked) -> set[int]:
    """Rows whose text is no cell as it stands: joined from several, or read out of tokens or turns."""
    column, table = checked.data.columns.input[0], checked.table
    cells = dict(zip(table.numbers, (row[column] for row in table.rows), strict=True))
    return {row.row for row in checked.data.dataset.examples if row.input != cells[row.row]}


def _fingerprint(table: Table, index: int) -> str:
    """A row's content in twelve characters, so that a review of another table is noticed."""
    return address([table.rows[index][column] or "" for column in table.columns])[:12]


def _text_of(checked: Checked, index: int) -> str:
    cells = checked.table.rows[index]
    return " | ".join(cells[column] or "" for column in checked.data.columns.input)


def _write_table(table: Table, changes: Sequence[Change], path: Path) -> None:
    """The table with the changes; what a label or a text says is not altered for a spreadsheet's sake."""
    new = {(change.row, change.column): change.after for change in changes if change.column}
    gone = {change.row for change in changes if not change.column}
    rows = (
        [new.get((number, column), cells[column] or "") for column in table.columns]
        for number, cells in zip(table.numbers, table.rows, strict=True)
        if number not in gone
    )
    write_text(path, csv_text(table.columns, rows, as_they_are=True))


def _changes_csv(changes: Sequence[Change]) -> str:
    return csv_text(CHANGES, ((c.row, c.column, c.before, c.after, c.rule) for c in changes))


def _refuse_overwriting(output: Path, names: Sequence[str]) -> None:
    for name in names:
        if (output / name).exists():
            raise DataError(f"{output / name} exists already: name another folder with --output.")
