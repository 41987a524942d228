"""`tuneworthy models`: the catalogue, and fetching models."""

from typing import TYPE_CHECKING, Annotated, get_args

import typer

from tuneworthy.cli.options import (
    Group,
    Input,
    Set,
    Source,
    Target,
    Task,
    Test,
    columns_of,
    overrides_of,
    typed,
)

if TYPE_CHECKING:
    from tuneworthy.models.wanted import Wanted

app = typer.Typer(help="List, fetch and rank open base models.", no_args_is_help=True)

Licence = Annotated[
    str | None,
    typer.Option("--licence", help="Only licences that begin so, e.g. apache.", metavar="NAME"),
]
CommercialUse = Annotated[
    bool, typer.Option("--commercial", help="Only models that may be used commercially.")
]
DomainOption = Annotated[
    str | None,
    typer.Option(
        "--domain",
        help="Only models of a domain: general, biomedical, clinical, scientific, legal, finance.",
        metavar="NAME",
    ),
]
Language = Annotated[
    str | None,
    typer.Option("--language", help="Only models whose card lists a language, e.g. de.", metavar="CODE"),
]
Memory = Annotated[
    str | None,
    typer.Option(
        "--memory",
        help="Only models that a GPU with so much memory can fine-tune, e.g. 16GiB.",
        metavar="AMOUNT",
    ),
]


@app.command("list")
def list_models(
    licence: Licence = None,
    commercial: CommercialUse = False,
    domain: DomainOption = None,
    language: Language = None,
    memory: Memory = None,
) -> None:
    """Print the models of the catalogue: size, licence, domain, languages, and how each can be fine-tuned.

    The last column names the facts that were not read on a page of the model's makers or a copy of it.
    """
    from tuneworthy.core.errors import JobError
    from tuneworthy.models.catalogue import catalogue
    from tuneworthy.models.resolve import at_hand
    from tuneworthy.models.wanted import most_precise, objection

    wanted = _wanted(licence, commercial, domain, language, memory)
    heads = ("model", "role", "size", "licence", "commercial", "domain", "fits as", "here")
    lines = [(*heads, "languages", "not checked")]
    for entry in catalogue().values():
        if objection(entry, wanted):
            continue
        method = wanted.machine and most_precise(entry, wanted.machine)
        cells = (entry.name, entry.role, entry.size, entry.licence, entry.commercial, entry.domain)
        here = "yes" if at_hand(entry.name) else ""
        told = (" ".join(entry.languages), " ".join(entry.unchecked))
        lines.append((*cells, method or "", here, *told))
    if len(lines) == 1:
        raise JobError("no model of the catalogue meets all of these conditions: drop one.")
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        padded = (cell.ljust(width) for cell, width in zip(line, widths, strict=True) if width)
        typer.echo("  ".join(padded).rstrip())


@app.command("get")
def get(
    name: Annotated[str, typer.Argument(help="A short name, a Hugging Face id or a local folder.")],
) -> None:
    """Fetch a model into the cache and print its folder."""
    from tuneworthy.models.resolve import resolve

    typer.echo(str(resolve(name, typer.echo)))


@app.command("rank")
def rank(
    source: Source,
    candidates: Annotated[
        str | None,
        typer.Option(
            "--candidates",
            help="Catalogue names, Hugging Face ids or folders, separated by commas; default: the models of "
            "the catalogue on this machine.",
            metavar="LIST",
        ),
    ] = None,
    task: Task = None,
    input: Input = None,
    target: Target = None,
    group: Group = None,
    test: Test = None,
    set: Set = None,
    licence: Licence = None,
    commercial: CommercialUse = False,
    domain: DomainOption = None,
    language: Language = None,
    memory: Memory = None,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Print the ranking only, no progress.")
    ] = False,
) -> None:
    """Rank base models by what they know of your labels before any fine-tuning. Reads training rows only.

    The same command again goes on where it was stopped.
    """
    from tuneworthy.api import make_job
    from tuneworthy.cli.progress import Display, console
    from tuneworthy.ranking import rank_models
    from tuneworthy.reports.ranking import ranking_table

    columns = columns_of(input, target, group, test)
    overrides = overrides_of(set, None, None, task=task)
    job, table = make_job(source, columns, {}, overrides)
    names = [name.strip() for name in (candidates or "").split(",") if name.strip()]
    with Display(quiet=quiet) as display:
        ranking = rank_models(
            job,
            table,
            names,
            _wanted(licence, commercial, domain, language, memory),
            lambda text: display({"event": "note", "text": text}),
        )
    console.print(ranking_table(ranking, typed("run", source, columns, overrides)))


def _wanted(
    licence: str | None, commercial: bool, domain: str | None, language: str | None, memory: str | None
) -> "Wanted":
    """The options as conditions; raises JobError for a domain that no model has."""
    from tuneworthy.core.errors import JobError
    from tuneworthy.core.registry import did_you_mean
    from tuneworthy.models.catalogue import Domain
    from tuneworthy.models.machines import machine_with
    from tuneworthy.models.wanted import Wanted

    if domain is not None and domain not in get_args(Domain):
        raise JobError(f"no model has the domain '{domain}': {did_you_mean(domain, list(get_args(Domain)))}")
    machine = None if memory is None else machine_with(memory)
    asked = {"licence": licence, "domain": domain, "language": language, "commercial": commercial}
    return Wanted.model_validate({**asked, "machine": machine})
