"""`tuneworthy adapt`: a base model that has read your field's texts."""

from pathlib import Path
from typing import Annotated

import typer

from tuneworthy.cli.options import Set


def command(
    texts: Annotated[
        list[Path],
        typer.Argument(help="Unlabelled text: .txt with a document a line, or a table.", metavar="TEXT..."),
    ],
    output: Annotated[Path, typer.Option("--output", help="The new model's folder.", metavar="DIR")],
    base_model: Annotated[
        str,
        typer.Option("--base-model", help="A short name, a Hugging Face id or a folder.", metavar="MODEL"),
    ] = "minilm",
    set: Set = None,
) -> None:
    """Let a base model read unlabelled text and keep it if it reads held-out text better afterwards.

    The folder works as base_model or embedding_model of a job, and as a candidate of `models rank`. To
    measure whether it helps, compare the arm `adapt`, which leaves out what is like a test row. The same
    command again goes on where it was stopped.
    """
    from tuneworthy.adapting import adapt_model
    from tuneworthy.cli.progress import Bar
    from tuneworthy.core.errors import JobError
    from tuneworthy.data.job_yaml import apply_overrides

    given = apply_overrides({"adapt": {}}, set or ())
    if len(given) > 1:
        raise JobError(f"{[*given][-1]} has no part in this: say --set adapt.max_steps=100.")
    with Bar("reading") as bar:
        facts = adapt_model(texts, base_model, output, given["adapt"], 0, typer.echo, bar)
    typer.echo(facts["told"])
    if facts["kept"]:
        typer.echo(
            f"Wrote {output}. Next: tuneworthy run data.csv --set embedding_model={output} (an encoder) or "
            f"--set base_model={output} (a decoder)."
        )
