"""Writes docs/cli.md from the code: every verb, every field of a job, every method's parameters.

Run `python docs/generate_cli.py` after a change to one of them. Nothing of a terminal goes into the page.
"""

import inspect
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import typer.main
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from tuneworthy.checks import CHECKS
from tuneworthy.checks.conflicting_labels import BLOCKING_SHARE
from tuneworthy.cli.main import app
from tuneworthy.core.job import Job
from tuneworthy.methods import METHODS
from tuneworthy.tasks import TASKS

TARGET = Path(__file__).with_name("cli.md")
BLOCKING = {"TW002": f"from {BLOCKING_SHARE:.0%} of the rows on", "TW005": "always"}
PREAMBLE = """\
# The command line and the job file

Written by `docs/generate_cli.py` from the code; do not edit. In the tables "–" is a value that is not set;
"..." after an option means that it may be repeated. Every verb has `-h`, `--help`; `tuneworthy --version`
prints the version. Exit codes: 0 done, 1 `check` found a fault that blocks training or an export does not
answer as its fit, 2 your mistake (one sentence on standard error), 3 `fetch` brought a run that has not
finished, 130 stopped from the keyboard, 143 ended by SIGTERM or a time limit (the same command goes on);
anything else is a bug."""
VARIABLES = """\
## Environment variables

| variable | what it does |
| --- | --- |
| `TUNEWORTHY_CACHE` | where models are kept; else `tuneworthy` in `XDG_CACHE_HOME` or `~/.cache` |
| `TUNEWORTHY_WORKSPACE` | where runs, launched jobs and the ledger are kept; else `runs` here |
| `TUNEWORTHY_API_KEY` | the key of an endpoint that is prompted; else `OPENAI_API_KEY` |
| `TUNEWORTHY_SERVE_KEY` | the key that `tuneworthy serve` asks its clients for |
| `TUNEWORTHY_MODEL` | what `tuneworthy serve` serves where it is given no run, as in a container |
| `TUNEWORTHY_SERVE_BEHIND` | who has asked for a key (`sagemaker`, `azureml`): `serve` asks for none |
| `GOMP_SPINCOUNT` | how long a waiting thread keeps its core; 1000 unless it or `OMP_WAIT_POLICY` is set |

Keys of clouds, hubs and trackers are read where their own clients look for them."""
JOB = """\
## The job file

YAML 1.2. What stands before a dot is a section; unknown keys are errors. `tuneworthy init data.csv` writes
a short job, `tuneworthy schema` prints the JSON Schema, `--set key=value` overrides one field for one run."""
METRIC = """\
## What `metric` may name

The first one decides where `metric` is `auto` (of a classification macro_f1, when one label holds 80% of the
rows); the others are measured beside it. A function of your own is `my_metrics.py:profit`."""
CHECK = """\
## The checks

`--accept CODE` goes on in spite of a finding, `--mute CODE` leaves a check out. A finding that blocks
ends a run before anything is trained."""
METHOD = """\
## The parameters of the methods

Each method's parameters are a section of the job file, `lora: {rank: 16}`, or `--set lora.rank=16`."""


def render() -> str:
    """The whole page."""
    root = typer.main.get_command(app)
    parts = [PREAMBLE, VARIABLES, "## Verbs", *verbs(root, "tuneworthy"), JOB, *job_fields()]
    parts += [METRIC, metrics(), CHECK, checks(), METHOD, *parameters()]
    return "\n\n".join(parts) + "\n"


def verbs(command: Any, path: str) -> Iterator[str]:
    """A section for each verb, those of a group after one another, in the order of `--help`."""
    if hasattr(command, "commands"):
        for name, verb in command.commands.items():
            yield from verbs(verb, f"{path} {name}")
        return
    arguments = [param for param in command.params if param.param_type_name == "argument"]
    options = [param for param in command.params if param.param_type_name == "option"]
    usage = [path, *(["[OPTIONS]"] if options else []), *map(placeholder, arguments)]
    yield f"### `{path}`"
    yield f"`{' '.join(usage)}`"
    yield inspect.cleandoc(command.help or "")
    if arguments:
        yield table(("argument", "meaning"), [(f"`{placeholder(each)}`", each.help) for each in arguments])
    if options:
        rows = [(spelling(each), default_of(each), each.help) for each in options]
        yield table(("option", "default", "meaning"), rows)


def placeholder(param: Any) -> str:
    """What stands for the value of an argument or option."""
    name = str(param.metavar or param.name.upper())
    if param.param_type_name == "option":
        return name
    name += "..." if param.nargs == -1 and not name.endswith("...") else ""
    return name if param.required else f"[{name}]"


def spelling(param: Any) -> str:
    """How an option is typed."""
    value = "" if param.is_flag else f" {placeholder(param)}"
    names = [f"`{name}{value}`" for name in sorted(param.opts, key=len, reverse=True)]
    return ", ".join(names) + (" ..." if param.multiple else "")


def default_of(param: Any) -> str:
    """An option's default, as it would be typed."""
    if param.required:
        return "required"
    if param.is_flag:
        return "on" if param.default else "off"
    return "–" if param.default in (None, (), []) else f"`{param.default}`"


def job_fields() -> Iterator[str]:
    """The table of all fields of a job; sections are spelled out, the methods' own come later."""
    rows: list[tuple[str, ...]] = []
    for name, field in Job.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            inner = field.annotation
            schema = inner.model_json_schema()["properties"]
            rows += [
                field_row(f"{name}.{key}", each, schema[key]) for key, each in inner.model_fields.items()
            ]
        elif name != "methods":
            rows.append(field_row(name, field, Job.model_json_schema()["properties"][name]))
    yield table(("field", "default", "values", "meaning"), rows)


def metrics() -> str:
    """The table of the metrics of each task."""
    rows = [(f"`{name}`", ", ".join(f"`{one}`" for one in TASKS.get(name).metrics)) for name in TASKS.names()]
    return table(("task", "metrics"), rows)


def checks() -> str:
    """The table of all checks in the order of their codes."""
    known = sorted((CHECKS.get(name) for name in CHECKS.names()), key=lambda check: check.code)
    rows = [
        (
            f"`{check.code}`",
            check.title,
            BLOCKING.get(check.code, ""),
            ", ".join(["slow"] * check.slow + [f"needs the {check.needs}"] * bool(check.needs)),
        )
        for check in known
    ]
    return table(("code", "looks for", "blocks", "remarks"), rows)


def parameters() -> Iterator[str]:
    """A table for each method of this package, in the order of a job's arms."""
    own = [name for name in METHODS.names() if METHODS.module_name(name).startswith("tuneworthy.methods.")]
    ladder = [*dict.fromkeys(arm for task in TASKS.names() for arm in TASKS.get(task).arms)]
    for name in sorted(own, key=lambda name: (ladder.index(name) if name in ladder else len(ladder), name)):
        method = METHODS.get(name)
        fields = method.Parameters.model_fields
        schema = method.Parameters.model_json_schema().get("properties", {})
        yield f"### `{name}`: {method.title}"
        rows = [field_row(key, field, schema[key]) for key, field in fields.items()]
        yield table(("parameter", "default", "values", "meaning"), rows) if rows else "It has no parameters."


def field_row(name: str, field: FieldInfo, schema: dict[str, Any]) -> tuple[str, ...]:
    """Name, default, allowed values and meaning of one field."""
    default = "required" if field.is_required() else yaml_text(field.get_default(call_default_factory=True))
    kinds = [values_of(kind) for kind in schema.get("anyOf", [schema])]
    return (f"`{name}`", default, " or ".join(kind for kind in kinds if kind), field.description or "")


def yaml_text(value: Any) -> str:
    """A default as a job file would say it."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return f"`[{', '.join(map(str, value))}]`" if isinstance(value, tuple) else f"`{value}`"


def values_of(schema: dict[str, Any]) -> str:
    """Which values a JSON Schema allows, in words; nothing for null, which is "not set"."""
    if "enum" in schema or "const" in schema:
        return ", ".join(f"`{value}`" for value in schema.get("enum", [schema.get("const")]))
    words = {
        "string": "text",
        "integer": "whole number",
        "number": "number",
        "boolean": "true or false",
        "array": "list",
        "null": "",
    }
    bounds = {"minimum": "from", "exclusiveMinimum": "above", "maximum": "to", "exclusiveMaximum": "below"}
    ends = [f"{word} {schema[key]:g}" for key, word in bounds.items() if key in schema]
    return " ".join([words.get(schema["type"], schema["type"]), *ends])


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [header, ["---"] * len(header), *([escaped(cell) for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def escaped(cell: str) -> str:
    """A cell that Markdown shows as it is: pipes, and angle brackets outside code, are escaped."""
    text = " ".join(cell.split()).replace("|", "\\|")
    return text if text.startswith("`") else text.replace("<", "&lt;").replace(">", "&gt;")


if __name__ == "__main__":
    TARGET.write_text(render(), encoding="utf-8", newline="\n")
    print(f"Wrote {TARGET}")
