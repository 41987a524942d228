"""Which rows become demonstrations, short texts and long."""

from tuneworthy.core.example import Example
from tuneworthy.methods._prompting import FEWEST_SHORT, demonstrable
from tuneworthy.methods.few_shot import FewShotParameters, draw_demonstrations


def rows(short: int, long: int) -> list[Example]:
    """So many short rows, then so many of 5,000 characters; two labels in turns."""
    texts = ["brief"] * short + ["word " * 1000] * long
    return [Example(id=str(i), row=i, input=text, target="ab"[i % 2]) for i, text in enumerate(texts)]


def test_long_rows_stay_out_where_short_ones_are_at_hand() -> None:
    shown = demonstrable(rows(FEWEST_SHORT, 300), 1200, open=False)
    assert [row.id for row in shown] == [str(i) for i in range(FEWEST_SHORT)]


def test_long_rows_are_shown_by_their_beginning_where_hardly_any_row_is_short() -> None:
    shown = demonstrable(rows(3, 300), 1200, open=False)
    assert len(shown) == 303
    assert max(len(row.input) for row in shown) <= 1204
    assert shown[0].input == "brief"
    assert shown[3].input.endswith("word ...")


def test_an_answer_to_be_found_in_a_text_is_never_asked_of_its_beginning() -> None:
    assert len(demonstrable(rows(3, 300), 1200, open=True)) == 3


def test_a_few_rows_that_are_mostly_short_are_not_cut() -> None:
    assert len(demonstrable(rows(4, 3), 1200, open=False)) == 4


def test_whole_contracts_leave_few_shot_its_demonstrations() -> None:
    shown = draw_demonstrations(rows(0, 50), FewShotParameters(k=4), seed=0)
    assert sorted(row.target or "" for row in shown) == ["a", "a", "b", "b"]


def test_a_long_chat_is_no_demonstration() -> None:
    chats = [
        row.model_copy(update={"input": f"[user] {row.input}\n[assistant] yes\n[user] and now?"})
        for row in rows(0, 50)
    ]
    assert demonstrable(chats, 1200, open=False) == []
