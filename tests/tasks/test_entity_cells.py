"""Entities as tables hold them: tags beside tokens, spans over a text, a list; all become one list."""

import json
from typing import Any

import pytest

from tuneworthy.core.errors import DataError
from tuneworthy.data.forms import Cells, Read
from tuneworthy.metrics._entities import entities_of
from tuneworthy.tasks import TASKS, form_of

READ = form_of(TASKS.get("token-classification")).read
TOKENS = ["Ada", "Lovelace", "met", "Bob", "in", "New", "York"]
TEXT = " ".join(TOKENS)
WANTED = [("person", "Ada Lovelace"), ("person", "Bob"), ("city", "New York")]


def read(input: Any, target: Any, joined: bool = False) -> Read:
    cells = [cell if isinstance(cell, str) else json.dumps(cell) for cell in (input, target)]
    return READ(Cells(cells[0], cells[1], joined))


def found(input: Any, target: Any) -> list[tuple[str, str]] | None:
    return entities_of(read(input, target).target or "")


@pytest.mark.parametrize(
    "tags",
    [
        "B-person I-person O B-person O B-city I-city",
        "B-person E-person O S-person O B-city E-city",  # BIOES
        "B-person L-person O U-person O B-city L-city",  # BILOU
    ],
)
@pytest.mark.parametrize("written", ["lists", "python", "words"])
def test_tags_of_every_scheme_become_the_same_entities(tags: str, written: str) -> None:
    tokens: Any = {"lists": TOKENS, "python": str(TOKENS), "words": TEXT}[written]
    given: Any = {"lists": tags.split(), "python": str(tags.split()), "words": tags}[written]
    assert found(tokens, given) == WANTED
    assert read(tokens, given) == Read(TEXT, read(TOKENS, tags.split()).target)


def test_an_entity_next_to_another_of_its_type_begins_at_its_b() -> None:
    assert found("a b c", "B-x B-x I-x") == [("x", "a"), ("x", "b c")]


@pytest.mark.parametrize(
    ("tags", "wanted"),
    [
        ("I-x I-x O", [("x", "a b")]),
        ("O I-x O", [("x", "b")]),
        ("B-x I-y O", [("x", "a"), ("y", "b")]),
        ("S-x I-x O", [("x", "a"), ("x", "b")]),
        ("B-x E-x E-x", [("x", "a b"), ("x", "c")]),
    ],
)
def test_an_i_without_its_b_begins_an_entity_and_is_noted(tags: str, wanted: list[tuple[str, str]]) -> None:
    made = read("a b c", tags)
    assert entities_of(made.target or "") == wanted
    assert "in place of B-" in made.note
    assert read("a b c", "B-x I-x O").note == ""


def test_types_may_hold_hyphens_and_no_entity_is_an_empty_list() -> None:
    assert found("Ada went", "B-person-scientist O") == [("person-scientist", "Ada")]
    assert found(["it", "rained"], ["O", "O"]) == []


SPANS = [(0, 12, "person"), (17, 20, "person"), (24, 32, "city")]


@pytest.mark.parametrize(
    "shape",
    [
        lambda start, end, kind: {"start": start, "end": end, "label": kind},
        lambda start, end, kind: {"start": start, "end": end, "labels": [kind], "text": TEXT[start:end]},
        lambda start, end, kind: {"start": start, "end": end, "entity_group": kind, "score": 0.9},
        lambda start, end, kind: {"start": start, "end": end, "type": kind},
        lambda start, end, kind: {"start": start, "end": end, "tag": kind, "word": TEXT[start:end].lower()},
        lambda start, end, kind: {"type": "labels", "value": {"start": start, "end": end, "labels": [kind]}},
        lambda start, end, kind: [start, end, kind],
    ],
)
def test_spans_of_every_tool_become_the_same_entities_in_text_order(shape: Any) -> None:
    spans = [shape(*span) for span in SPANS]
    assert found(TEXT, list(reversed(spans))) == WANTED
    assert found(TEXT, str(spans)) == WANTED  # as pandas writes it to CSV


def test_a_list_of_entities_stays_what_it_is() -> None:
    listed = [{"type": "city", "text": "Rome", "score": 1}]
    assert read("to Rome", listed).target == '[{"text":"Rome","type":"city"}]'
    assert read("to Rome", []).target == "[]"
    assert read("to Rome", "city: Rome; city: B-52").target == "city: Rome; city: B-52"
    assert read("to Rome", "B-cell: Rome").target == "B-cell: Rome"


def test_what_was_read_is_read_again_as_itself() -> None:
    tags = ["B-x", "I-x", "O", "O", "O", "O", "O"]
    for input, target in ((TOKENS, tags), (TEXT, [[0, 3, "x"]]), (TEXT, [])):
        once = read(input, target)
        assert READ(Cells(once.input, once.target)) == Read(once.input, once.target)


def test_tokens_to_predict_are_joined_as_in_training() -> None:
    assert READ(Cells(json.dumps(TOKENS), None)) == Read(TEXT, None)
    assert READ(Cells("[sic] a text", None)).input == "[sic] a text"


@pytest.mark.parametrize(
    ("input", "target", "message"),
    [
        (["a", "b"], ["O"], "2 tokens and 1 tags: there has to be one tag for each token"),
        ("a b c", "O B-x", "3 tokens and 2 tags"),
        (["a", "b"], [0, 3], r"the tags are numbers \(0, 3, ...\).*int2str"),
        ("a b", "0 3", "the tags are numbers"),
        (["a", "b"], ["O", "x"], "the tag 'x' is neither O nor one such as B-city"),
        ("abc", [{"start": 1, "end": 9, "label": "x"}], "the span 1 to 9 does not lie in the text of 3 char"),
        ("abc", [{"start": -1, "end": 2, "label": "x"}], "does not lie in the text"),
        ("abc", [{"start": 2, "end": 2, "label": "x"}], "does not lie in the text"),
        ("abc", [{"start": "0", "end": 2, "label": "x"}], "no whole numbers"),
        ("abc", [{"start": 0, "end": 2}], "has no one type"),
        ("abc", [{"start": 0, "end": 2, "labels": ["x", "y"]}], "has no one type"),
        (
            "abc",
            [{"start": 0, "end": 2, "label": "x", "text": "bc"}],
            "is 'xx' in the text and 'xx' in the t",
        ),
        (["a", "b"], [{"start": 0, "end": 1, "label": "x"}], "the input is a list of tokens"),
        ("['EU' 'rejects']", "['B-x' 'O']", "NumPy or Python printed, not like JSON"),
    ],
)
def test_what_does_not_fit_is_said_in_one_sentence(input: Any, target: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read(input, target)


def test_offsets_into_several_joined_columns_are_refused() -> None:
    with pytest.raises(DataError, match="several columns are the input"):
        read("title: abc", [{"start": 0, "end": 2, "label": "x"}], joined=True)
