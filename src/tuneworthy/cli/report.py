"""`tuneworthy report`: the report again, from the run folder alone."""

from typing import Annotated

import typer

from tuneworthy.cli.options import RunPath

REDACTED = "report-redacted.html"


def command(
    run: RunPath,
    redact: Annotated[
        bool,
        typer.Option(
            "--redact",
            help=f"Write {REDACTED} too, a page to pass on: without texts, targets, answers and groups.",
        ),
    ] = False,
) -> None:
    """Render the report of a run again, from its folder alone; no model is needed."""
    from tuneworthy import steps
    from tuneworthy.cli.progress import console
    from tuneworthy.reports.contents import load_contents
    from tuneworthy.reports.terminal import print_verdict

    steps.report(run)
    print_verdict(load_contents(run), console)
    typer.echo(f"Wrote {run / 'report.html'}")
    if redact:
        from tuneworthy.reports.html import render_html
        from tuneworthy.reports.shared import without_rows
        from tuneworthy.runfolder.folder import write_text
        from tuneworthy.trackers._facts import job_tree

        write_text(run / REDACTED, render_html(without_rows(load_contents(run), job_tree(run))))
        typer.echo(f"Wrote {run / REDACTED}: names of labels and columns are in it, rows are not.")
