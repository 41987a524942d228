"""What the gate lets pass and what not, on answers made by hand."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from tuneworthy.core.errors import ModelError
from tuneworthy.core.example import Example
from tuneworthy.core.parity import Parity
from tuneworthy.exporters import Given, Side, Subject, Tolerance
from tuneworthy.exporters.gate import choose_rows, examine
from tuneworthy.refitting import final_fit

LABELS = ("account", "delivery", "refund")


class Scripted:
    """An exporter whose two sides are given."""

    name = "scripted"
    title = "scripted"
    variants: tuple[str, ...] = ()

    def __init__(self, expected: Side, found: Side | None, nats: float | None = None) -> None:
        self._expected, self._found, self._nats = expected, found, nats

    def unsuited(self, subject: Subject) -> str:
        return ""

    def write(self, subject: Subject, folder: Path) -> None:
        return

    def expected(self, subject: Subject, rows: Sequence[Example]) -> Side:
        return self._expected

    def found(self, subject: Subject, folder: Path, rows: Sequence[Example]) -> Side:
        if self._found is None:
            raise ModelError("it cannot be loaded.")
        return self._found

    def tolerance(self, subject: Subject, precision: str) -> Tolerance:
        return Tolerance(nats=self._nats)

    def usage(self, subject: Subject) -> str:
        return ""


@pytest.fixture(scope="module")
def subject(finished_run: Path) -> Subject:
    return Subject(final_fit(finished_run))


def gate(
    subject: Subject,
    wrong: int = 0,
    rows: int = 60,
    traits: tuple[Mapping[str, Any], Mapping[str, Any]] = ({}, {}),
    away: float = 0.0,
    nats: float | None = None,
) -> Parity:
    """The fit has every row right; the export has the first few wrong, and scores that are `away`."""
    asked = choose_rows(subject.refit, rows)
    right = [str(row.target) for row in asked]
    other = [LABELS[(LABELS.index(label) + (i < wrong)) % 3] for i, label in enumerate(right)]
    ours = Side(tuple(Given(label, {"a": -1.0}) for label in right), traits[0])
    theirs = Side(tuple(Given(label, {"a": -1.0 - away}) for label in other), traits[1])
    return examine(subject, Scripted(ours, theirs, nats), Path(), asked)


def test_the_same_answers_pass(subject: Subject) -> None:
    parity = gate(subject)
    assert parity.passed
    assert (parity.same, parity.rows) == (60, 60)
    assert parity.first is None


def test_one_row_of_sixty_is_within_the_tolerance_and_is_told(subject: Subject) -> None:
    parity = gate(subject, wrong=1)
    assert parity.passed
    assert parity.notes == ("1 of 60 answers differ, within the tolerance",)
    assert parity.first is not None
    assert parity.first.expected != parity.first.found


def test_a_drop_beyond_the_tolerance_fails_though_it_may_be_chance(subject: Subject) -> None:
    parity = gate(subject, wrong=2)
    assert [cause for cause in parity.causes if "is allowed" in cause]


def test_a_significant_drop_fails_as_such(subject: Subject) -> None:
    parity = gate(subject, wrong=8)
    assert [cause for cause in parity.causes if "no chance" in cause]
    assert parity.drop is not None
    assert parity.drop.losses == 0


def test_other_weights_are_seen_where_every_answer_agrees(subject: Subject) -> None:
    assert gate(subject, away=0.5, nats=0.3).causes
    assert gate(subject, away=0.2, nats=0.3).passed
    assert gate(subject, away=5.0, nats=None).passed  # reported only
    assert gate(subject, away=5.0, nats=None).nats == pytest.approx(5.0)


@pytest.mark.parametrize(
    ("trait", "ours", "theirs", "words"),
    [
        ("base_model", "abc", "abd", "the base model is another one"),
        ("labels", ["a", "b"], ["b", "a"], "the labels differ"),
        ("template", "x {{ y }}", "x {{ z }}", "the chat template differs: from character 6 on"),
        ("special_tokens", {"eos": "</s>"}, {"eos": "<e>"}, "the special tokens differ"),
        ("stop_token", "</s>", ["<pad>"], "the stop token is missing: the fit ends its answers with '</s>'"),
    ],
)
def test_what_has_to_be_equal_fails_with_words_of_its_own(
    subject: Subject, trait: str, ours: Any, theirs: Any, words: str
) -> None:
    parity = gate(subject, traits=({trait: ours}, {trait: theirs}))
    assert [cause for cause in parity.causes if words in cause]


def test_a_stop_token_among_several_is_there(subject: Subject) -> None:
    assert gate(subject, traits=({"stop_token": "</s>"}, {"stop_token": ["<pad>", "</s>"]})).passed


def test_what_only_one_side_has_is_not_compared(subject: Subject) -> None:
    assert gate(subject, traits=({"template": "x"}, {})).passed


def test_what_cannot_be_loaded_fails_with_the_reason(subject: Subject) -> None:
    asked = choose_rows(subject.refit, 8)
    side = Side(tuple(Given(str(row.target)) for row in asked))
    assert examine(subject, Scripted(side, None), Path(), asked).causes == ("it cannot be loaded",)


def test_rows_are_drawn_the_same_way_each_time_and_only_labelled_ones(subject: Subject) -> None:
    first, again = choose_rows(subject.refit, 20), choose_rows(subject.refit, 20)
    assert [row.id for row in first] == [row.id for row in again]
    assert len({row.id for row in first}) == 20
