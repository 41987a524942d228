"""`tuneworthy check`: what is wrong with a table, row by row, and what to do."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tuneworthy.cli.options import Group, Input, Set, Source, Target, Task, Test, columns_of, overrides_of

if TYPE_CHECKING:
    from tuneworthy.checking import Checked

MOST = 50_000  # rows; of a longer table so many are drawn, in memory that does not grow with it
BLOCKED = 1  # the exit code of a table that the main job would refuse


def command(
    source: Source,
    task: Task = None,
    input: Input = None,
    target: Target = None,
    group: Group = None,
    test: Test = None,
    html: Annotated[
        Path | None,
        typer.Option("--html", help="Write the findings with their rows as a page.", metavar="FILE"),
    ] = None,
    redact: Annotated[
        bool, typer.Option("--redact", help="Leave what rows say out of that page: numbers of rows stay.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
    slow: Annotated[bool, typer.Option("--slow", help="Run slow checks on large tables too.")] = False,
    whole: Annotated[
        bool, typer.Option("--whole", help=f"Examine every row of a table of more than {MOST:,}.")
    ] = False,
    every_check: Annotated[
        bool,
        typer.Option("--all", help="List every check, also those that passed or do not apply, and why."),
    ] = False,
    mute: Annotated[
        list[str] | None, typer.Option("--mute", help="Code of a check to leave out; repeat.", metavar="CODE")
    ] = None,
    fix: Annotated[
        bool,
        typer.Option("--fix", help="Write clean.csv (safe repairs), changes.csv and review.csv (proposals)."),
    ] = False,
    apply: Annotated[
        Path | None,
        typer.Option(
            "--apply",
            help="Write reviewed.csv: safe repairs and the review.csv you filled in.",
            metavar="FILE",
        ),
    ] = None,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Folder for what --fix or --apply write.", metavar="DIR")
    ] = Path("checked"),
    set: Set = None,
) -> None:
    """Examine a table: what is wrong, in which rows, what to do. Exit code 1 when a fault blocks training."""
    from tuneworthy.api import make_job
    from tuneworthy.checking import check_job
    from tuneworthy.core.counting import counted
    from tuneworthy.core.errors import JobError
    from tuneworthy.repairing import apply_review
    from tuneworthy.repairing import fix as write_fixed
    from tuneworthy.reports.doctor import doctor_text, findings_json
    from tuneworthy.runfolder.folder import write_text

    if fix and apply is not None:
        raise JobError("--fix and --apply exclude each other: apply the review that --fix wrote.")
    if redact and html is None:
        raise JobError("--redact is about the page that --html writes: name it, as in --html page.html.")
    if html is not None and (html.is_dir() or html.suffix.lower() not in (".html", ".htm")):
        raise JobError(f"--html wants a file to write, got '{html}': name one that ends in .html.")
    overrides = overrides_of(set, None, None, task=task)
    job, table = make_job(source, columns_of(input, target, group, test), {}, overrides)
    every_row = whole or fix or apply is not None  # what is written back is the whole table
    checked = check_job(job, table, slow, tuple(mute or ()), None if every_row else MOST)
    if json:
        typer.echo(findings_json(checked.findings))
    else:
        from tuneworthy.cli.progress import console

        rows = len(checked.data.dataset)
        console.print(doctor_text(checked.data.source, rows, checked.heading, checked.findings, every_check))
    if html is not None:
        write_text(html, _page(checked, redact))
        typer.echo(f"Wrote {html}.", err=json)
    if fix:
        changes, proposals = write_fixed(checked, output)
        typer.echo(
            f"Wrote {output / 'clean.csv'} ({counted(len(changes), 'safe change')}, listed in changes.csv) "
            f"and {output / 'review.csv'} ({counted(proposals, 'proposal')}).",
            err=json,
        )
        if proposals:
            typer.echo(
                "Write yes, no, delete or the right label or text into its column 'decision', then: "
                f"tuneworthy check {source} ... --apply {output / 'review.csv'}",
                err=json,
            )
    if apply is not None:
        changes, decided = apply_review(checked, apply, output)
        typer.echo(
            f"Wrote {output / 'reviewed.csv'}: {counted(decided, 'decision')} and "
            f"{counted(len(changes) - decided, 'safe change')}, listed in reviewed_changes.csv.",
            err=json,
        )
    if checked.refused is not None:
        typer.echo(f"A run would not begin with the table as it came: {checked.refused}", err=True)
    if checked.blocking or checked.refused is not None:
        raise typer.Exit(BLOCKED)


def _page(checked: "Checked", redact: bool) -> str:
    """The findings with their rows; `redact`: with the numbers of rows alone."""
    from tuneworthy.reports.doctor import doctor_page
    from tuneworthy.reports.shared import quoteless, wordless

    texts = {row.row: row for row in checked.data.dataset.examples}
    held = {row.row: row for row in checked.data.test_rows}
    findings = checked.findings
    if redact:
        texts, held = wordless(texts), wordless(held)
        findings = tuple(quoteless(found) for found in findings)
    return doctor_page(checked.data.source, checked.heading, findings, texts, held)
