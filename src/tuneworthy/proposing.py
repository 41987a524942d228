"""A first job for a table: which columns, which arms, as `init` writes it and the pages show it."""

from collections.abc import Sequence
from pathlib import Path

from tuneworthy.arms import unsuited
from tuneworthy.core.example import label_counts
from tuneworthy.core.job import Job
from tuneworthy.data.columns import choose_columns
from tuneworthy.data.examples import to_dataset
from tuneworthy.data.job_starter import starter_job
from tuneworthy.data.table import Table
from tuneworthy.methods import METHODS
from tuneworthy.metrics import METRICS, is_error
from tuneworthy.tasks import TASKS, form_of


def propose_job(
    table: Table,
    data_path: str,
    task: str | None = None,
    input: Sequence[str] = (),
    target: str | None = None,
    group: str | None = None,
) -> tuple[str, str]:
    """The text of a job file for a table, and a sentence on how its columns were chosen.

    Args:
        table: the rows.
        data_path: the table, as the job should name it.
        task: its name; default: a job's.
        input, target, group: columns; those that are not named are found where they are obvious.

    Raises:
        DataError, JobError, NotFoundError: one sentence each, see `choose_columns`.
    """
    kind = TASKS.get(task or Job.model_fields["task"].default)
    form = form_of(kind)
    columns = choose_columns(table, input, target, group, form)
    dataset, _ = to_dataset(table, columns, group, Path(data_path).stem, form)
    labels = [] if kind.open else list(label_counts(dataset.examples))
    error = is_error(METRICS.get(kind.metrics[0]))
    rows = [row for row in dataset.examples if row.target is not None]
    left_out = {arm: why for arm in kind.arms if (why := unsuited(METHODS.get(arm), kind, rows))}
    arms = [arm for arm in kind.arms if arm not in left_out]
    job = starter_job(data_path, columns, len(dataset), labels, kind.name, arms, left_out, error)
    return job, columns.explanation
