"""`tuneworthy launch`: the same job elsewhere."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

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

if TYPE_CHECKING:
    from tuneworthy.launchers import Handle
    from tuneworthy.launching import Prepared


def command(
    source: Source,
    on: Annotated[
        str, typer.Option("--on", help="Where: sagemaker, azureml, ray, colab, skypilot.", metavar="WHERE")
    ],
    max_cost: Annotated[
        float, typer.Option("--max-cost", min=0, help="US dollars that it may cost at most.", metavar="USD")
    ],
    time_limit: Annotated[
        str, typer.Option("--time-limit", help="Time it may run at most, e.g. 2h.", metavar="TIME")
    ],
    instance: Annotated[
        str | None,
        typer.Option(
            "--instance",
            help="The machine as the place calls it, e.g. ml.g4dn.xlarge; a card for skypilot, e.g. L4.",
            metavar="NAME",
        ),
    ] = None,
    price: Annotated[
        float | None,
        typer.Option("--price", min=0, help="US dollars an hour; default: the price file's.", metavar="USD"),
    ] = None,
    options: Annotated[
        list[str] | None,
        typer.Option("--with", help="An option of the place, e.g. bucket=mine; repeat.", metavar="KEY=VALUE"),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the whole plan; send and write nothing.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="With --dry-run: the plan as JSON.")] = False,
    wait: Annotated[
        bool, typer.Option("--wait", help="Follow it to its end, then fetch the run folder.")
    ] = False,
    task: Task = None,
    input: Input = None,
    target: Target = None,
    group: Group = None,
    test: Test = None,
    output: Output = None,
    arms: Arms = None,
    accept: Accept = None,
    machines: Annotated[
        Path | None,
        typer.Option("--machines", help="Your own file of cards and prices.", metavar="FILE"),
    ] = None,
    set: Set = None,
    send_rows: SendRows = False,
) -> None:
    """Run the same job elsewhere: SageMaker, Azure ML, a notebook on Colab, or any cloud through SkyPilot.

    `tuneworthy fetch` brings the same run folder back. Nothing is sent before price, time and rows are
    agreed.
    """
    from tuneworthy import launching
    from tuneworthy.api import make_job
    from tuneworthy.cli.consent import with_consent
    from tuneworthy.cli.fetch import bring
    from tuneworthy.launchers.terms import Wanted
    from tuneworthy.models.machines import MACHINES

    job, _ = make_job(
        source, columns_of(input, target, group, test), {}, overrides_of(set, arms, accept, task=task)
    )
    wanted = Wanted(
        launcher=on,
        max_cost=max_cost,
        time_limit=time_limit,
        instance=instance,
        price=price,
        options=tuple(options or ()),
        output=output,
        machines=machines or MACHINES,
    )
    if dry_run:
        _print_plan(launching.dry_run(job, wanted), json)
        return
    handle = with_consent(
        lambda allowed: launching.launch(job, wanted, allowed, typer.echo), send_rows or job.send_rows
    )
    _print_sent(handle)
    if wait and launching.follow(handle, typer.echo).phase != "written":  # else the user takes it there
        bring(handle)


def _print_plan(made: "Prepared", as_json: bool) -> None:
    """Everything that would be sent and asked for."""
    from tuneworthy.core.counting import counted
    from tuneworthy.core.duration import brief
    from tuneworthy.data.job_yaml import dump_yaml

    handle = made.handle
    if as_json:
        typer.echo(
            handle.model_copy(update={"service": {"foreseen": made.foreseen}}).model_dump_json(indent=1)
        )
        return
    parcel, terms, where = handle.parcel, handle.terms, handle.where
    files = counted(len(parcel.files), "file")
    typer.echo(
        f"{parcel.title} on {handle.launcher}: {counted(parcel.rows, 'row')}, {files}, {size(parcel.size)}"
    )
    width = max(len(file.path) for file in parcel.files)
    for file in parcel.files:
        typer.echo(f"  {file.path:{width}}  {size(file.size):>9}  {file.what:13}  sha256 {file.sha256[:12]}")
    price = terms.price
    source = f" ({price.source}, {price.date})" if price.date else f" ({price.source})"
    typer.echo(f"To        {where.place}")
    typer.echo(f"Machine   {terms.instance}" + (f", one {price.card}" if price.card else ""))
    typer.echo(f"Image     {where.image}")
    typer.echo(f"Time      at most {brief(terms.seconds)}. {made.foreseen}")
    typer.echo(
        f"Money     at most ${terms.usd:.2f} of the ${terms.max_cost:.2f} that you allow: "
        f"{terms.seconds / 3600:.3g} h at ${price.usd_per_hour:g}{source}"
    )
    typer.echo("Tags      " + ", ".join(f"{key}={value}" for key, value in parcel.tags.items()))
    for note in where.notes:
        typer.echo(f"Note      {note}")
    typer.echo("Request")
    typer.echo("\n".join(f"  {line}" for line in dump_yaml(where.request).rstrip().splitlines()))
    typer.echo(f"Nothing was sent. Back comes {handle.run}, by: tuneworthy fetch {handle.name}")


def _print_sent(handle: "Handle") -> None:
    typer.echo(
        f"{handle.name} is on its way as {handle.parcel.name}." if handle.where.leaves else handle.name
    )
    for key in ("next", "then"):
        if key in handle.service:
            typer.echo(f"  {key}: {handle.service[key]}")
    if handle.where.leaves:
        typer.echo(f"  next: tuneworthy fetch {handle.name}   (--wait, --logs, --cancel)")


def size(count: int) -> str:
    """Bytes as people read them."""
    for unit, scale in (("MB", 10**6), ("kB", 10**3)):
        if count >= scale:
            return f"{count / scale:.1f} {unit}"
    return f"{count} B"
