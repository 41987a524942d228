"""`tuneworthy init`: a short commented job file for a table."""

from pathlib import Path
from typing import Annotated

import typer

from tuneworthy.cli.options import Group, Input, Target, Task


def command(
    data: Annotated[Path, typer.Argument(help="A table of labelled rows.")],
    task: Task = None,
    input: Input = None,
    target: Target = None,
    group: Group = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="The job file to write.")] = Path("job.yaml"),
) -> None:
    """Write a short commented job.yaml for a table."""
    from tuneworthy.core.errors import JobError
    from tuneworthy.core.example import label_counts
    from tuneworthy.core.job import Job
    from tuneworthy.data.columns import choose_columns
    from tuneworthy.data.examples import to_dataset
    from tuneworthy.data.job_starter import starter_job
    from tuneworthy.data.readers import read_table
    from tuneworthy.metrics import METRICS, is_error
    from tuneworthy.runfolder.folder import write_text
    from tuneworthy.tasks import TASKS, form_of

    if output.exists():
        raise JobError(f"{output} exists already: name another file with --output, or delete it.")
    table = read_table(data)
    kind = TASKS.get(task or Job.model_fields["task"].default)
    columns = choose_columns(table, input or (), target, group, form_of(kind))
    dataset, _ = to_dataset(table, columns, group, data.stem, form_of(kind))
    shown = data.absolute()
    folder = output.absolute().parent
    relative = shown.relative_to(folder) if shown.is_relative_to(folder) else shown
    labels = [] if kind.open else list(label_counts(dataset.examples))
    error = is_error(METRICS.get(kind.metrics[0]))
    job = starter_job(str(relative), columns, len(dataset), labels, kind.name, kind.arms, error)
    write_text(output, job)
    typer.echo(f"{columns.explanation}\nWrote {output}. Next: tuneworthy run {output}")
