"""The short commented job that `tuneworthy init data.csv` writes."""

import json
import re
import textwrap
from collections.abc import Mapping, Sequence

from pydantic import BaseModel

from tuneworthy.core.evidence import Thresholds
from tuneworthy.core.job import DataSpec, Job
from tuneworthy.data.columns import Columns

_LABELS_SHOWN = 6
_LONGEST_LABEL = 30
_WIDTH = 100
_BARE = re.compile(r"(?:\.{0,2}/)?[A-Za-z_][\w./-]*", re.ASCII)
_UNPRINTED = re.compile(r"[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")

_TEMPLATE = """\
# What is compared, and on what. Every other setting has a default.
data:
  path: {path}  # {rows} rows; a relative path starts at this file's folder
  input: [{input}]
{target}{labels}
  # test: test.csv  # {test_help}

task: {task}

# the methods to compare, by file name in methods/; leave out what you would never use
arms: [{arms}]{left_out}

{protocol_help}
protocol: {protocol}

verdict:
{gain_help}
  smallest_gain_worth_having: {gain}
{score_help}
  # target_score: {target_score}

# The parameters of a method are a section of its name.
# lora:
#   rank: 8
#   learning_rate: 2e-4
"""


def starter_job(
    data_path: str,
    columns: Columns,
    rows: int,
    labels: Sequence[str],
    task: str,
    arms: Sequence[str],
    left_out: Mapping[str, str] | None = None,
    error: bool = False,
) -> str:
    """A commented job for one table, which `load_job` accepts as it is.

    Args:
        data_path: the table, as the job should name it (relative to the job file).
        columns: the text and label columns.
        rows: how many rows the table has.
        labels: the distinct labels, most frequent first; none where answers are texts.
        task: the task's name.
        arms: the methods that suit it.
        left_out: those that would, and why they cannot run here, in a clause.
        error: whether the task's metric is an error, so that no share of right answers is a target.
    """
    return _TEMPLATE.format(
        path=_scalar(data_path),
        rows=f"{rows:,}",
        input=", ".join(_scalar(name) for name in columns.input),
        target="  # no target: the last turn of a chat is the answer"
        if columns.target is None
        else f"  target: {_scalar(columns.target)}",
        labels=_labels(labels),
        test_help=DataSpec.model_fields["test"].description,
        task=task,
        arms=", ".join(arms),
        left_out=_left_out(left_out or {}),
        protocol_help=_comment(Job, "protocol", ""),
        gain_help=_comment(Thresholds, "smallest_gain_worth_having", "  "),
        score_help=_comment(Thresholds, "target_score", "  "),
        target_score="0.5  # of the target's unit" if error else "0.9",
        protocol=Job.model_fields["protocol"].default,
        gain=Thresholds.model_fields["smallest_gain_worth_having"].default,
    )


def _comment(model: type[BaseModel], field: str, indent: str) -> str:
    """The description of a field as wrapped comment lines."""
    text = model.model_fields[field].description or field
    return textwrap.fill(text, _WIDTH, initial_indent=f"{indent}# ", subsequent_indent=f"{indent}# ")


def _left_out(reasons: Mapping[str, str]) -> str:
    """A comment line for each method that cannot run here."""
    return "".join(
        "\n"
        + textwrap.fill(f"{name} is left out: {why}", _WIDTH, initial_indent="# ", subsequent_indent="#   ")
        for name, why in reasons.items()
    )


def _labels(labels: Sequence[str]) -> str:
    if not labels:
        return ""
    shown = []
    for label in labels[:_LABELS_SHOWN]:
        flat = " ".join("".join(c if c.isprintable() else " " for c in label).split())
        shown.append(flat if len(flat) <= _LONGEST_LABEL else flat[: _LONGEST_LABEL - 3] + "...")
    more = ", ..." if len(labels) > _LABELS_SHOWN else ""
    return f"  # {len(labels)} labels: {', '.join(shown)}{more}"


def _scalar(text: str) -> str:
    """A text as a YAML scalar: bare when that is safe, else in double quotes."""
    if _BARE.fullmatch(text) and text.lower() not in ("true", "false", "null"):
        return text
    quoted = json.dumps(text, ensure_ascii=False)  # JSON's quotes are YAML 1.2's
    return _UNPRINTED.sub(lambda match: f"\\u{ord(match[0]):04x}", quoted)
