"""The data doctor on its own: examine a table and say what was found."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from tuneworthy import steps
from tuneworthy.checks import run_checks
from tuneworthy.core.errors import DataError, JobError, MissingExtraError
from tuneworthy.core.finding import Finding
from tuneworthy.core.job import Job
from tuneworthy.data.loading import Loaded, load
from tuneworthy.data.readers import read_table
from tuneworthy.data.sampling import sampled_table
from tuneworthy.data.table import Table
from tuneworthy.tasks import TASKS, form_of
from tuneworthy.units.plan import method_of, validated_parameters


@dataclass(frozen=True, slots=True)
class Checked:
    """A table's findings, and the rows they speak of.

    Attributes:
        data, table, findings: rows, the table they come from, and what was found.
        refused: why the main job would not begin with these rows, such as too few; None where it would.
    """

    data: Loaded
    table: Table
    findings: tuple[Finding, ...]
    refused: str | None = None

    @property
    def blocking(self) -> tuple[Finding, ...]:
        """Those that would keep the main job from training."""
        return tuple(found for found in self.findings if found.blocking)

    @property
    def heading(self) -> list[str]:
        """How the table was read: which columns mean what, and what the row numbers count."""
        return [self.data.columns.explanation, *self.data.notes, self.table.numbering]


def check_job(
    job: Job,
    table: Table | None = None,
    slow: bool = False,
    mute: Sequence[str] = (),
    most: int | None = None,
) -> Checked:
    """Every check's finding on the job's table.

    Args:
        job: what to examine.
        table: stands in for the job's file when the rows are in memory already.
        slow: run slow checks on large tables too.
        mute: codes of checks to leave out, each text one or several with commas.
        most: rows of a longer file that are drawn and examined; None for all of them.

    Raises:
        DataError, JobError, NotFoundError: what would stop the main job before it plans, or a code to mute is
            unknown.
    """
    mute = [code.strip().upper() for given in mute for code in given.split(",") if code.strip()]
    told: tuple[str, ...] = ()
    if table is None and most is not None:
        table, count = sampled_table(Path(job.data.path), most, job.seed)
        if count > len(table):
            told = (
                f"{len(table):,} of {count:,} rows were drawn and examined: pairs of rows that were not both "
                "drawn are not seen, and counts are of these rows (--whole examines all).",
            )
    table = table or read_table(Path(job.data.path))
    data = load(job, table, form_of(TASKS.get(job.task)))
    data = replace(data, notes=(*told, *data.notes))
    findings = run_checks(steps.examined(job, data, slow), mute)
    unknown = set(mute) - {found.code for found in findings}
    if unknown:
        raise JobError(
            f"no check has the code '{min(unknown)}': known: {', '.join(f.code for f in findings)}."
        )
    for name in job.methods:
        validated_parameters(method_of(name, job), job)
    task, rows = TASKS.get(job.task), data.trainable()
    refused = None
    try:
        task.check_examples(rows)
    except DataError as error:
        if task.open:  # targets that the task cannot read: no check has looked at them
            raise
        refused = str(error)
    if rows:  # and so do a JSON Schema, a metric or a prompt that cannot be used on these rows
        with suppress(MissingExtraError):  # of a metric, whose library the checks do not need
            steps.ask(job, task, rows, data.json_schema)
    return Checked(data, table, tuple(findings), refused)
