"""`tuneworthy audit`: what a fine-tune would really be taught."""

from typing import Annotated

import typer

from tuneworthy.cli.options import Group, Input, Set, Source, Target, Task, columns_of, overrides_of


def command(
    source: Source,
    task: Task = None,
    input: Input = None,
    target: Target = None,
    group: Group = None,
    set: Set = None,
    rows: Annotated[int, typer.Option("--rows", min=1, help="How many rows to show.")] = 1,
) -> None:
    """Check every training row as the model would see it, and print one with the supervised tokens marked."""
    from tuneworthy.api import make_job
    from tuneworthy.auditing import audit_job

    overrides = overrides_of(set, None, None, task=task)
    job, table = make_job(source, columns_of(input, target, group, None), {}, overrides)
    result = audit_job(job, table, rows)
    for text in result.shown:
        typer.echo(text)
        typer.echo("")
    typer.echo(result.summary)
