"""`tuneworthy plan`: what can be fine-tuned where, and what it takes, before paying for it."""

from pathlib import Path
from typing import Annotated

import typer

from tuneworthy.cli.options import Group, Input, Set, Source, Target, Task, Test, columns_of, overrides_of


def command(
    source: Source,
    task: Task = None,
    input: Input = None,
    target: Target = None,
    group: Group = None,
    test: Test = None,
    gpu: Annotated[
        str | None,
        typer.Option("--gpu", help='A card, e.g. "RTX 3090"; default: this machine.', metavar="NAME"),
    ] = None,
    memory: Annotated[
        str | None, typer.Option("--memory", help="A GPU with so much memory, e.g. 16GiB.", metavar="AMOUNT")
    ] = None,
    model: Annotated[
        list[str] | None,
        typer.Option("--model", help="Another base model to plan for; repeat.", metavar="MODEL"),
    ] = None,
    length: Annotated[
        int | None,
        typer.Option("--length", min=2, help="Plan for rows of so many tokens instead of the table's."),
    ] = None,
    machines: Annotated[
        Path | None,
        typer.Option("--machines", help="Your own file of cards and prices.", metavar="FILE"),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the whole plan as JSON.")] = False,
    set: Set = None,
) -> None:
    """Plan memory, minutes and money of every way to fine-tune, here or elsewhere. No weights are loaded."""
    from tuneworthy.api import plan
    from tuneworthy.cli.progress import console
    from tuneworthy.reports.planned import plan_view

    found = plan(
        source,
        columns=columns_of(input, target, group, test),
        overrides=overrides_of(set, None, None, task=task),
        gpu=gpu,
        memory=memory,
        models=tuple(model or ()),
        length=length,
        machines=machines,
    )
    if json:
        typer.echo(found.model_dump_json(indent=1))
    else:
        console.print(plan_view(found))
