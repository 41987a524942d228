"""A report that may leave the machine: the same page without anything that a row, or a person, says."""

from collections.abc import Mapping
from io import StringIO
from typing import Any

from ruamel.yaml import YAML

from tuneworthy.core.example import Example
from tuneworthy.core.finding import Finding, RowNote
from tuneworthy.reports.contents import Contents, Details, UnitOutput

# What a fit saw and chose, in numbers and in sentences of our own.
OWN_SENTENCES = ("kept_because", "metric", "dtype", "rollbacks", "train", "validation")


def without_rows(contents: Contents, job: dict[str, Any]) -> Contents:
    """The contents without rows, their targets, answers to them, groups, and what findings quote of them.

    Args:
        contents: of a run folder.
        job: the resolved job to show in place of the folder's, without paths.
    """
    details = contents.details
    slices = details.slices and details.slices.model_copy(
        update={"worse": tuple(one for one in details.slices.worse if one.by != "group")}
    )
    findings = tuple(quoteless(found).model_copy(update={"notes": ()}) for found in contents.findings)
    # A fine-tuned model may repeat rows that it learned from in whatever it writes.
    forgetting = contents.forgetting and contents.forgetting.model_copy(
        update={
            "changes": tuple(change.model_copy(update={"lost": ()}) for change in contents.forgetting.changes)
        }
    )
    return contents.model_copy(
        update={
            "job_text": _yaml(job),
            "forgetting": forgetting,
            "rows": {},
            "findings": findings,
            "details": Details(slices=slices, wording=details.wording, confusion=details.confusion),
            "units": tuple(unit.model_copy(update={"facts": _numbers(unit)}) for unit in contents.units),
        }
    )


def quoteless(found: Finding) -> Finding:
    """A finding that names rows, and repeats nothing of what they say."""
    notes = tuple(
        RowNote(row=note.row, test=note.test, note="", other=note.other, column=note.column)
        for note in found.notes
    )
    return found.model_copy(update={"message": f"{found.title.capitalize()}.", "advice": "", "notes": notes})


def wordless(rows: Mapping[int, Example]) -> dict[int, Example]:
    """Rows by number, which say nothing."""
    return {number: row.model_copy(update={"input": "", "target": ""}) for number, row in rows.items()}


def _numbers(unit: UnitOutput) -> dict[str, Any]:
    """The facts without texts: a baseline's is its answer, a prompt's are its demonstrations."""
    return {
        key: value
        for key, value in unit.facts.items()
        if key in OWN_SENTENCES or isinstance(value, int | float)
    }


def _yaml(tree: dict[str, Any]) -> str:
    text = StringIO()
    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style = False
    yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]
    yaml.dump(tree, text)
    return text.getvalue()
