"""National ids by presidio's recognisers, where they are installed. Every number here is made up."""

import pytest

from tuneworthy.checks._national_ids import at_hand, national_ids

pytestmark = pytest.mark.skipif(not at_hand(), reason="needs tuneworthy[presidio]")


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("His NHS number is 943 476 5919.", "NHS number (UK)"),
        ("DNI 12345678Z, por favor", "identity number (Spain)"),
        ("codice fiscale RSSMRA85T10A562S", "fiscal code (Italy)"),
        ("PESEL 44051401359", "PESEL number (Poland)"),
        ("hetu 131052-308T", "identity code (Finland)"),
    ],
)
def test_a_number_whose_check_digit_holds_is_named(text: str, kind: str) -> None:
    assert kind in [found for found, _, _ in national_ids(text)]


@pytest.mark.parametrize(
    "text",
    [
        "His NHS number is 943 476 5918.",
        "order 9434765919 was sent",
        "DNI 12345678A",
        "the year 2024 and 1,250,000",
    ],
)
def test_a_wrong_check_digit_or_digits_that_nobody_announces_are_not(text: str) -> None:
    assert not list(national_ids(text))
