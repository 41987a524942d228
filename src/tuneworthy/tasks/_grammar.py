"""A JSON Schema as a grammar: which texts follow it, and how one that is unfinished ends soonest.

The grammar writes records as `canonical` does (fields in alphabetical order, one space after ',' and ':'), so
that a record has one text and a small model has no white space to run away into.
"""

import json
import re
from collections import Counter
from functools import lru_cache
from typing import Any, cast

from llguidance import LLMatcher, LLTokenizer, TokenizerWrapper

from tuneworthy.core.errors import JobError
from tuneworthy.tasks import Schema

LONGEST_END = 4096  # bytes after which nothing is expected to end any more
END = 256  # the token after the 256 bytes

_SCHEMA = ("items", "additionalProperties")  # keywords that hold a schema,
_NAMED = ("properties", "patternProperties", "$defs", "definitions")  # schemas by name,
_LISTED = ("anyOf", "oneOf", "prefixItems")  # or a list of them


def grammar(schema: Schema) -> str:
    """The grammar of the schema's texts, for `LLMatcher`; `fault` says what is wrong with it.

    Raises:
        JobError: the schema leaves the names of fields open, or is nothing that a grammar can be made of.
    """
    try:
        return _grammar(schema)
    except JobError:
        raise
    except Exception as error:  # of the schema's reader, or of its nesting
        said = " ".join(str(error).split())[:200] or type(error).__name__
        raise JobError(
            f"json_schema cannot be used ({said}): simplify it, or leave it out and it is inferred."
        ) from None


def _grammar(schema: Schema) -> str:
    return LLMatcher.grammar_from_json_schema(
        json.dumps(closed(schema), sort_keys=True),
        overrides={
            "item_separator": ", ",
            "key_separator": ": ",
            "whitespace_flexible": False,
            "coerce_one_of": True,
        },
    )


def closed(schema: Any) -> Any:
    """The schema in which an object that names its properties lets no others in.

    Raises:
        JobError: one of them says that it does; records would have more than one order of fields.

    >>> closed({"properties": {"a": {"type": "string"}}})
    {'properties': {'a': {'type': 'string'}}, 'additionalProperties': False}
    """
    if not isinstance(schema, dict):
        return schema  # true and false are schemas too
    found: Schema = {}
    for key, value in schema.items():
        if key in _NAMED and isinstance(value, dict):
            found[key] = {name: closed(inner) for name, inner in value.items()}
        elif key in _LISTED and isinstance(value, list):
            found[key] = [closed(inner) for inner in value]
        else:
            found[key] = closed(value) if key in _SCHEMA else value
    named = "properties" in found and not found.keys() & {"patternProperties", "allOf"}
    if named and found.setdefault("additionalProperties", False) is not False:
        raise JobError(
            "json_schema: an object that names its properties cannot let others in; name all or none of "
            "them, and leave additionalProperties out."
        )
    return found


def fault(rules: str) -> str | None:
    """Why no record can be written by the grammar, in a few words; None when all is well."""
    broken, messages = LLMatcher.validate_grammar_with_warnings(rules, _byte_tokenizer())
    if broken:
        return " ".join(messages[0].split("\n")[0].split())
    if _allowed(_matcher(rules)) != [ord("{")]:
        return "it admits answers that are no objects"
    return None if completed(rules, b"") else "no end of a record was found"


def follows(rules: str, text: str) -> bool:
    """Whether the whole text is one of the grammar's."""
    written = text.encode(errors="surrogatepass")
    matcher = _matcher(rules)
    return matcher.try_consume_tokens(list(written)) == len(written) and matcher.is_accepting()


def completed(rules: str, written: bytes) -> str | None:
    """The text as far as the grammar admits it, and the few bytes that make it whole; None when none do.

    Texts, lists and objects are closed as soon as they may be, and what is required besides is as empty as
    the grammar lets it be. No model is asked.

    >>> rules = grammar({"type": "object", "properties": {"a": {"type": "string"}}})
    >>> completed(rules, b'{"a": "Rome and Rome and')
    '{"a": "Rome and Rome and"}'
    """
    matcher = _matcher(rules)
    text = bytearray(written[: matcher.try_consume_tokens(list(written))])
    used: Counter[int] = Counter()
    while not matcher.is_accepting():
        allowed = _allowed(matcher)
        if not allowed or sum(used.values()) == LONGEST_END:
            return None
        byte = _closing(allowed, _inside_text(text), used)
        matcher.consume_token(byte)
        text.append(byte)
        used[byte] += 1
    return text.decode()


def _closing(allowed: list[int], inside: bool, used: Counter[int]) -> int:
    """The byte that ends what is open; else the least used that opens nothing, so that no pattern loops."""
    ends = [byte for byte in (b'"' if inside else b'}],"') if byte in allowed]
    return ends[0] if ends else min(allowed, key=lambda byte: (byte in b"{[-\\", used[byte], byte))


def _inside_text(text: bytes | bytearray) -> bool:
    """Whether a quote is open at the end of this beginning of a JSON text."""
    return re.sub(rb"\\.", b"", text, flags=re.DOTALL).count(b'"') % 2 == 1


def _allowed(matcher: LLMatcher) -> list[int]:
    """The bytes that may come next."""
    mask = int.from_bytes(matcher.compute_bitmask(), "little")
    return [byte for byte in range(END) if mask >> byte & 1]


def _matcher(rules: str) -> LLMatcher:
    """A matcher of single bytes at the beginning of a text."""
    return _fresh_matcher(rules).deep_copy()


@lru_cache(maxsize=8)
def _fresh_matcher(rules: str) -> LLMatcher:
    return LLMatcher(_byte_tokenizer(), rules, log_level=0)


class _Bytes:
    """The vocabulary of the 256 bytes, as llguidance asks for one."""

    eos_token_id = END
    bos_token_id = None
    tokens = (*(bytes([byte]) for byte in range(END)), b"<end>")
    special_token_ids = (END,)

    def __call__(self, text: bytes | str) -> list[int]:
        return list(text.encode() if isinstance(text, str) else text)


@lru_cache(maxsize=1)
def _byte_tokenizer() -> LLTokenizer:
    return LLTokenizer(cast(Any, TokenizerWrapper(_Bytes())))
