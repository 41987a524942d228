"""`tuneworthy runs`: the runs of a folder, and two of them side by side."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, get_args

import typer

if TYPE_CHECKING:
    from tuneworthy.runfolder.listing import RunSummary

Sort = Literal["when", "name", "data", "rows", "task", "verdict", "score", "minutes", "state"]
SHOWN = 50


def command(
    folder: Annotated[
        Path | None,
        typer.Argument(help="Where the runs are; default: the workspace, runs.", metavar="FOLDER"),
    ] = None,
    compare: Annotated[
        tuple[Path, Path] | None,
        typer.Option(
            "--compare", help="Two runs, by folder or by name: their arms side by side.", metavar="A B"
        ),
    ] = None,
    sort: Annotated[
        str,
        typer.Option(
            "--sort", help=f"By what: {', '.join(get_args(Sort))}; the latest first.", metavar="FIELD"
        ),
    ] = "when",
    where: Annotated[
        list[str] | None,
        typer.Option(
            "--where",
            help="Only runs of which it is true, e.g. verdict=fine_tune or state=stopped; repeat.",
            metavar="FIELD=VALUE",
        ),
    ] = None,
    limit: Annotated[
        int, typer.Option("--limit", min=0, help="Runs that are shown; 0: all of them.", metavar="N")
    ] = SHOWN,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, of all runs.")] = False,
) -> None:
    """List runs: data, verdict, score of the recommended arm with its interval, minutes, state.

    --compare puts two runs side by side; where both predicted the same test rows, differences are paired.
    """
    from tuneworthy.cli.progress import console
    from tuneworthy.runfolder.listing import list_runs
    from tuneworthy.runfolder.workspace import workspace

    place = folder or workspace()
    if compare is not None:
        from tuneworthy.comparing import compare_runs, find_run
        from tuneworthy.reports.runs import comparison_table

        pair = compare_runs(*(find_run(name, place) for name in compare))
        typer.echo(pair.model_dump_json(indent=1)) if as_json else console.print(comparison_table(pair))
        return
    found = chosen(list_runs(place), where or (), sort)
    if as_json:
        typer.echo(json.dumps([asdict(run) for run in found], ensure_ascii=False, indent=1))
    elif not found:
        typer.echo(f"No runs in {place}." if not where else f"No runs in {place} of which that is true.")
    else:
        from tuneworthy.reports.runs import RunsTable

        shown = found[: limit or len(found)]
        console.print(RunsTable(shown, len(found) - len(shown)))


def chosen(runs: "list[RunSummary]", where: "list[str] | tuple[()]", sort: str) -> "list[RunSummary]":
    """The runs of which all conditions are true, sorted; raises JobError for a field that there is not."""
    from tuneworthy.core.errors import JobError
    from tuneworthy.core.registry import did_you_mean

    fields = {"verdict": "decision", "score": "value", "run": "name", "use": "method"} | {
        name: name
        for name in ("when", "name", "data", "rows", "task", "minutes", "state", "method", "metric")
    }

    def field(name: str) -> str:
        if name not in fields:
            raise JobError(f"runs have no '{name}': {did_you_mean(name, list(fields))}")
        return fields[name]

    for condition in where:
        name, equals, value = condition.partition("=")
        if not equals:
            raise JobError(f"--where {condition}: write FIELD=VALUE, for example task=multi-label.")
        key = field(name.strip())
        runs = [run for run in runs if _said(getattr(run, key)) == _said(value)]
    key = field(sort)
    down = key in ("when", "value", "rows", "minutes")  # the latest, the most; names from a to z
    known = [run for run in runs if getattr(run, key) is not None]
    unknown = [run for run in runs if getattr(run, key) is None]
    return sorted(known, key=lambda run: getattr(run, key), reverse=down) + unknown


def _said(value: object) -> str:
    """A value as it is compared: case, spaces and hyphens are those of the screen or of the file."""
    return str(value).strip().casefold().replace(" ", "_").replace("-", "_")
