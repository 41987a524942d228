"""`tuneworthy ui`: the same verbs as pages in the browser, on this machine only."""

from pathlib import Path
from typing import Annotated

import typer


def command(
    port: Annotated[
        int | None,
        typer.Option("--port", min=1, max=65535, help="Port on 127.0.0.1; default 8377, or a free one."),
    ] = None,
    runs: Annotated[
        Path | None,
        typer.Option("--runs", help="Folder of the runs; default the workspace, runs/.", metavar="FOLDER"),
    ] = None,
    no_browser: Annotated[
        bool, typer.Option("--no-browser", help="Only print the address, open no browser.")
    ] = False,
) -> None:
    """Drop a table, start and watch runs, compare them, try the model, review labels: pages on this machine.

    The address holds a token; nothing is served to other machines. Runs go on when the server ends.
    """
    from tuneworthy.runfolder.workspace import workspace
    from tuneworthy.web.server import serve

    try:
        serve(runs or workspace(), port, not no_browser, lambda words: typer.echo(words))
    except KeyboardInterrupt:  # the way to stop it
        typer.echo("\nstopped; runs that were started go on.")
