"""`tuneworthy track`: tell a tracker of a run that is in its folder already."""

from pathlib import Path
from typing import Annotated

import typer


def command(
    run: Annotated[
        list[Path], typer.Argument(help="Run folders, e.g. runs/clauses-1a2b3c4d.", metavar="RUN")
    ],
    to: Annotated[
        str,
        typer.Option(
            "--to", help="Trackers, separated by commas: trackio, wandb, mlflow, tensorboard.", metavar="LIST"
        ),
    ],
) -> None:
    """Send runs to a tracker, from their folders: parameters, curves, scores, verdict and report; no rows.

    Sent twice is there once. `tracking: [trackio]` in a job does the same while it runs.
    """
    from tuneworthy.core.errors import JobError
    from tuneworthy.trackers import TRACKERS
    from tuneworthy.tracking import replay

    names = [name.strip() for name in to.split(",") if name.strip()]
    if not names:
        raise JobError(f"--to names no tracker: known: {', '.join(TRACKERS.names())}.")
    for name in names:
        TRACKERS.get(name)
    for folder in run:
        for name in names:
            typer.echo(f"{folder}: {TRACKERS.get(name).title}: {replay(folder, name)}")
