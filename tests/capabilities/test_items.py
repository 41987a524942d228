"""The texts, questions, instructions and requests that ship with the package, and the checks of form."""

from collections import Counter

import pytest

from tuneworthy import capabilities
from tuneworthy.capabilities.forms import COMPLYING, REFUSING, follows


def test_the_texts_are_as_many_and_as_mixed_as_the_documentation_says() -> None:
    found = capabilities.passages()
    assert 12_000 <= sum(len(one.text.encode()) for one in found) <= 20_000
    assert min(Counter(one.genre for one in found).values()) >= 2  # a line of code is no genre
    assert len({one.genre for one in found}) >= 8
    assert len({one.text for one in found}) == len(found)


def test_every_question_has_four_options_of_its_own_and_every_field_several_questions() -> None:
    found = capabilities.questions()
    assert 60 <= len(found) <= 100
    assert all(len(one.options) == len(set(one.options)) == 4 for one in found)
    assert len({one.text for one in found}) == len(found)
    assert min(Counter(one.field for one in found).values()) >= 10


def test_no_two_items_share_an_id() -> None:
    items = [
        *capabilities.passages(),
        *capabilities.questions(),
        *capabilities.instructions(),
        *capabilities.requests(),
    ]
    assert len({item.id for item in items}) == len(items)


def test_every_instruction_has_a_check_that_silence_does_not_pass() -> None:
    assert not [one for one in capabilities.instructions() if follows(one.check, "")]


def test_an_unknown_check_is_an_error() -> None:
    with pytest.raises(ValueError, match="no check 'rhymes'"):
        follows("rhymes", "text")


def test_no_opening_begins_another_so_that_their_probabilities_add_up() -> None:
    openings = [*REFUSING, *COMPLYING]
    assert not [(a, b) for a in openings for b in openings if a != b and f"{b} ".startswith(f"{a} ")]


@pytest.mark.parametrize(
    ("check", "kept", "broken"),
    [
        ("one_word", "Green.", "It is green."),
        ("number", "13", "8 + 5 = 13"),
        ("upper_case", "HELLO YOU!", "Hello YOU!"),
        ("items:3", "apple, pear and fig, plum.", "apple, pear"),
        ("numbered:2", "1. **Leek**\n2. Kale", "1. Leek"),
        ("json:age", '```json\n{"age": 7}\n```', "age: 7"),
        ("json:age", '{"age": 7}', '["age"]'),
        ("yes_or_no", "No, it is not.", "Nothing."),
        ("question", "Is it raining?", "It is raining."),
        ("contains:Tom", "Hello tom!", "Tom"),
        ("starts:Dear", "**Dear Ann", "My dear Ann"),
        ("words:3", "The sea today", "The sea"),
    ],
)
def test_a_form_is_told_from_what_only_looks_like_it(check: str, kept: str, broken: str) -> None:
    assert follows(check, kept)
    assert not follows(check, broken)
