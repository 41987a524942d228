"""Which column is what: found when clear, asked for when not; and the examples that come of it."""

import random
from collections.abc import Sequence

import pytest

from tuneworthy.core.errors import DataError, JobError
from tuneworthy.data.columns import Columns, choose_columns
from tuneworthy.data.examples import to_dataset
from tuneworthy.data.table import Table

WORDS = ["alpha", "bravo", "charlie", "delta", "echo", "foxtrot", "golf", "hotel", "india", "juliet", "kilo"]


def table(rows: int = 60, **columns: Sequence[str | None]) -> Table:
    filled = {name: [values[i % len(values)] for i in range(rows)] for name, values in columns.items()}
    return Table(
        path=None,
        columns=tuple(filled),
        rows=[{name: values[i] for name, values in filled.items()} for i in range(rows)],
        numbers=list(range(2, rows + 2)),
        counted_in="line",
    )


def prose(rows: int = 60, words: int = 9, seed: int = 0) -> list[str]:
    draw = random.Random(seed)
    return [" ".join(draw.choices(WORDS, k=words)) + f" {i}" for i in range(rows)]


def unclear(rows: Table, *, input: Sequence[str] = (), target: str | None = None) -> str:
    with pytest.raises(JobError) as caught:
        choose_columns(rows, input, target)
    return str(caught.value)


# --- choosing ---


def test_one_text_and_one_repeated_column_are_found() -> None:
    found = choose_columns(table(clause=prose(), clause_type=["a", "b", "c"]), (), None)
    assert found == Columns(("clause",), "clause_type")


def test_the_choice_is_explained_in_one_sentence() -> None:
    found = choose_columns(table(clause=prose(), kind=["a", "b"]), (), None)
    assert (
        found.explanation
        == "The text is column 'clause' and the label is column 'kind' (the obvious choice)."
    )


def test_ids_numbers_dates_links_and_constants_are_ignored() -> None:
    rows = table(
        id=[f"x{i:04d}" for i in range(60)],
        score=[f"{i}.5" for i in range(60)],
        seen=[f"2024-01-{i % 30 + 1:02d} 10:{i:02d}" for i in range(60)],
        link=[f"https://example.org/{i}" for i in range(60)],
        language=["en"],
        body=prose(),
        kind=["a", "b"],
    )
    assert choose_columns(rows, (), None) == Columns(("body",), "kind")


@pytest.mark.parametrize("name", ["label", "Target", "class", "category"])
def test_a_known_name_singles_out_the_label(name: str) -> None:
    rows = table(**{"body": prose(), "company": ["a", "b", "c"], name: ["x", "y"]})
    assert choose_columns(rows, (), None).target == name


def test_a_known_name_singles_out_the_text() -> None:
    rows = table(title=prose(words=4, seed=1), text=prose(), label=["x", "y"])
    assert choose_columns(rows, (), None).input == ("text",)


def test_known_names_suffice_for_a_tiny_table() -> None:
    assert choose_columns(table(2, text=["good", "bad"], label=["x", "y"]), (), None) == Columns(
        ("text",), "label"
    )


def test_text_in_a_script_without_spaces_is_text() -> None:
    rows = table(
        body=[f"この映画はとても面白かったです{chr(0x3042 + i)}" for i in range(60)], kind=["a", "b"]
    )
    assert choose_columns(rows, (), None).input == ("body",)


def test_nested_json_is_not_taken_for_text() -> None:
    nested = [f'{{"artist": "some body {i}", "title": "the long one"}}' for i in range(60)]
    assert choose_columns(table(body=prose(), slots=nested, kind=["a", "b"]), (), None).input == ("body",)


def test_two_label_like_columns_are_not_clear() -> None:
    message = unclear(table(company=["a", "b", "c"], clause=prose(), clause_type=["x", "y"]))
    assert "does not make clear which column is the label" in message
    assert "company      3 distinct values: a, b, c" in message
    assert "clause       60 distinct texts, about 10 words each" in message
    assert message.endswith("--input clause --target clause_type")


def test_two_texts_are_not_clear() -> None:
    message = unclear(table(question=prose(), context=prose(words=30, seed=1), kind=["a", "b"]))
    assert "which column is the text" in message
    assert message.endswith("--input context --target kind")


def test_two_known_names_are_not_clear() -> None:
    assert "which column is the label" in unclear(table(text=prose(), label=["a", "b"], category=["x", "y"]))


def test_a_repeated_column_with_one_rare_value_is_still_a_rival() -> None:
    diagnosis = ["flu", "cold"] * 29 + ["flu", "rare"]
    assert "which column is the label" in unclear(
        table(note=prose(), channel=["web", "phone"], diagnosis=diagnosis)
    )


def test_a_column_of_short_texts_is_still_a_rival() -> None:
    names = [
        f"{a.title()} {b.title()}{i}" for i, (a, b) in enumerate(zip(WORDS * 5, WORDS[1:] * 5, strict=False))
    ]
    assert "which column is the text" in unclear(
        table(len(names), product=names, body=prose(60), kind=["a", "b"])
    )


def test_a_label_whose_values_do_not_all_repeat_is_not_clear() -> None:
    assert "label" in unclear(
        table(10, body=prose(10), kind=["a", "b", "a", "b", "a", "b", "c", "a", "b", "a"])
    )


def test_a_free_text_target_is_not_found_by_itself() -> None:
    message = unclear(table(document=prose(words=30), summary=prose(seed=1)))
    assert message.endswith("--input document --target summary")


def test_flags_quote_names_with_spaces() -> None:
    message = unclear(table(**{"the text": prose(), "kind a": ["x", "y"], "kind b": ["x", "z"]}))
    assert message.endswith("--input 'the text' --target 'kind b'")


def test_a_named_label_lets_the_text_be_found() -> None:
    rows = table(company=["a", "b", "c"], clause=prose(), clause_type=["x", "y"])
    found = choose_columns(rows, (), "clause_type")
    assert found == Columns(("clause",), "clause_type")
    assert "one as you said" in found.explanation


def test_a_group_column_is_neither_text_nor_label() -> None:
    rows = table(company=["a", "b", "c"], clause=prose(), clause_type=["x", "y"])
    assert choose_columns(rows, (), None, group="company").target == "clause_type"


def test_named_columns_are_used_as_they_are() -> None:
    rows = table(title=prose(seed=1), body=prose(), kind=["x", "y"])
    assert choose_columns(rows, ("title", "body"), "kind") == Columns(("title", "body"), "kind")


def test_an_unknown_column_gets_the_nearest_name() -> None:
    rows = table(clause=prose(), clause_type=["x", "y"])
    with pytest.raises(JobError, match="no column 'clause_typ': did you mean 'clause_type'"):
        choose_columns(rows, (), "clause_typ")
    with pytest.raises(JobError, match="no column 'klause': did you mean 'clause'"):
        choose_columns(rows, ("klause",), None)


def test_a_column_cannot_be_text_and_label() -> None:
    with pytest.raises(JobError, match="'body' is named twice"):
        choose_columns(table(body=prose(), kind=["x", "y"]), ("body",), "body")


# --- examples ---

ONE = Columns(("text",), "label")


def test_examples_keep_text_label_group_and_line() -> None:
    data, notes = to_dataset(
        table(2, text=["  a ", "b"], label=["x", "y"], who=["p", None]), ONE, "who", "toy"
    )
    assert [(row.input, row.target, row.group, row.row) for row in data.examples] == [
        ("  a ", "x", "p", 2),
        ("b", "y", None, 3),
    ]
    assert (data.name, data.input_columns, data.target_column, data.group_column) == (
        "toy",
        ("text",),
        "label",
        "who",
    )
    assert notes == []


def test_several_columns_are_joined_by_name_and_blank_ones_left_out() -> None:
    rows = table(2, title=["t", " "], body=["b", "c"], label=["x", "y"])
    data, _ = to_dataset(rows, Columns(("title", "body"), "label"), None, "toy")
    assert [row.input for row in data.examples] == ["title: t\nbody: b", "body: c"]


def test_equal_rows_get_ids_of_their_own() -> None:
    data, _ = to_dataset(table(3, text=["a"], label=["x"]), ONE, None, "toy")
    ids = [row.id for row in data.examples]
    assert ids[1:] == [f"{ids[0]}-1", f"{ids[0]}-2"]


def test_ids_do_not_depend_on_other_rows() -> None:
    alone, _ = to_dataset(table(1, text=["b"], label=["y"]), ONE, None, "toy")
    among, _ = to_dataset(table(3, text=["a", "b", "c"], label=["x", "y", "z"]), ONE, None, "toy")
    assert among.examples[1].id == alone.examples[0].id


def test_rows_without_text_or_label_are_left_out_and_told() -> None:
    rows = table(6, text=["a", None, " ", "b", "c", "d"], label=["x", "x", None, None, "y", "x"])
    data, notes = to_dataset(rows, ONE, None, "toy")
    assert [row.input for row in data.examples] == ["a", "c", "d"]
    assert notes == [
        "2 of 6 rows were left out because the text (text) is blank: lines 3 and 4.",
        "1 of 6 rows was left out because the label (label) is blank: line 5.",
    ]


def test_a_table_without_any_whole_row_is_an_error() -> None:
    with pytest.raises(DataError, match=r"none of the 2 rows has both a text \(text\) and a label \(label\)"):
        to_dataset(table(2, text=["a", None], label=[None, "x"]), ONE, None, "toy")


def test_an_unknown_group_column_is_an_error() -> None:
    with pytest.raises(JobError, match="no column 'autor': did you mean 'author'"):
        to_dataset(table(2, text=["a", "b"], label=["x", "y"], author=["p"]), ONE, "autor", "toy")


def test_white_space_around_a_value_is_seen_where_columns_are_listed() -> None:
    said = unclear(table(60, review=prose(), rating=[*["+", "-"] * 29, "+", " +"]))
    assert "+, -, ' +'" in said
