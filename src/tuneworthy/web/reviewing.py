"""The label review of an uploaded table: the files that `check --fix` writes, filled in one row at a time."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tuneworthy.core.errors import NotFoundError
from tuneworthy.data.readers import read_table
from tuneworthy.data.safe_csv import csv_text, plain
from tuneworthy.repairing import LITERAL, REFUSED, REVIEW, TAKEN, apply_review, fix
from tuneworthy.runfolder.folder import write_text
from tuneworthy.web.doctoring import checked
from tuneworthy.web.workspace import KeptTable

FILES = {
    "review.csv": "the rows in doubt, with your decisions",
    "reviewed.csv": "the table with safe repairs and your decisions",
    "reviewed_changes.csv": "every change of reviewed.csv",
    "clean.csv": "the table with safe repairs alone",
    "changes.csv": "every change of clean.csv",
}
DELETE = "delete"


@dataclass(frozen=True, slots=True)
class Doubt:
    """One line of the review: what it says of a row, and what was decided."""

    row: str
    label: str
    text: str
    column: str
    before: str
    proposed: str
    decision: str
    why: str
    other_row: str
    code: str


class Review:
    """The rows in doubt of one table, in the order of their worth."""

    def __init__(self, table: KeptTable) -> None:
        """Reads the review, which `fix` writes where there is none yet.

        Raises:
            DataError, JobError: the columns are not obvious, see `check_job`.
        """
        self.table = table
        self._path = table.checked / "review.csv"
        if not self._path.exists():
            fix(checked(table), table.checked)
        self._lines = read_lines(self._path)

    def __len__(self) -> int:
        return len(self._lines)

    @property
    def labels(self) -> list[str]:
        """The labels of the table, which a wrong one can be changed to; none where answers are texts."""
        data = checked(self.table).data
        return [] if data.open else sorted({str(row.target) for row in data.dataset.examples})

    @property
    def decided(self) -> int:
        """How many lines have a decision."""
        return sum(bool(line["decision"]) for line in self._lines)

    def doubt(self, index: int) -> Doubt:
        """One line; raises NotFoundError when there is no such line."""
        if not 0 <= index < len(self._lines):
            raise NotFoundError("there is no such row in doubt.")
        line = self._lines[index]
        return Doubt(**{name: line[name] for name in Doubt.__dataclass_fields__})

    def decide(self, index: int, decision: str) -> None:
        """Writes a decision into the review; an empty one takes it back."""
        self.doubt(index)
        self._lines[index]["decision"] = decision
        rows = ([line[name] for name in REVIEW] for line in self._lines)
        write_text(self._path, csv_text(REVIEW, rows))

    def accept(self, index: int) -> None:
        """Takes the proposal, in a word that is no label of the table."""
        self.decide(index, _word(TAKEN, self.labels))

    def keep(self, index: int) -> None:
        """Leaves the row as it is."""
        self.decide(index, _word(REFUSED, self.labels))

    def change(self, index: int, value: str) -> None:
        """Puts another value in the proposal's place."""
        self.decide(index, f"{LITERAL}{value}")

    def next_open(self, after: int) -> int:
        """The next line without a decision, around the end; `len` when every line has one."""
        order = [*range(after + 1, len(self)), *range(after + 1)]
        return next((index for index in order if not self._lines[index]["decision"]), len(self))

    def apply(self) -> tuple[int, int]:
        """Writes `reviewed.csv`, in place of an earlier one; returns decisions and safe changes."""
        for name in ("reviewed.csv", "reviewed_changes.csv"):
            (self.table.checked / name).unlink(missing_ok=True)
        changes, decisions = apply_review(checked(self.table), self._path, self.table.checked)
        return decisions, len(changes) - decisions

    def files(self) -> list[tuple[str, str]]:
        """The files that are there, and what each holds."""
        return [(name, what) for name, what in FILES.items() if (self.table.checked / name).exists()]


def read_lines(path: Path) -> list[dict[str, str]]:
    """The lines of a review, without what keeps a spreadsheet from running a cell."""
    if path.read_text(encoding="utf-8").strip() == ",".join(REVIEW):
        return []  # no row is in doubt, and a table without rows cannot be read
    return [{name: plain(cell or "") for name, cell in row.items()} for row in read_table(path).rows]


def in_words(decision: str) -> str:
    """What a decision means, for a person."""
    if not decision:
        return "none yet"
    if decision.startswith(LITERAL):
        return f"change to {decision[len(LITERAL) :]}"
    folded = decision.casefold()
    if folded == DELETE:
        return "delete the row"
    if folded in TAKEN:
        return "accept the proposal"
    return "keep as it is" if folded in REFUSED else f"change to {decision}"


def _word(words: Sequence[str], labels: Sequence[str]) -> str:
    """A word for a decision that is not a label at the same time."""
    taken = {label.casefold() for label in labels}
    return next(word for word in words if word not in taken)
