"""Every file in `checks/` keeps the contract: fires on its bad table, silent on the clean one."""

from typing import Any

import pytest

from toy import toy_rows
from tuneworthy.checks import CHECKS, Examined
from tuneworthy.core.example import Example


def examples(rows: list[dict[str, str]], start: int = 0) -> list[Example]:
    return [
        Example(id=f"r{i + start}", input=row["text"], target=row["label"], row=i + 2)
        for i, row in enumerate(rows)
    ]


CLEAN = toy_rows(60)
BAD: dict[str, Examined] = {
    "exact_duplicates": Examined(examples([*CLEAN, {**CLEAN[0], "text": CLEAN[0]["text"].upper()}]), [], 5),
    "conflicting_labels": Examined(examples([*CLEAN, {"text": CLEAN[0]["text"], "label": "other"}]), [], 5),
    "test_leak": Examined(examples(CLEAN), examples(CLEAN[:3], 100), 5),
    "rare_labels": Examined(
        examples([*CLEAN, {"text": "a", "label": "x"}, {"text": "b", "label": "x"}]), [], 5
    ),
    "unknown_test_labels": Examined(examples(CLEAN), examples([{"text": "new", "label": "typo"}], 100), 5),
}


@pytest.fixture(params=CHECKS.names())
def name(request: pytest.FixtureRequest) -> Any:
    return request.param


def test_it_has_a_bad_fixture_here(name: str) -> None:
    assert name in BAD, "add a table on which the new check fires"


def test_it_fires_on_its_bad_table_and_names_rows(name: str) -> None:
    found = CHECKS.get(name).examine(BAD[name])
    assert found.outcome in ("issue", "tip")
    assert found.rows
    assert found.advice


def test_it_is_silent_on_the_clean_table(name: str) -> None:
    clean = Examined(examples(CLEAN), examples(toy_rows(15, seed=9), 500), 5)
    fresh = [e.model_copy(update={"input": e.input + " fresh"}) for e in clean.test]
    assert CHECKS.get(name).examine(Examined(clean.examples, fresh, 5)).outcome in (
        "passed",
        "not_applicable",
    )


def test_it_is_deterministic(name: str) -> None:
    assert CHECKS.get(name).examine(BAD[name]) == CHECKS.get(name).examine(BAD[name])


def test_codes_are_unique() -> None:
    codes = [CHECKS.get(each).code for each in CHECKS.names()]
    assert len(set(codes)) == len(codes)
