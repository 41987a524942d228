"""The JSON Schema that training answers follow: their fields, the types seen there, and how long they get."""

from collections.abc import Mapping, Sequence
from typing import Any

from tuneworthy.tasks import Schema

ENOUGH = 20  # records that agree before a field is required
SPARE = 20  # characters or items beyond twice the most that was seen


def schema_of_records(records: Sequence[Mapping[str, Any]]) -> Schema:
    """An object with the fields that occur and no others.

    A field is required when all of at least twenty records have it: then at most 3 new ones in n lack it
    (the rule of three, at 95%), and a text may still be empty, which counts as no value. No other field is
    forced: a model would invent what the text does not say.

    >>> schema_of_records([{"a": 1, "b": "x"}, *([{"a": 2}] * 20)])["required"]
    ['a']
    """
    fields = sorted({field for record in records for field in record})
    values = {field: [record[field] for record in records if field in record] for field in fields}
    return {
        "type": "object",
        "properties": {field: schema_of_values(values[field]) for field in fields},
        "required": [field for field in fields if len(values[field]) == len(records) >= ENOUGH],
        "additionalProperties": False,
    }


def schema_of_values(values: Sequence[Any]) -> Schema:
    """The types seen, texts and lists bounded at twice their longest and a margin, so that a runaway ends."""
    texts = [value for value in values if isinstance(value, str)]
    lists = [value for value in values if isinstance(value, list)]
    objects = [value for value in values if isinstance(value, dict)]
    numbers = [value for value in values if isinstance(value, int | float) and not isinstance(value, bool)]
    kinds: list[Schema] = []
    if texts:
        kinds.append({"type": "string", "maxLength": _bound(texts)})
    if numbers:
        kinds.append({"type": "integer" if all(isinstance(n, int) for n in numbers) else "number"})
    if any(isinstance(value, bool) for value in values):
        kinds.append({"type": "boolean"})
    if any(value is None for value in values):
        kinds.append({"type": "null"})
    if lists:
        items = [item for value in lists for item in value]
        bounded = {"items": schema_of_values(items), "maxItems": _bound(lists)} if items else {"maxItems": 0}
        kinds.append({"type": "array", **bounded})
    if objects:
        kinds.append(schema_of_records(objects))
    return kinds[0] if len(kinds) == 1 else {"anyOf": kinds}


def _bound(seen: Sequence[str | list[Any]]) -> int:
    return 2 * max(map(len, seen)) + SPARE
