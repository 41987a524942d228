"""`tuneworthy deploy`: a finished run's model behind an HTTPS endpoint of a cloud, and its end."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from tuneworthy.deployers import Deployment


def command(
    run: Annotated[
        str | None,
        typer.Argument(
            help="A run folder; with --status, --wait or --delete alone the name that `deploy` printed; "
            "without it, everything that was deployed.",
            metavar="RUN",
        ),
    ] = None,
    on: Annotated[
        str | None, typer.Option("--on", help="Where: sagemaker, azureml.", metavar="WHERE")
    ] = None,
    max_cost: Annotated[
        float | None,
        typer.Option("--max-cost", min=0, help="US dollars that --time-limit may cost.", metavar="USD"),
    ] = None,
    time_limit: Annotated[
        str | None,
        typer.Option(
            "--time-limit",
            help="How long you mean to keep it, e.g. 8h. It is billed by the hour until you delete it.",
            metavar="TIME",
        ),
    ] = None,
    arm: Annotated[
        str | None,
        typer.Option("--arm", help="Deploy this arm instead of the recommended one.", metavar="ARM"),
    ] = None,
    instance: Annotated[
        str | None,
        typer.Option(
            "--instance", help="The machine as the place calls it, e.g. ml.g4dn.xlarge.", metavar="NAME"
        ),
    ] = None,
    price: Annotated[
        float | None,
        typer.Option("--price", min=0, help="US dollars an hour; default: the price file's.", metavar="USD"),
    ] = None,
    options: Annotated[
        list[str] | None,
        typer.Option("--with", help="An option of the place, e.g. image=mine; repeat.", metavar="KEY=VALUE"),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the whole plan; send and create nothing.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="With --dry-run: the plan as JSON.")] = False,
    send_model: Annotated[
        bool, typer.Option("--send-model", help="The model may be sent there, unasked.")
    ] = False,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until it serves.")] = False,
    status: Annotated[bool, typer.Option("--status", help="Its state, and what it has cost so far.")] = False,
    delete: Annotated[
        bool, typer.Option("--delete", help="Delete the endpoint and everything created for it.")
    ] = False,
    machines: Annotated[
        Path | None,
        typer.Option("--machines", help="Your own file of cards and prices.", metavar="FILE"),
    ] = None,
) -> None:
    """Put a finished run's model behind an HTTPS endpoint of SageMaker or Azure ML; look at it; delete it."""
    from tuneworthy import deploying
    from tuneworthy.cli.consent import with_consent
    from tuneworthy.cli.progress import Display, err
    from tuneworthy.core.errors import JobError
    from tuneworthy.deployers.records import known, named
    from tuneworthy.launchers.terms import Wanted
    from tuneworthy.models.machines import MACHINES

    if run is None:
        deployed = known()
        for one in deployed:
            kept = "deleted" if one.deleted else "created" if one.created else "not created"
            typer.echo(f"{one.name}  {kept}  {one.plan.endpoint}")
        if not deployed:
            typer.echo("Nothing was deployed from here.")
        return
    if on is None:
        if not (status or delete or wait):
            raise JobError(
                "say --on sagemaker or --on azureml to deploy a run, or --status or --delete after the name "
                "of a deployed model."
            )
        found = named(run)
        if delete:
            deploying.delete(found, typer.echo)
        elif wait:
            deploying.follow(found, typer.echo)
        _print_state(found)
        return
    if max_cost is None or time_limit is None:
        raise JobError(
            "say --max-cost USD and --time-limit TIME: an endpoint is billed by the hour until it is deleted."
        )
    wanted = Wanted(
        launcher=on,
        max_cost=max_cost,
        time_limit=time_limit,
        instance=instance,
        price=price,
        options=tuple(options or ()),
        machines=machines or MACHINES,
    )

    def say(text: str) -> None:
        err.print(text, markup=False, soft_wrap=True)

    def create(allowed: bool) -> "Deployment":
        with Display() as display:  # of a fit that is made first; it has ended when anything is asked
            return deploying.deploy(Path(run), arm, wanted, allowed, say, display)

    if dry_run:
        with Display() as display:
            plan = deploying.dry_run(Path(run), arm, wanted, say, display)
        _print_plan(plan, json)
        return
    made = with_consent(create, send_model)
    if wait:
        deploying.follow(made, typer.echo)
    _print_state(made)


def _print_plan(made: "Deployment", as_json: bool) -> None:
    """Everything that would be sent and asked for."""
    from tuneworthy import deploying
    from tuneworthy.cli.launch import size
    from tuneworthy.core.counting import counted
    from tuneworthy.data.job_yaml import dump_yaml

    if as_json:
        typer.echo(made.model_dump_json(indent=1))
        return
    cargo, terms, plan = made.cargo, made.terms, made.plan
    rows = f"{counted(cargo.rows, 'row')} of the run" if cargo.rows else "no row of the run word for word"
    typer.echo(
        f"{cargo.method} of {cargo.title} on {made.deployer}: {counted(len(cargo.files), 'file')}, "
        f"{size(cargo.size)}; it holds {rows}"
    )
    width = max(len(file.path) for file in cargo.files)
    for file in cargo.files:
        typer.echo(f"  {file.path:{width}}  {size(file.size):>9}  {file.what:10}  sha256 {file.sha256[:12]}")
    price = terms.price
    source = f" ({price.source}, {price.date})" if price.date else f" ({price.source})"
    typer.echo(f"To        {plan.place}")
    typer.echo(f"Endpoint  {plan.endpoint}")
    typer.echo(f"Machine   {terms.instance}" + (f", one {price.card}" if price.card else ""))
    typer.echo(f"Image     {plan.image}")
    typer.echo(
        f"Money     billed by the hour until you delete it: ${price.usd_per_hour:g} an hour{source}, "
        f"${deploying.day(made):.2f} a day"
    )
    typer.echo(
        f"          {terms.seconds / 3600:.3g} h cost ${terms.usd:.2f} of the ${terms.max_cost:.2f} that you "
        "allow; nothing ends it by itself"
    )
    typer.echo("Tags      " + ", ".join(f"{key}={value}" for key, value in cargo.tags.items()))
    if price.card and not cargo.needs_card:
        typer.echo(f"Note      {cargo.method} needs no GPU: a CPU machine costs less (--instance, --price).")
    for note in plan.notes:
        typer.echo(f"Note      {note}")
    for name, request in plan.requests.items():
        typer.echo(f"Request   {name}")
        typer.echo("\n".join(f"  {line}" for line in dump_yaml(request).rstrip().splitlines()))
    typer.echo(f"Nothing was sent. It will be called {made.name}.")


def _print_state(made: "Deployment") -> None:
    from tuneworthy import deploying

    found = deploying.state(made)
    told = f" ({found.told})" if found.told and found.told.lower() not in (found.phase, "inservice") else ""
    typer.echo(f"{made.name}: {found.phase}{told}")
    if found.phase == "gone":
        return
    typer.echo(f"  {deploying.spent(made)}")
    if found.url:
        typer.echo(f"  at:   {found.url}")
    typer.echo(f"  ask:  {deploying.ask(made)}")
    if found.phase != "deleting":
        typer.echo(f"  end:  tuneworthy deploy {made.name} --delete   (--status, --wait)")
