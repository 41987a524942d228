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
    from tuneworthy.data.readers import read_table
    from tuneworthy.proposing import propose_job
    from tuneworthy.runfolder.folder import write_text

    if output.exists():
        raise JobError(f"{output} exists already: name another file with --output, or delete it.")
    table = read_table(data)
    shown = data.absolute()
    folder = output.absolute().parent
    relative = shown.relative_to(folder) if shown.is_relative_to(folder) else shown
    job, explanation = propose_job(table, str(relative), task, input or (), target, group)
    write_text(output, job)
    typer.echo(f"{explanation}\nWrote {output}. Next: tuneworthy run {output}")
