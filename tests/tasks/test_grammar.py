"""What follows a JSON Schema, and how an unfinished record ends."""

import json
from typing import Any

import pytest

from tuneworthy.core.errors import JobError
from tuneworthy.metrics._records import canonical
from tuneworthy.tasks import Schema
from tuneworthy.tasks._grammar import closed, completed, fault, follows, grammar

TEXT: Schema = {"type": "string"}
TREE: Schema = {
    "$ref": "#/$defs/node",
    "$defs": {
        "node": {
            "type": "object",
            "properties": {"next": {"anyOf": [{"$ref": "#/$defs/node"}, {"type": "null"}]}, "name": TEXT},
            "required": ["next", "name"],
        }
    },
}


def record(required: tuple[str, ...] = (), **properties: Any) -> Schema:
    return {"type": "object", "properties": properties, "required": list(required)}


@pytest.mark.parametrize(
    ("schema", "text", "answer"),
    [
        (record(a=TEXT), '{"a": "x"}', True),
        (record(a=TEXT), "{}", True),
        (record(("a",), a=TEXT), "{}", False),
        (record(a=TEXT), '{"a": 1}', False),
        (record(a=TEXT), '{"b": "x"}', False),
        (record(a=TEXT), '{"a": "x"', False),
        (record(a=TEXT), '{"a": "x"} ', False),
        (record(b=TEXT, a=TEXT), '{"a": "x", "b": "y"}', True),
        (record(a={"type": "string", "maxLength": 2}), '{"a": "ü🙂"}', True),
        (record(a={"type": "string", "maxLength": 2}), '{"a": "üü🙂"}', False),
        (record(a=TEXT), '{"a": "\\u0000 \\" \\n"}', True),
        (record(a=TEXT), '{"a": "\\ud800"}', False),
        (record(a=TEXT), '{"a": "\ud800"}', False),
        (record(a={"type": "number"}), '{"a": 1e-07}', True),
        (record(a={"oneOf": [TEXT, {"type": "null"}]}), '{"a": null}', True),
        (TREE, '{"name": "x", "next": {"name": "y", "next": null}}', True),
        (TREE, '{"name": "x", "next": {"name": "y", "last": 1, "next": null}}', False),
    ],
)
def test_a_text_follows_its_schema_or_not(schema: Schema, text: str, answer: bool) -> None:
    assert follows(grammar(schema), text) is answer


@pytest.mark.parametrize(
    ("schema", "written", "whole"),
    [
        (record(("a", "b"), a=TEXT, b={"type": "array", "items": TEXT}), "", '{"a": "", "b": []}'),
        (record(a=TEXT), '{"a": "and and and', '{"a": "and and and"}'),
        (record(a=TEXT), '{"a": "}', '{"a": "}"}'),
        (record(a=TEXT), '{"a": "\\', '{"a": "\\""}'),
        (record(a={"type": "array", "items": TEXT}), '{"a": ["x", "y"', '{"a": ["x", "y"]}'),
        (record(a={"type": "integer"}), '{"a": 0000', '{"a": 0}'),
        (record(a={"type": "number"}), '{"a": 1.', '{"a": 1.0}'),
        (record(a=TEXT), "Sure! Here is", "{}"),
        (TREE, '{"name": "x", "next": {', '{"name": "x", "next": {"name": "", "next": null}}'),
        (record(a={"type": "string", "pattern": "^x*y$"}), '{"a": "xxx', '{"a": "xxxxy"}'),
        (record(a={"enum": ["EUR", "GBP"]}), '{"a": "G', '{"a": "GBP"}'),
    ],
)
def test_an_unfinished_text_ends_soon(schema: Schema, written: str, whole: str) -> None:
    assert completed(grammar(schema), written.encode()) == whole


def test_half_a_character_is_made_whole() -> None:
    found = completed(grammar(record(a=TEXT)), '{"a": "ü'.encode()[:-1])
    assert found is not None
    assert len(json.loads(found)["a"]) == 1


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({"type": "string"}, "no objects"),
        ({}, "no objects"),
        (record(a={"type": "text"}), "Invalid type: text"),
        (record(a={"type": "array", "uniqueItems": True}), "uniqueItems"),
        (record(a={"$ref": "https://example.com/schema.json"}), "example.com"),
        (record(("b",), a=TEXT), "'b' is unsatisfiable"),
        ({"$ref": "#/$defs/n", "$defs": {"n": record(("n",), n={"$ref": "#/$defs/n"})}}, "no end"),
    ],
)
def test_a_schema_that_lets_nothing_be_written_says_why(schema: Schema, words: str) -> None:
    assert words in str(fault(grammar(schema)))


def test_a_sound_schema_has_no_fault() -> None:
    assert fault(grammar(TREE)) is None


def test_an_open_object_without_names_is_a_map() -> None:
    rules = grammar(record(a={"type": "object", "additionalProperties": {"type": "integer"}}))
    assert follows(rules, canonical({"a": {"z": 1, "b": 2}}))


def test_an_object_with_names_that_lets_others_in_is_refused() -> None:
    with pytest.raises(JobError, match="cannot let others in"):
        closed(record(o={**record(a=TEXT), "additionalProperties": True}))


def test_a_field_may_be_called_like_a_keyword() -> None:
    rules = grammar(record(properties=TEXT, items=TEXT))
    assert follows(rules, '{"items": "x", "properties": "y"}')
