"""`tuneworthy fetch`: a launched job's state, its log, its end, and its run folder."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from tuneworthy.launchers import Handle

NOT_FINISHED = 3  # as where it ran: there is a run folder, and no verdict yet


def command(
    handle: Annotated[
        str | None,
        typer.Argument(
            help="What `launch` printed; without it, everything that was launched.", metavar="HANDLE"
        ),
    ] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Follow its log to the end first.")] = False,
    logs: Annotated[
        bool, typer.Option("--logs", help="Print what it has printed so far; fetch nothing.")
    ] = False,
    cancel: Annotated[
        bool, typer.Option("--cancel", help="End it; what it has done so far can be fetched then.")
    ] = False,
    archive: Annotated[
        Path | None,
        typer.Option("--from", help="An archive that you have brought here, run.tar.gz.", metavar="FILE"),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", help="Another run folder than the one it was launched for.", metavar="DIR"),
    ] = None,
) -> None:
    """Bring a launched job's run folder back, verified file by file; or look at it, or end it.

    Exit code 3 where the run that came has not finished.
    """
    from tuneworthy import launching
    from tuneworthy.launchers.handles import known, named

    if handle is None:
        for one in known():
            state = "fetched" if one.fetched else "sent" if one.sent else "not sent"
            typer.echo(f"{one.name}  {state}  {one.parcel.name}  {one.run}")
        return
    found = named(handle)
    if cancel:
        launching.cancel(found)
        typer.echo(f"{found.name} was asked to end: tuneworthy fetch {found.name} brings what it has done.")
    elif logs:
        for line in launching.logs(found):
            typer.echo(line)
    else:
        if wait:
            launching.follow(found, typer.echo)
        bring(found, archive, output)


def bring(handle: "Handle", archive: Path | None = None, output: Path | None = None) -> None:
    """Fetches and says what came; raises typer.Exit where that has not finished."""
    from tuneworthy import launching
    from tuneworthy.cli.progress import console
    from tuneworthy.core.counting import counted
    from tuneworthy.reports.contents import load_contents
    from tuneworthy.reports.terminal import print_verdict

    done = launching.fetch(handle, archive, output)
    manifest = done.manifest
    files = counted(len(manifest.files), "file")
    typer.echo(f"{done.run}: " + ("had these files already" if done.was_here else f"{files}, each verified"))
    if manifest.state == "finished":
        print_verdict(load_contents(Path(done.run)), console)
    else:
        typer.echo(f"The run {manifest.state}: {manifest.told}.")
        typer.echo(
            f"  next: tuneworthy run {done.run}/job.yaml --output {done.run}   goes on here where it was"
        )
        raise typer.Exit(NOT_FINISHED)
