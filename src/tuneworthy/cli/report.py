"""`tuneworthy report`: the report again, from the run folder alone."""

import typer

from tuneworthy.cli.options import RunPath


def command(run: RunPath) -> None:
    """Render the report of a run again, from its folder alone; no model is needed."""
    from tuneworthy import steps
    from tuneworthy.cli.progress import console
    from tuneworthy.reports.contents import load_contents
    from tuneworthy.reports.terminal import print_verdict

    steps.report(run)
    print_verdict(load_contents(run), console)
    typer.echo(f"Wrote {run / 'report.html'}")
