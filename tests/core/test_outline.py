"""The form of a text without its words."""

import pytest

from tuneworthy.core.outline import outline


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Ann Lee, 041", "'Xxx Xxx, 999'"),
        ("['EU' 'rejects']", "'['XX' 'xxxxxxx']'"),
        ("Äß東\u0661", "'Xxx9'"),
        ("a\nb\x1b[1m", "'x x [9x'"),
        ("a" * 41, f"'{'x' * 40}…'"),
    ],
)
def test_letters_and_digits_are_gone_and_all_else_stays(text: str, shown: str) -> None:
    assert outline(text) == shown
