"""`tuneworthy predict`: label new rows with a finished run."""

from pathlib import Path
from typing import Annotated

import typer

from tuneworthy.cli.options import RunPath, SendRows


def command(
    run: RunPath,
    data: Annotated[Path, typer.Argument(help="A table of new rows.")],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="The file to write: .csv, or .jsonl for JSON lines.")
    ],
    input: Annotated[
        list[str] | None, typer.Option("--input", help="Column with the text, when it has another name here.")
    ] = None,
    abstain_below: Annotated[
        float,
        typer.Option("--abstain-below", min=0, max=1, help="Leave the label empty below this confidence."),
    ] = 0.0,
    label_only: Annotated[
        bool,
        typer.Option("--label-only", help="Only the best label, no confidence: quicker for LLM arms."),
    ] = False,
    send_rows: SendRows = False,
) -> None:
    """Label new rows with the run's recommended method: label, confidence, abstained; or write answers."""
    from tuneworthy.cli.consent import with_consent
    from tuneworthy.cli.progress import Bar
    from tuneworthy.predicting import Written, predict_file

    def write(allowed: bool) -> Written:
        with Bar("predicting") as bar:
            return predict_file(run, data, output, input or (), abstain_below, bar, label_only, allowed)

    written = with_consent(write, send_rows)
    abstained = (
        f"{written.abstained} abstained (confidence below {abstain_below:g}), " if abstain_below else ""
    )
    went_on = f", {written.before} of them before it was stopped" if written.before else ""
    typer.echo(
        f"{'Replaced' if written.replaced else 'Wrote'} {output}: {written.rows} rows by {written.method}, "
        f"{abstained}{written.blank} blank{went_on}."
    )
