"""Structured extraction: from a text to a JSON object of fields."""

import json
from collections.abc import Sequence
from typing import Any

from tuneworthy.core.errors import DataError, JobError
from tuneworthy.core.example import Example
from tuneworthy.core.outline import outline
from tuneworthy.data.forms import Cells, Form, Read
from tuneworthy.data.nested import nested
from tuneworthy.metrics._records import canonical, record_of
from tuneworthy.tasks import Message, Schema
from tuneworthy.tasks._grammar import fault, follows, grammar
from tuneworthy.tasks._schema import schema_of_records
from tuneworthy.tasks._turns import chat, enough


def holds_record(cell: str) -> bool:
    """Whether a cell is a JSON object, or one as Python prints it."""
    try:
        return isinstance(nested(cell), dict)
    except DataError:
        return False


def read_record(cells: Cells) -> Read:
    """The text, and the record as JSON. Raises DataError when the target is no record."""
    if cells.target is None or record_of(cells.target) is not None:
        return Read(cells.input, cells.target)
    found = nested(cells.target)
    if not isinstance(found, dict):
        raise DataError(
            f'the target {outline(cells.target)} is no JSON object such as {{"city": "Rome"}}: '
            "check --target."
        )
    return Read(cells.input, canonical(found))


class StructuredExtraction:
    """A target is a JSON object whose fields hold texts, numbers, or lists; the labels are its fields."""

    name = "structured-extraction"
    title = "structured extraction"
    metrics = ("field_f1", "exact_record", "validity")
    arms = ("majority", "nearest", "zero_shot", "few_shot", "knn_shot", "tagger", "lora")
    open = True
    form = Form(read=read_record, holds_target=holds_record, as_json=record_of, target="record")

    def check_examples(self, examples: Sequence[Example]) -> None:
        """Raises DataError when there are too few rows to measure anything."""
        enough(examples)

    def labels(self, examples: Sequence[Example]) -> tuple[str, ...]:
        """The fields that occur, in alphabetical order."""
        return tuple(sorted({field for row in examples for field in record_of(str(row.target)) or {}}))

    def primary_metric(self, examples: Sequence[Example]) -> str:
        """F1 of the fields: a record that is nearly right is worth something."""
        return "field_f1"

    def instruction(self, labels: Sequence[str]) -> str:
        """One sentence and the fields: shared by every row, so the engine computes it once."""
        return (
            "Extract these fields from the text: "
            + ", ".join(labels)
            + ". Answer with one JSON object that holds only the fields that the text mentions."
        )

    def messages(self, instruction: str, input: str, demonstrations: Sequence[Example] = ()) -> list[Message]:
        """System turn with the instruction, demonstrations as earlier turns, then the text."""
        shown = [(d.input, self.format(d.target or "{}")) for d in demonstrations]
        return chat(instruction, input, shown)

    def format(self, target: str) -> str:
        """The object with its fields in alphabetical order."""
        record = record_of(target)
        return target if record is None else canonical(record)

    def parse(self, text: str, labels: Sequence[str]) -> str | None:
        """The first JSON object in the text, whatever stands around it."""
        start = text.find("{")
        while start >= 0:
            try:
                found, _ = json.JSONDecoder().raw_decode(text, start)
            except (ValueError, RecursionError):
                found = None
            if isinstance(found, dict) and _is_plain(found):
                return canonical(found)
            start = text.find("{", start + 1)
        return None

    def schema(self, examples: Sequence[Example]) -> Schema:
        """The fields, types and lengths of the targets."""
        records = (record_of(str(row.target)) for row in examples)
        return schema_of_records([record for record in records if record is not None])

    def check_schema(self, schema: Schema, examples: Sequence[Example]) -> None:
        """Raises JobError when no record can be written by the schema, DataError when a target breaks it."""
        rules = grammar(schema)
        if trouble := fault(rules):
            raise JobError(
                f"json_schema cannot be used ({trouble}): simplify it, or leave it out and it is inferred."
            )
        broken = [row for row in examples if not follows(rules, self.format(str(row.target)))]
        if broken:
            rest = f" (and {len(broken) - 1} more of {len(examples)})" if len(broken) > 1 else ""
            raise DataError(
                f"row {broken[0].row}{rest}: the target {outline(self.format(str(broken[0].target)))} breaks "
                "json_schema: mend the rows or the schema."
            )


def _is_plain(record: dict[str, Any]) -> bool:
    """Whether a record is JSON in UTF-8 again: no infinite number, no NaN, no half of a surrogate pair."""
    try:
        json.dumps(record, ensure_ascii=False, allow_nan=False).encode()
    except (ValueError, RecursionError):
        return False
    return True


PLUGIN = StructuredExtraction()
