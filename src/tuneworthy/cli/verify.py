"""`tuneworthy verify`: the parity gate alone, on an artefact that was exported before."""

from pathlib import Path
from typing import Annotated

import typer

from tuneworthy.cli.options import GateRows, RunPath


def command(
    artefact: Annotated[Path, typer.Argument(help="A folder that `tuneworthy export` has written.")],
    run: RunPath,
    rows: GateRows = None,
) -> None:
    """Ask an exported model the run's rows again and compare it with its fit; exit code 1 if it differs."""
    from tuneworthy.core.errors import ParityError
    from tuneworthy.exporters.gate import USUAL_ROWS
    from tuneworthy.exporting import verify
    from tuneworthy.reports.gate import gate_lines

    parity = verify(artefact, run, rows or USUAL_ROWS)
    for line in gate_lines(parity):
        typer.echo(line)
    if not parity.passed:
        raise ParityError(f"{artefact} does not answer as the fit it was made from: export it again.")
