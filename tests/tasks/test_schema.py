"""The JSON Schema that is inferred, and the user's own."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tuneworthy.core.errors import DataError, JobError
from tuneworthy.core.example import Example
from tuneworthy.data.json_schema import read_json_schema
from tuneworthy.metrics._records import canonical
from tuneworthy.tasks import Schema
from tuneworthy.tasks._grammar import fault, follows, grammar
from tuneworthy.tasks._schema import ENOUGH, SPARE, schema_of_records, schema_of_values
from tuneworthy.tasks.structured_extraction import PLUGIN as TASK

CITY: Schema = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}


def examples(*targets: str) -> list[Example]:
    return [Example(id=f"r{i}", input="text", target=target, row=i + 2) for i, target in enumerate(targets)]


@pytest.mark.parametrize(
    ("values", "schema"),
    [
        (["ab", "c"], {"type": "string", "maxLength": 4 + SPARE}),
        ([1, 2], {"type": "integer"}),
        ([1, 2.5], {"type": "number"}),
        ([True, False], {"type": "boolean"}),
        ([None], {"type": "null"}),
        ([[], ["a", 1]], {"type": "array", "maxItems": 4 + SPARE}),
        ([[]], {"type": "array", "maxItems": 0}),
        (["a", None], {"anyOf": [{"type": "string", "maxLength": 2 + SPARE}, {"type": "null"}]}),
    ],
)
def test_values_have_the_types_seen(values: list[object], schema: Schema) -> None:
    found = schema_of_values(values)
    found.pop("items", None)
    assert found == schema


def test_a_field_is_required_when_all_of_enough_records_have_it() -> None:
    assert schema_of_records([{"a": 1}] * ENOUGH)["required"] == ["a"]
    assert schema_of_records([{"a": 1}] * (ENOUGH - 1))["required"] == []
    assert schema_of_records([*([{"a": 1}] * ENOUGH), {}])["required"] == []


def test_no_other_field_can_be_written() -> None:
    rules = grammar(schema_of_records([{"a": "x"}, {"b": 1}]))
    assert follows(rules, '{"a": "y", "b": 3}')
    assert not follows(rules, '{"c": 1}')


def test_targets_follow_the_schema_inferred_from_them() -> None:
    rng = np.random.default_rng(0)
    kinds = [
        lambda: "".join(map(chr, rng.integers(0, 0xD7FF, rng.integers(0, 9)))),
        lambda: float(rng.normal() * 10.0 ** rng.integers(-12, 30)),
        lambda: int(rng.integers(-(10**12), 10**12)),
        lambda: None,
        lambda: bool(rng.integers(2)),
        lambda: [value() for value in rng.choice(np.array(kinds[:5]), rng.integers(0, 4))],
        lambda: {f"k{i}": value() for i, value in enumerate(rng.choice(np.array(kinds[:6]), 3)) if i},
    ]
    for _ in range(40):
        records = [
            {f"f{i}": value() for i, value in enumerate(rng.choice(np.array(kinds), 4)) if rng.random() < 0.8}
            for _ in range(25)
        ]
        rules = grammar(TASK.schema(examples(*map(canonical, records))))
        assert fault(rules) is None
        assert all(follows(rules, canonical(record)) for record in records)


def test_the_row_that_breaks_the_users_schema_is_named() -> None:
    with pytest.raises(DataError, match=r"row 3: the target '\{\"xxxx\": \"Xxxx\"\}' breaks json_schema"):
        TASK.check_schema(CITY, examples('{"city": "Rome"}', '{"town": "Rome"}'))
    TASK.check_schema(CITY, examples('{"city": "Rome"}'))


def test_a_schema_that_cannot_be_used_is_refused_before_any_row() -> None:
    with pytest.raises(JobError, match="json_schema cannot be used"):
        TASK.check_schema({"type": "object", "properties": {"a": {"type": "words"}}}, examples("{}"))


@pytest.mark.parametrize("text", ['{"a": NaN}', '{"a": 1e999}', '{"a": "\\ud83d"}', '{"a": ["\\udfff"]}'])
def test_what_no_file_could_hold_is_unparseable(text: str) -> None:
    assert TASK.parse(text, ()) is None


@pytest.mark.parametrize("schema", [{"const": float("inf")}, {"properties": {"\ud800": {}}}, "deep"])
def test_a_schema_that_no_grammar_can_be_made_of_is_a_sentence(schema: Any) -> None:
    if schema == "deep":
        schema = {"type": "object"}
        for _ in range(900):
            schema = {"type": "object", "properties": {"a": schema}}
    with pytest.raises(JobError, match="json_schema cannot be used"):
        TASK.check_schema(schema, [])


def test_a_schema_with_half_a_character_or_infinity_is_no_json(tmp_path: Path) -> None:
    for text in ('{"const": 1e999}', '{"const": "\\ud800"}', '{"a":' * 5000):
        (tmp_path / "schema.json").write_text(text, encoding="utf-8")
        with pytest.raises(JobError, match="is no JSON"):
            read_json_schema(tmp_path / "schema.json")
