"""Options that several verbs share, declared once."""

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

Source = Annotated[
    Path,
    typer.Argument(help="A table of labelled rows (CSV, TSV, JSONL, Parquet, XLSX) or a job file (.yaml)."),
]
Task = Annotated[
    str | None,
    typer.Option(
        "--task",
        help="What is asked: text-classification (default), multi-label, token-classification, "
        "question-answering, summarization, text-generation, structured-extraction, regression.",
        metavar="TASK",
    ),
]
Input = Annotated[
    list[str] | None,
    typer.Option("--input", help="Column with the text; repeat for several.", metavar="COLUMN"),
]
Target = Annotated[
    str | None, typer.Option("--target", help="Column with the label or answer.", metavar="COLUMN")
]
Group = Annotated[
    str | None,
    typer.Option("--group", help="Column whose equal values never straddle a split.", metavar="COLUMN"),
]
Test = Annotated[
    Path | None, typer.Option("--test", help="A test file of your own, same columns.", metavar="FILE")
]
Output = Annotated[
    Path | None,
    typer.Option(
        "--output", help="The run folder; default <name>-<hash> in the workspace (runs).", metavar="DIR"
    ),
]
Arms = Annotated[
    str | None,
    typer.Option(
        "--arms", help="Methods to compare, separated by commas, e.g. tfidf,probe,lora.", metavar="LIST"
    ),
]
Accept = Annotated[
    list[str] | None,
    typer.Option(
        "--accept", help="Code of a blocking finding to accept, e.g. TW002; repeat.", metavar="CODE"
    ),
]
Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set", help="Override one value, e.g. lora.learning_rate=2e-4; repeat.", metavar="KEY=VALUE"
    ),
]
SendRows = Annotated[
    bool,
    typer.Option("--send-rows", help="Rows may be sent to an endpoint on another machine, unasked."),
]
RunPath = Annotated[Path, typer.Argument(help="A run folder, e.g. runs/clauses-1a2b3c4d.", metavar="RUN")]

GateRows = Annotated[
    int | None,
    typer.Option("--rows", min=8, help="Rows of the run that the gate asks; default 64.", metavar="N"),
]


def columns_of(
    input: Sequence[str] | None, target: str | None, group: str | None, test: Path | None
) -> dict[str, Any]:
    """The column options as `api.make_job` wants them."""
    return {
        "input": list(input or ()),
        "target": target,
        "group": group,
        "test": None if test is None else str(test),
    }


def overrides_of(
    settings: Sequence[str] | None,
    arms: str | None,
    accept: Sequence[str] | None,
    train_anyway: bool = False,
    task: str | None = None,
) -> list[str]:
    """All options that change a field of the job, as overrides; named options win over --set."""
    found = list(settings or ())
    if task is not None:
        found.append(f"task={task}")
    if arms is not None:
        found.append(f"arms=[{arms}]")
    if accept:
        found.append(f"accept=[{', '.join(accept)}]")
    if train_anyway:
        found.append("train_anyway=true")
    return found


def typed(verb: str, source: Path, columns: dict[str, Any], overrides: Sequence[str]) -> str:
    """The command that gives a verb the same data and settings, to be pasted into a shell."""
    words = ["tuneworthy", verb, str(source)]
    for column in columns["input"]:
        words += ["--input", column]
    for name in ("target", "group", "test"):
        words += [f"--{name}", columns[name]] if columns[name] else []
    for override in overrides:
        words += ["--set", override]
    return shlex.join(words)
