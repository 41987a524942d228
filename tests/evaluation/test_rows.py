"""Which rows are drawn together: those of a group, and those of one text where many come twice."""

import pytest

from tuneworthy.core.example import Example
from tuneworthy.evaluation.rows import Rows, rows_of


def rows(texts: list[str], groups: list[str] | None = None) -> Rows:
    return rows_of(
        [
            Example(id=f"{i:03d}", input=text, target="a", group=groups[i] if groups else None)
            for i, text in enumerate(texts)
        ]
    )


def test_rows_of_one_text_are_drawn_together_where_many_texts_come_twice() -> None:
    found = rows([f"Text {i // 2}" if i % 2 else f"text  {i // 2}" for i in range(40)])
    assert (found.units, found.grouped) == (20, True)


def test_one_text_in_a_hundred_that_comes_twice_changes_no_test() -> None:
    found = rows([f"text {max(i, 1)}" for i in range(100)])
    assert (found.units, found.grouped) == (100, False)


def test_rows_without_a_text_are_not_of_one_text() -> None:
    assert not rows([""] * 50).grouped


def test_nor_are_they_where_other_texts_come_twice() -> None:
    found = rows([*(f"text {i // 2}" for i in range(10)), *([""] * 20)])
    assert found.units == 5 + 20


def test_a_text_joins_the_groups_that_have_it() -> None:
    found = rows(["a", "b", "c", "c", "d", "e"], ["1", "1", "1", "2", "2", "3"])
    assert found.units == 2


def test_a_table_of_groups_keeps_them() -> None:
    assert rows(["a", "b", "c", "d"], ["1", "1", "2", "3"]).unit.tolist() == [0, 0, 1, 2]


def test_a_row_without_a_target_is_refused() -> None:
    with pytest.raises(ValueError, match="no target"):
        rows_of([Example(id="1", input="x")])
