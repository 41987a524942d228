"""`tuneworthy run`: the main job."""

from pathlib import Path
from typing import Annotated, Any

import typer

from tuneworthy.cli.options import (
    Accept,
    Arms,
    Group,
    Input,
    Output,
    SendRows,
    Set,
    Source,
    Target,
    Task,
    Test,
    columns_of,
    overrides_of,
)
from tuneworthy.core.ending import ended_by_sigterm


def command(
    source: Source,
    task: Task = None,
    input: Input = None,
    target: Target = None,
    group: Group = None,
    test: Test = None,
    output: Output = None,
    arms: Arms = None,
    accept: Accept = None,
    train_anyway: Annotated[
        bool, typer.Option("--train-anyway", help="Fine-tune even when the target score is met without.")
    ] = False,
    budget: Annotated[
        str | None,
        typer.Option(
            "--budget",
            help="Time the run may take, e.g. 10m or 1h; what is left out, and what that costs, is said.",
            metavar="TIME",
        ),
    ] = None,
    workers: Annotated[
        str | None,
        typer.Option(
            "--workers",
            help="Units at a time; or ray (a Ray cluster of this machine), or a cluster's address, "
            "e.g. ray://head:10001.",
            metavar="N|ADDRESS",
        ),
    ] = None,
    set: Set = None,
    send_rows: SendRows = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print the result only, no progress.")] = False,
) -> None:
    """Measure every arm on the same rows and say whether fine-tuning is worth it.

    The same command again continues a run that was stopped.
    """
    execute(
        source,
        columns_of(input, target, group, test),
        output,
        [
            *overrides_of(set, arms, accept, train_anyway, task),
            *([f"budget={budget}"] if budget else []),
            *([f"workers={workers}"] if workers else []),
        ],
        quiet,
        send_rows=send_rows,
    )


def execute(
    source: Path,
    columns: dict[str, Any],
    output: Path | None,
    overrides: list[str],
    quiet: bool,
    untuned_only: bool = False,
    send_rows: bool = False,
) -> None:
    """Runs a job, or its untuned arms alone, with the live display and prints the verdict."""
    from tuneworthy import pipeline
    from tuneworthy.api import make_job
    from tuneworthy.cli.consent import with_consent
    from tuneworthy.cli.progress import Display, console
    from tuneworthy.reports.contents import load_contents
    from tuneworthy.reports.terminal import print_verdict

    job, table = make_job(source, columns, {}, overrides)
    if untuned_only:
        job = job.model_copy(update={"tune": False})

    def run(allowed: bool) -> Path:
        with Display(quiet=quiet) as display:
            return pipeline.run(job.model_copy(update={"send_rows": allowed}), output, table, display)

    with ended_by_sigterm():
        print_verdict(load_contents(with_consent(run, send_rows or job.send_rows)), console)
