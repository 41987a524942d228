"""The data doctor's findings on an uploaded table, remembered while the server runs."""

from functools import lru_cache
from pathlib import Path

from tuneworthy.checking import Checked, check_job
from tuneworthy.core.job import Job
from tuneworthy.data.jobfile import load_job
from tuneworthy.data.readers import read_table
from tuneworthy.methods import METHODS
from tuneworthy.proposing import propose_job
from tuneworthy.repairing import count_proposals
from tuneworthy.runfolder.folder import write_text
from tuneworthy.web.views import render
from tuneworthy.web.workspace import KeptTable

JOB = "job.yaml"  # which columns mean what, as the page last proposed it
NOTES_SHOWN = 5
TEXT_SHOWN = 240


def remember_job(table: KeptTable, text: str) -> None:
    """Keeps a proposed job beside its table, so that the review reads the same columns."""
    write_text(table.folder / JOB, text)


def known_job(table: KeptTable) -> Job:
    """The job that was proposed last; one is proposed where there is none.

    Raises:
        JobError, DataError: the columns are not obvious.
    """
    path = table.folder / JOB
    if not path.exists():
        remember_job(table, propose_job(read_table(table.path), table.path.name)[0])
    return load_job(path, (), METHODS.names())


def checked(table: KeptTable) -> Checked:
    """What every check says of a table, with the columns of the job that was proposed last."""
    job = known_job(table)
    return _checked(table.path, (table.folder / JOB).read_text(encoding="utf-8"), job.data.path)


@lru_cache(maxsize=4)
def _checked(path: Path, text: str, data: str) -> Checked:
    """The same table and the same job have the same findings."""
    return check_job(load_job(path.with_name(JOB), (), METHODS.names()), read_table(path))


def findings_html(table: KeptTable) -> str:
    """The findings that ask for something, the worst first, and the way to the review."""
    from tuneworthy.reports.doctor import LOUD, ordered, said

    result = checked(table)
    texts = {row.row: row.input for row in result.data.dataset.examples}
    test = {row.row: row.input for row in result.data.test_rows}
    loud = []
    for found in ordered(result.findings):
        if found.outcome not in LOUD:
            continue
        notes = [
            (note, said(note), _cut((test if note.test else texts).get(note.row, "")))
            for note in found.notes[:NOTES_SHOWN]
        ]
        more = max(len(found.rows), len(found.notes)) - len(notes) if notes else 0
        loud.append((found, notes, more))
    return render(
        "findings",
        loud=loud,
        checks=len(result.findings),
        passed=sum(found.outcome == "passed" for found in result.findings),
        skipped=[f"{found.code} {found.message}" for found in result.findings if found.outcome == "skipped"],
        proposals=count_proposals(result),
        review=f"/review?table={table.id}",
    )


def _cut(text: str) -> str:
    return text if len(text) <= TEXT_SHOWN else f"{text[:TEXT_SHOWN]}…"
