"""A model held to a JSON Schema writes nothing else, however little it knows."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from tiny_models import save_decoder
from toy import toy_rows
from tuneworthy.engine.constraint import Constraint
from tuneworthy.engine.encoding import encode_prompt
from tuneworthy.engine.generation import generate
from tuneworthy.methods._constrained import write_constrained
from tuneworthy.models.decoder import Decoder, load_decoder
from tuneworthy.tasks import TASKS, Schema
from tuneworthy.tasks._grammar import grammar

TASK = TASKS.get("structured-extraction")
SEEDS = 4


def quiet(done: int, total: int) -> None:
    """No progress."""


def record(**properties: Schema) -> Schema:
    return {"type": "object", "properties": properties, "required": list(properties)}


CASES: dict[str, tuple[Schema, Callable[[dict[str, Any]], bool]]] = {
    "string": (
        record(a={"type": "string", "maxLength": 12}),
        lambda r: isinstance(r["a"], str) and len(r["a"]) <= 12,
    ),
    "unbounded string": (record(a={"type": "string"}), lambda r: isinstance(r["a"], str)),
    "array": (
        record(a={"type": "array", "items": {"type": "string", "maxLength": 4}, "maxItems": 3}),
        lambda r: len(r["a"]) <= 3 and all(len(item) <= 4 for item in r["a"]),
    ),
    "numbers": (
        record(i={"type": "integer"}, x={"type": "number"}),
        lambda r: isinstance(r["i"], int) and isinstance(r["x"], int | float),
    ),
    "boolean or null": (
        record(b={"type": "boolean"}, n={"type": ["boolean", "null"]}),
        lambda r: r["b"] in (True, False) and r["n"] in (True, False, None),
    ),
    "enum": (record(e={"enum": ["EUR", "über", 3, None]}), lambda r: r["e"] in ("EUR", "über", 3, None)),
    "nested": (
        record(o=record(p={"type": "string", "pattern": "^[a-c]{2}$"})),
        lambda r: len(r["o"]["p"]) == 2 and set(r["o"]["p"]) <= set("abc"),
    ),
}


@pytest.fixture(params=CASES, ids=str)
def case(request: pytest.FixtureRequest) -> tuple[Schema, Callable[[dict[str, Any]], bool]]:
    return CASES[request.param]


def asked(decoder: Decoder, count: int = 5) -> list[list[int]]:
    return [encode_prompt(decoder, TASK, "Answer in JSON.", row["text"]) for row in toy_rows(count)]


def stop_of(decoder: Decoder) -> list[int]:
    return [decoder.tokenizer.eos_token_id]


def fits(text: str, schema: Schema, holds: Callable[[dict[str, Any]], bool]) -> bool:
    try:
        found = json.loads(text)
    except ValueError:
        return False
    return isinstance(found, dict) and found.keys() == schema["properties"].keys() and holds(found)


@pytest.mark.parametrize("kind", ["llama", "gpt2", "mistral_sliding"])
def test_a_random_model_writes_records_of_the_schema_and_freely_none(
    kind: str, case: tuple[Schema, Callable[[dict[str, Any]], bool]], tmp_path: Path
) -> None:
    schema, holds = case
    decoder = load_decoder(save_decoder(tmp_path, kind), "float32")
    prompts, stop = asked(decoder), stop_of(decoder)
    free = [decoder.tokenizer.decode(tokens) for tokens in generate(decoder, prompts, stop, 20)]
    assert not any(fits(text, schema, holds) for text in free)
    texts = write_constrained(decoder, grammar(schema), prompts, stop, 20, quiet)
    assert all(fits(text, schema, holds) for text in texts), texts


def test_drawn_tokens_stay_within_the_schema_whatever_the_seed(
    case: tuple[Schema, Callable[[dict[str, Any]], bool]], decoder_folder: Path
) -> None:
    decoder = load_decoder(decoder_folder, "float32")
    prompts, stop = asked(decoder), stop_of(decoder)
    constraint = Constraint(decoder, grammar(case[0]), stop)
    ended = 0
    for seed in range(SEEDS):
        guides = [constraint.guide() for _ in prompts]
        drawn = generate(decoder, prompts, stop, 80, temperature=1.0, seed=seed, guides=guides)
        for tokens in drawn:
            text = constraint.written(tokens).decode(errors="ignore")
            if len(tokens) < 80:  # the others had not ended yet
                ended += 1
                assert fits(text, *case), text
    assert ended


def test_an_answer_that_follows_the_schema_is_not_changed_by_the_mask(decoder_folder: Path) -> None:
    decoder = load_decoder(decoder_folder, "float32")
    schema = record(a={"type": "string"}, n={"type": "integer"}, t={"type": "array", "items": {}})
    constraint = Constraint(decoder, grammar(schema), stop_of(decoder))
    text = '{"a": "the \\"lazy\\" dog über 🙂", "n": -12, "t": ["x", {"y": 1.5e3}, null, true]}'
    guide = constraint.guide()
    *most, last = decoder.encode(text)
    for token in most:
        logits = torch.zeros(400).index_fill(0, torch.tensor([token]), 1.0)
        assert int(guide.masked(logits).argmax()) == token
        assert guide.take(token)
    assert not guide.take(last)
    assert guide.masked(torch.zeros(400)).isfinite().nonzero().flatten().tolist() == stop_of(decoder)


def test_tokens_that_break_the_schema_are_impossible(decoder_folder: Path) -> None:
    decoder = load_decoder(decoder_folder, "float32")
    guide = Constraint(decoder, grammar(record(a={"type": "boolean"})), stop_of(decoder)).guide()
    allowed = guide.masked(torch.zeros(400)).isfinite().nonzero().flatten().tolist()
    assert {decoder.tokenizer.decode([token])[0] for token in allowed} == {"{"}


def test_a_runaway_keeps_what_it_wrote_and_is_ended(decoder_folder: Path) -> None:
    decoder = load_decoder(decoder_folder, "float32")
    prompts, stop = asked(decoder), stop_of(decoder)
    schema = record(a={"type": "string", "minLength": 300}, b={"type": "string"})
    texts = write_constrained(decoder, grammar(schema), prompts, stop, 20, quiet)
    assert all(len(json.loads(text)["a"]) >= 300 for text in texts)
    assert all(json.loads(text)["b"] == "" for text in texts)
