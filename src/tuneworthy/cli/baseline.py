"""`tuneworthy baseline`: the untuned arms alone."""

from typing import Annotated

import typer

from tuneworthy.cli.options import (
    Accept,
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


def command(
    source: Source,
    task: Task = None,
    input: Input = None,
    target: Target = None,
    group: Group = None,
    test: Test = None,
    output: Output = None,
    arms: Annotated[
        str | None,
        typer.Option(
            "--arms",
            help="Methods to compare, e.g. tfidf,probe,zero_shot; fine-tuned ones are left out.",
            metavar="LIST",
        ),
    ] = None,
    accept: Accept = None,
    set: Set = None,
    send_rows: SendRows = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print the result only, no progress.")] = False,
) -> None:
    """Measure what pre-trained models and cheap classifiers do without any fine-tuning."""
    from tuneworthy.cli.run import execute

    columns, overrides = columns_of(input, target, group, test), overrides_of(set, arms, accept, task=task)
    execute(source, columns, output, overrides, quiet, untuned_only=True, send_rows=send_rows)
