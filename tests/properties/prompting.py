"""What a model is prompted with: templates of users and of models of strangers, labels, JSON Schemas."""

import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import numpy as np
import torch
from hypothesis import strategies as st
from tokenizers import normalizers

from properties.pieces import ALL, TWINS, randoms, text_of
from properties.promise import Target
from tiny_models import save_decoder, tiny_tokenizer
from tuneworthy.core.example import Example
from tuneworthy.data.json_schema import read_json_schema
from tuneworthy.engine.encoding import encode_labels, encode_prompt
from tuneworthy.engine.label_trie import LabelTrie
from tuneworthy.engine.scoring import score_labels, score_labels_padded
from tuneworthy.models.decoder import Decoder, load_decoder
from tuneworthy.tasks import TASKS
from tuneworthy.tasks._grammar import completed, follows, grammar
from tuneworthy.tasks._prompted import with_prompt

NAMES = (
    "input",
    "labels",
    "instruction",
    "messages",
    "m",
    "m['content']",
    "m.role",
    "loop",
    "range(9)",
    "range(99999)",
)
NAMES += (
    "bos_token",
    "eos_token",
    "1",
    "'a'",
    "[]",
    "none",
    "input.x",
    "input.__class__",
    "labels[0]",
    "x",
    "namespace()",
)
MARKS = (
    "+",
    "~",
    "*",
    "**",
    "-",
    "/",
    "//",
    "%",
    "==",
    "in",
    "is",
    "|upper",
    "|join",
    "|tojson",
    "|int",
    "|list",
    "|f",
)
MARKS += (
    ".split()",
    ".format(1)",
    "[0]",
    "[-1]",
    "|length",
    "|replace('a', 'b')",
    "|center(9)",
    "|random",
    ".items()",
)
BLOCKS = (
    "{% for m in messages %}",
    "{% for c in input %}",
    "{% endfor %}",
    "{% if m %}",
    "{% else %}",
    "{% endif %}",
)
BLOCKS += (
    "{% set x = x ~ x %}",
    "{% set x = input %}",
    "{% macro f() %}",
    "{% endmacro %}",
    "{{ f() }}",
    "{% break %}",
)
BLOCKS += (
    "{% include 'a' %}",
    "{% extends 'a' %}",
    "{% raw %}",
    "{# #}",
    "{%- ",
    "-%}",
    "{% generation %}",
    "\n",
    "a",
)
BLOCKS += (
    "{{ raise_exception('no') }}",
    "{% call f() %}",
    "{% block b %}",
    "{% autoescape false %}",
    "{{ lipsum() }}",
)


def expression_of(random: Random, marks: Sequence[str]) -> str:
    """A name, and what is done to it."""
    parts = [random.choice(NAMES)]
    for _ in range(random.randint(0, 3)):
        parts += [random.choice(marks), random.choice(["", " " + random.choice(NAMES)])]
    return "".join(parts)


def template_of(random: Random, whole: str, marks: Sequence[str] = MARKS) -> str:
    """Blocks and expressions around one that a template has to have."""
    parts = [
        random.choice(BLOCKS) if random.random() < 0.5 else "{{ " + expression_of(random, marks) + " }}"
        for _ in range(3)
    ]
    parts = parts[: random.randint(0, 3)] + ([text_of(random)[:50]] if random.random() < 0.2 else [])
    parts.insert(random.randint(0, len(parts)), whole)
    return "".join(parts)


class Prompt(NamedTuple):
    """A user's template, and a text that it is rendered with."""

    template: str
    text: str


def prompt_of(random: Random) -> Prompt:
    """A template, mostly with the input in it."""
    return Prompt(template_of(random, "{{ input }}"), text_of(random)[:1000])


def use_prompt(prompt: Prompt, folder: Path) -> None:
    """A template that is accepted shows the text."""
    task = with_prompt(TASKS.get("text-classification"), prompt.template, ["a", "b"])
    for turn in task.messages("Say which.", prompt.text):
        turn["content"].encode()


FEW_MARKS = [mark for mark in MARKS if "*" not in mark]  # what multiplies is tried before a chat is rendered
CHAT = "{% for m in messages %}<|im_start|>{{ m['content'] }}<|im_end|>{% endfor %}"


def use_chat(template: str, folder: Path) -> None:
    """A chat template that is accepted writes a prompt and, after it, an answer as it is."""
    tokenizer = _tokenizer()
    tokenizer.chat_template = template
    decoder = Decoder(None, tokenizer, folder, torch.device("cpu"))
    messages = TASKS.get("text-classification").messages("Say which.", "a text")
    decoder.encode(decoder.render(messages))
    assert decoder.encode_answer(messages, "yes")[:-1] == decoder.encode("yes")


@cache
def _tokenizer() -> Any:
    return tiny_tokenizer()


class Labels(NamedTuple):
    """A set of labels, and whether the tokenizer takes twins of letters for the same."""

    labels: tuple[str, ...]
    folds: bool


def labels_of(random: Random) -> Labels:
    """Twins, beginnings of one another, signs that end an answer, long ones."""
    found = [text_of(random)[:200] for _ in range(random.randint(1, 4))]
    for _ in range(random.randint(0, 4)):
        one = random.choice(found)
        twins = [
            one + "s",
            one[:-1],
            one + " ",
            " " + one,
            one.upper(),
            one + "\n",
            one + "<|im_end|>",
            one * 3,
        ]
        found.append(random.choice([*twins, "<|im_end|>", random.choice(TWINS), random.choice(ALL)[:9000]]))
    plain = (one.replace("\0", "") for one in found)
    return Labels(tuple(sorted({one for one in plain if one.strip()} | {"a"})), random.random() < 0.3)


def score_set(given: Labels, folder: Path) -> None:
    """Labels that are accepted have paths of their own through the tree, and scores of their own."""
    task = TASKS.get("text-classification")
    rows = [Example(id=f"{i}", input="a text", target=label) for i, label in enumerate(given.labels * 20)]
    task.check_examples(rows)
    labels = task.labels(rows)
    for label in labels:
        assert task.parse(task.format(label), labels) == label
    decoder = _folding() if given.folds else _decoder()
    encoded = encode_labels(decoder, task, "Say which.", labels)
    assert len(set(encoded)) == len(labels)
    trie = LabelTrie.build(encoded)
    for tokens, steps in zip(encoded, trie.steps, strict=True):
        assert tuple(token for _, token in steps) == tokens
        assert [trie.tokens[node] for node in ([] if len(steps) == 1 else trie.path(steps[-1][0]))] == list(
            tokens[:-1]
        )
    if len(trie.tokens) < 100:
        prompts = [encode_prompt(decoder, task, "Say which.", "a text")]
        scores = score_labels(_decoder(), prompts, encoded)
        alone = score_labels_padded(_decoder(), prompts, encoded)
        assert np.isfinite(scores).all() and np.abs(scores - alone).max() < 1e-3


@cache
def _decoder() -> Decoder:
    """A tiny model, kept for all cases."""
    from tempfile import mkdtemp

    return load_decoder(save_decoder(Path(mkdtemp())), "float32")


@cache
def _folding() -> Decoder:
    """The same with a tokenizer that reads twins of letters as one."""
    tokenizer = tiny_tokenizer()
    tokenizer.backend_tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFKC(), normalizers.Lowercase()]
    )
    return Decoder(_decoder().model, tokenizer, _decoder().folder, torch.device("cpu"))


KEYS = (
    "type",
    "properties",
    "required",
    "items",
    "additionalProperties",
    "patternProperties",
    "enum",
    "const",
    "anyOf",
)
KEYS += (
    "oneOf",
    "allOf",
    "$ref",
    "$defs",
    "pattern",
    "maxLength",
    "minLength",
    "minItems",
    "maxItems",
    "format",
    "not",
)
KEYS += (
    "minimum",
    "maximum",
    "multipleOf",
    "prefixItems",
    "if",
    "dependentRequired",
    "uniqueItems",
    "$id",
    "nullable",
)
VALUES: tuple[Any, ...] = (
    "object",
    "string",
    "integer",
    "number",
    "array",
    "null",
    "#",
    "#/$defs/a",
    "http://localhost/a",
)
VALUES += (
    0,
    1,
    -1,
    10**9,
    1e308,
    0.1,
    True,
    None,
    [],
    ["a"],
    {},
    {"a": {}},
    "(a*)*b",
    "(a{999}){999}",
    "[",
    "\\d+",
    "date",
)


def schema_of(random: Random, depth: int = 0) -> Any:
    """A JSON Schema, or what looks like one."""
    if depth > 3 or random.random() < 0.1:
        return random.choice(VALUES)
    schema: dict[str, Any] = {"type": random.choice(VALUES[:6])} if random.random() < 0.8 else {}
    for _ in range(random.randint(0, 3)):
        key = random.choice(KEYS) if random.random() < 0.95 else text_of(random)[:50]
        value: Any = random.choice(VALUES)
        if key in ("properties", "$defs", "patternProperties"):
            value = {
                random.choice(["a", "b", text_of(random)[:50]]): schema_of(random, depth + 1)
                for _ in range(2)
            }
        elif key in ("items", "additionalProperties", "not", "if"):
            value = schema_of(random, depth + 1)
        elif key in ("anyOf", "oneOf", "allOf", "prefixItems"):
            value = [schema_of(random, depth + 1) for _ in range(2)]
        schema[key] = value
    return schema


def file_of(random: Random) -> str:
    """A schema's file."""
    top = schema_of(random)
    if isinstance(top, dict) and random.random() < 0.8:
        top = {"type": "object", "properties": {"a": {"type": "string"}, "b": top}}
    text = json.dumps(top)
    return text if random.random() < 0.9 else text[: random.randint(0, len(text))] + text_of(random)


def use_schema(text: str, folder: Path) -> None:
    """By a schema that is accepted a record can be written, and what is written follows it."""
    (folder / "schema.json").write_text(text, encoding="utf-8")
    schema = read_json_schema(folder / "schema.json")
    task: Any = TASKS.get("structured-extraction")
    task.check_schema(schema, [])
    rules = grammar(schema)
    record = completed(rules, b"")
    assert record is not None and follows(rules, record)
    assert isinstance(json.loads(record), dict)


chats = st.builds(
    lambda random: (
        template_of(random, CHAT, FEW_MARKS) + "{% if add_generation_prompt %}<|im_start|>{% endif %}"
    ),
    randoms,
)
PROMPTING = [
    Target("prompts", st.builds(prompt_of, randoms), use_prompt),
    Target("chat_templates", chats, use_chat),
    Target("label_sets", st.builds(labels_of, randoms), score_set),
    Target("json_schemas", st.builds(file_of, randoms), use_schema),
]
