"""The one reader: what comes out of a good file, and the sentence that a bad one gets."""

import io
import json
import os
import tracemalloc
import zipfile
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import polars
import pytest
import xlsxwriter

from tuneworthy.core.errors import DataError, NotFoundError
from tuneworthy.data.readers import Table, read_table, table_from_frame

Write = Callable[[str, str | bytes], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes a file of the given name and returns its path."""

    def to_file(name: str, content: str | bytes) -> Path:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return to_file


def workbook(
    path: Path, sheets: dict[str, list[list[Any]]], first_row: int = 0, first_column: int = 0
) -> Path:
    with xlsxwriter.Workbook(str(path)) as book:
        for name, rows in sheets.items():
            sheet = book.add_worksheet(name)
            for number, row in enumerate(rows, start=first_row):
                for position, value in enumerate(row, start=first_column):
                    if isinstance(value, tuple):
                        sheet.write_formula(number, position, value[0], None, value[1])
                    elif value is not None:
                        sheet.write(number, position, value)
    return path


def error_of(path: Path, **options: Any) -> str:
    with pytest.raises(DataError) as caught:
        read_table(path, **options)
    message = str(caught.value)
    assert "\n" not in message and message.endswith(".")
    return message


# --- the five formats give the same table ---

ROWS = [{"text": "good film", "label": "pos"}, {"text": "bad film", "label": None}]


def test_the_same_rows_come_out_of_every_format(tmp_path: Path, write: Write) -> None:
    frame = polars.DataFrame(ROWS)
    frame.write_parquet(tmp_path / "t.parquet")
    paths = [
        write("t.csv", "text,label\ngood film,pos\nbad film,\n"),
        write("t.tsv", "text\tlabel\ngood film\tpos\nbad film\t\n"),
        write("t.jsonl", "".join(json.dumps(row) + "\n" for row in ROWS)),
        tmp_path / "t.parquet",
        workbook(tmp_path / "t.xlsx", {"S": [["text", "label"], ["good film", "pos"], ["bad film"]]}),
    ]
    tables = [read_table(path) for path in paths]
    assert [table.rows for table in tables] == [ROWS] * 5
    assert [table.columns for table in tables] == [("text", "label")] * 5


def test_rows_carry_the_line_or_row_they_start_on(tmp_path: Path, write: Write) -> None:
    csv = read_table(write("t.csv", 'a,b\n\n"two\nlines",1\nx,2\n'))
    jsonl = read_table(write("t.jsonl", '\n{"a": 1}\n\n{"a": 2}\n'))
    sheet = workbook(tmp_path / "t.xlsx", {"S": [["a"], ["x"], [], ["y"]]}, first_row=2, first_column=1)
    assert (csv.numbers, csv.counted_in) == ([3, 5], "line")
    assert (jsonl.numbers, jsonl.counted_in) == ([2, 4], "line")
    assert (read_table(sheet).numbers, read_table(sheet).counted_in) == ([4, 6], "row")
    assert "lines of the file, the column names being the first" in csv.numbering
    assert jsonl.numbering == "Row numbers count lines of the file."
    assert "rows of the file, the column names being the first" in read_table(sheet).numbering


def test_places_are_told_in_words_and_cut_after_five(write: Write) -> None:
    table = read_table(write("t.csv", "a,b\n" + "1,2\n" * 9))
    assert table.where([0]) == "line 2"
    assert table.where([0, 2]) == "lines 2 and 4"
    assert table.where([0, 2, 4]) == "lines 2, 4 and 6"
    assert table.where(list(range(9))) == "lines 2, 3, 4, 5, 6 and 4 more"


# --- cells ---


def test_white_space_stays_in_cells_and_goes_from_column_names(write: Write) -> None:
    table = read_table(write("t.csv", " text , label\n  a \tb ,x\n"))
    assert table.columns == ("text", "label")
    assert table.rows == [{"text": "  a \tb ", "label": "x"}]


def test_json_numbers_stay_as_they_were_written(write: Write) -> None:
    row = read_table(
        write("t.jsonl", '{"a": 1.50, "b": 1e-4, "c": 7, "d": 12345678901234567890, "e": true}')
    ).rows[0]
    assert row == {"a": "1.50", "b": "1e-4", "c": "7", "d": "12345678901234567890", "e": "true"}


def test_nested_json_values_become_canonical_json(write: Write) -> None:
    row = read_table(write("t.jsonl", '{"a": {"z": [1.50, null], "b": "é"}, "c": []}')).rows[0]
    assert row == {"a": '{"b":"é","z":[1.5,null]}', "c": "[]"}


def test_null_nan_and_empty_text_are_none(write: Write) -> None:
    table = read_table(write("t.jsonl", '{"a": null, "b": NaN, "c": "", "d": " "}\n{"a": "x"}'))
    assert table.rows[0] == {"a": None, "b": None, "c": None, "d": " "}
    assert table.rows[1] == {"a": "x", "b": None, "c": None, "d": None}


def test_parquet_types_become_text(tmp_path: Path) -> None:
    frame = polars.DataFrame(
        {"i": [1], "f": [0.5], "n": [float("nan")], "b": [True], "d": [date(2024, 1, 31)], "l": [[1, 2]]}
    ).with_columns(s=polars.struct(x="i"), y=polars.lit(b"ok"))
    frame.write_parquet(tmp_path / "t.parquet")
    row = read_table(tmp_path / "t.parquet").rows[0]
    expected = {"i": "1", "f": "0.5", "n": None, "b": "true", "d": "2024-01-31", "l": "[1,2]"}
    assert row == {**expected, "s": '{"x":1}', "y": "ok"}


def test_binary_parquet_cells_are_refused_by_row_and_column(tmp_path: Path) -> None:
    polars.DataFrame({"text": ["a", "b"], "image": [b"ok", b"\xff\xd8"]}).write_parquet(
        tmp_path / "t.parquet"
    )
    assert "row 2, column 'image': binary data" in error_of(tmp_path / "t.parquet")


def test_half_a_character_in_json_is_refused(write: Write) -> None:
    message = error_of(write("t.jsonl", '{"text": "ok"}\n{"text": "\\ud83d"}'))
    assert "line 2, column 'text'" in message and "\\ud83d" in message


def test_quoted_cells_keep_delimiters_quotes_and_line_breaks(write: Write) -> None:
    table = read_table(write("t.csv", 'text,label\r\n"a, ""b""\r\nc",x\r\n'))
    assert table.rows == [{"text": 'a, "b"\r\nc', "label": "x"}]


def test_blank_lines_around_rows_are_fine(write: Write) -> None:
    assert len(read_table(write("t.csv", "\n\na,b\n1,2\n\n3,4\n\n   \n"))) == 2


def test_a_file_without_a_last_line_end_is_whole(write: Write) -> None:
    assert read_table(write("t.csv", "a,b\n1,2")).rows == [{"a": "1", "b": "2"}]


@pytest.mark.parametrize("mark", [",", ";", "\t", "|"])
def test_csv_finds_its_delimiter_in_the_header(write: Write, mark: str) -> None:
    content = f'text{mark}"a label, or; two"{mark}c\nx{mark}y{mark}z\n'
    assert read_table(write("t.csv", content)).rows == [{"text": "x", "a label, or; two": "y", "c": "z"}]


# --- encodings ---


@pytest.mark.parametrize(
    ("codec", "recorded"),
    [
        ("utf-8", "utf-8"),
        ("utf-8-sig", "utf-8-sig"),
        ("utf-16", "utf-16"),
        ("utf-32", "utf-32"),
        ("cp1252", "cp1252"),
    ],
)
@pytest.mark.parametrize("suffix", ["csv", "jsonl"])
def test_every_common_encoding_is_read(write: Write, codec: str, recorded: str, suffix: str) -> None:
    content = (
        "text,label\ncafé – “oui”,très\n"
        if suffix == "csv"
        else '{"text": "café – “oui”", "label": "très"}\n'
    )
    table = read_table(write(f"t.{suffix}", content.encode(codec)))
    assert table.rows == [{"text": "café – “oui”", "label": "très"}]
    assert table.encoding == recorded


def test_big_endian_utf_16_with_a_mark_is_read(write: Write) -> None:
    table = read_table(write("t.csv", b"\xfe\xff" + "a,b\né,1\n".encode("utf-16-be")))
    assert table.rows == [{"a": "é", "b": "1"}]


def test_reading_as_cp1252_is_told_with_the_line(write: Write) -> None:
    table = read_table(write("t.csv", "text,label\nplain,a\ncafé,b\n".encode("cp1252")))
    assert table.notes == (
        "t.csv is not UTF-8 (byte 0xE9 on line 3), so it was read as cp1252; if accents look wrong, save it "
        "again as UTF-8.",
    )


def test_bytes_that_cp1252_lacks_are_read_as_latin_1(write: Write) -> None:
    assert read_table(write("t.csv", b"a,b\ncaf\xe9 \x81,1\n")).encoding == "latin-1"


def test_one_bad_byte_in_utf_8_is_an_error_not_a_garbled_table(write: Write) -> None:
    message = error_of(write("t.csv", "a,b\ncafé,1\nthé,1\n".encode() + b"caf\xe9,2\n"))
    assert "line 4" in message and "0xE9" in message


def test_utf_8_split_between_two_pieces_of_the_file_is_still_utf_8(write: Write) -> None:
    padding = "x" * ((1 << 20) - len("a,b\n") - 1)
    assert read_table(write("t.csv", f"a,b\n{padding}é,1\n")).encoding == "utf-8"


def test_broken_utf_16_is_an_error(write: Write) -> None:
    assert "not UTF-16" in error_of(write("t.csv", "a,b\n1,2\n".encode("utf-16") + b"\x00"))


def test_a_bad_byte_is_found_at_its_place_between_two_pieces_of_the_file(write: Write) -> None:
    head = b"\xef\xbb\xbfa,b\n"
    path = write("t.csv", head + b"x" * ((1 << 20) - len(head) - 1) + b"\xc3\n")
    assert f"line 2: byte {1 << 20} of the file is not UTF-8" in error_of(path)


def test_utf_16_without_a_mark_is_named(write: Write) -> None:
    assert "UTF-16 text without its byte order mark" in error_of(
        write("t.csv", "a,b\n1,2\n".encode("utf-16-le"))
    )


@pytest.mark.parametrize(
    ("head", "named"),
    [(b"PK\x03\x04", "ZIP"), (b"%PDF-1.7", "PDF"), (b"\x89PNG\r\n", "PNG"), (b"\x1f\x8b\x08", "gzip")],
)
def test_binary_files_are_named_for_what_they_are(write: Write, head: bytes, named: str) -> None:
    message = error_of(write("t.csv", head + bytes(range(256))))
    assert named in message and "not a CSV" in message


def test_binary_data_of_no_known_kind_is_refused(write: Write) -> None:
    assert "binary" in error_of(write("t.csv", bytes(range(1, 256)) * 4))


def test_nul_bytes_name_their_line(write: Write) -> None:
    assert "line 3: NUL bytes" in error_of(write("t.csv", "a,b\n1,2\n\0\0,3\n"))
    far = "a,b\n" + "1,2\n" * 20_000 + "\0,3\n"
    assert "line 20002: NUL bytes" in error_of(write("far.csv", far))


# --- files that are no table ---


def test_a_missing_file_names_the_nearest(write: Write) -> None:
    path = write("train.csv", "a,b\n1,2\n")
    with pytest.raises(NotFoundError, match=r"did you mean train\.csv\?"):
        read_table(path.with_name("trian.csv"))


def test_a_missing_file_lists_the_tables_in_its_folder(write: Write) -> None:
    path = write("reviews.csv", "a,b\n1,2\n")
    write("notes.txt", "x")
    with pytest.raises(NotFoundError, match=r"holds reviews\.csv\.$"):
        read_table(path.with_name("xyz.jsonl"))


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match=r"the folder .*nowhere does not exist"):
        read_table(tmp_path / "nowhere" / "t.csv")


def test_a_folder_is_not_a_table(write: Write) -> None:
    path = write("t.csv", "a,b\n1,2\n")
    assert "is a folder, not a file; name a file in it, such as t.csv" in error_of(path.parent)


def test_a_pipe_is_refused_without_waiting_for_it(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "t.csv")
    assert "pipe" in error_of(tmp_path / "t.csv")


@pytest.mark.parametrize("name", ["t.txt", "t.data", "t.json", "t.csv.gz", "t"])
def test_other_suffixes_name_the_five(write: Write, name: str) -> None:
    assert ".csv, .tsv, .jsonl, .parquet, .xlsx" in error_of(write(name, "a,b\n1,2\n"))


@pytest.mark.parametrize("suffix", ["csv", "tsv", "jsonl", "parquet", "xlsx"])
def test_an_empty_file_is_said_to_be_empty(write: Write, suffix: str) -> None:
    assert "empty" in error_of(write(f"t.{suffix}", ""))


@pytest.mark.parametrize("suffix", ["csv", "jsonl"])
@pytest.mark.parametrize("content", ["\n\n  \n", "\ufeff", "\ufeff\n"])
def test_a_file_of_blank_lines_is_empty(write: Write, suffix: str, content: str) -> None:
    assert "is empty" in error_of(write(f"t.{suffix}", content))


def test_a_header_alone_is_not_a_table(tmp_path: Path, write: Write) -> None:
    polars.DataFrame({"a": [], "b": []}).write_parquet(tmp_path / "t.parquet")
    paths = [
        write("t.csv", "a,b\n"),
        tmp_path / "t.parquet",
        workbook(tmp_path / "t.xlsx", {"S": [["a", "b"]]}),
    ]
    for path in paths:
        assert "no rows under them" in error_of(path)


@pytest.mark.parametrize("suffix", ["csv", "parquet", "xlsx"])
def test_two_columns_of_one_name_are_refused(tmp_path: Path, write: Write, suffix: str) -> None:
    path = tmp_path / f"t.{suffix}"
    if suffix == "csv":
        write("t.csv", "text,label,text \n1,2,3\n")
    elif suffix == "parquet":
        polars.DataFrame({"text": [1], "label": [2], "text ": [3]}).write_parquet(path)
    else:
        workbook(path, {"S": [["text", "label", "text"], [1, 2, 3]]})
    assert "columns 1 and 3 are both called 'text'" in error_of(path)


def test_a_column_without_a_name_is_refused(write: Write) -> None:
    assert "line 1: column 1 of 3 has no name" in error_of(write("t.csv", ",text,label\n0,a,b\n"))


# --- broken CSV ---


def test_too_many_fields_name_line_and_counts(write: Write) -> None:
    message = error_of(write("t.csv", "text,label\na,x\nb, and c,y\n"))
    assert message == (
        "t.csv, line 3: found 3 fields, expected 2 (text, label); put double quotes around a text that "
        "contains a comma."
    )


def test_too_few_fields_name_line_and_counts(write: Write) -> None:
    message = error_of(write("t.csv", "text,label\na,x\nb\n"))
    assert message == "t.csv, line 3: found 1 field, expected 2 (text, label); add the missing comma."


def test_a_ragged_row_over_several_lines_points_at_the_quote(write: Write) -> None:
    assert "line 2: found 1 field, expected 2 (a, b); the row runs to line 4" in error_of(
        write("t.csv", 'a,b\n"x,1\ny,2\nz"\n')
    )


@pytest.mark.parametrize(
    ("content", "line"),
    [
        ('a,b\nx,1\n"y,2\nz,3\n', 3),
        ('a,b\n"x\ny","z\nw,3\n', 3),
        ('a,b\n"say ""hi""","z\n', 2),
        ('a,"b\n1,2\n', 1),
    ],
)
def test_a_quote_never_closed_names_the_line_it_opened_on(write: Write, content: str, line: int) -> None:
    assert f"line {line}: the quote that opens here is never closed" in error_of(write("t.csv", content))


def test_text_after_a_closing_quote_names_both_lines(write: Write) -> None:
    message = error_of(write("t.csv", 'a,b\n"x,1\ny "really" z,2\n'))
    assert "line 3: text follows the closing quote of a field (it opened on line 2)" in message


def test_a_header_without_a_delimiter_is_refused(write: Write) -> None:
    assert read_table(write("t.csv", "text\na, b\n")).rows == [{"text": "a, b"}]


def test_a_header_that_two_delimiters_split_equally_is_refused(write: Write) -> None:
    assert "comma and semicolon split the header equally" in error_of(write("t.csv", "a,b;c\n1,2;3\n"))


def test_a_tsv_with_commas_is_told_to_be_a_csv(write: Write) -> None:
    assert "rename the file to .csv" in error_of(write("t.tsv", "a,b\n1,2\n"))


def test_a_line_longer_than_the_limit_is_named(write: Write) -> None:
    path = write("t.csv", "a,b\n" + "1,2\n" * 5 + "x" * 101 + "\n")
    assert "line 7 is longer than 100 characters" in error_of(path, longest_line=100)
    assert "line 3 is longer" in error_of(write("t.jsonl", '{"a": 1}\n\n"' + "x" * 200), longest_line=100)


def test_a_line_of_exactly_the_limit_is_read(write: Write) -> None:
    path = write("t.csv", "a,b\r\n" + "x" * 98 + ",1\r\n")
    assert len(read_table(path, longest_line=100)) == 1


def test_the_limit_is_10_mb(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(b"a,b\n" + b"x" * 10_000_001)
    assert "line 2 is longer than 10 MB" in error_of(path)


def test_a_huge_line_is_refused_without_loading_it(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(b"a,b\n" + b"x" * 40_000_000)
    tracemalloc.start()
    try:
        message = error_of(path, longest_line=1000)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert "line 2 is longer than 1000 characters" in message
    assert peak < 10_000_000


def test_a_sparse_file_of_nothing_is_refused_at_once(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    with path.open("wb") as file:
        file.truncate(1 << 30)
    assert "NUL" in error_of(path)


def test_an_open_quote_does_not_swallow_a_long_file(write: Write) -> None:
    path = write("t.csv", 'a,b\n"x,1\n' + "y,2\n" * 100)
    assert "the quote that opens on line 2 is never closed" in error_of(path, longest_line=100)


# --- broken JSONL ---


def test_broken_json_names_line_and_character(write: Write) -> None:
    message = error_of(write("t.jsonl", '{"a": 1}\n{"a": 1,, "b": 2}\n'))
    assert "line 2, character 9: broken JSON" in message


@pytest.mark.parametrize(
    ("line", "what"), [("[1]", "a list"), ('"x"', "a text"), ("1.5", "a number"), ("null", "null")]
)
def test_a_line_that_is_no_object_is_named(write: Write, line: str, what: str) -> None:
    assert f"line 2: {what} instead of an object" in error_of(write("t.jsonl", f'{{"a": 1}}\n{line}\n'))


def test_a_json_array_over_many_lines_is_explained(write: Write) -> None:
    message = error_of(write("t.jsonl", json.dumps([{"a": 1}], indent=1)))
    assert "line 1" in message and "write each object whole, on one line" in message


def test_a_key_that_occurs_twice_in_an_object_is_refused(write: Write) -> None:
    assert "line 1: the key 'a' occurs twice" in error_of(write("t.jsonl", '{"a": 1, "b": 2, "a": 3}'))


def test_absurd_nesting_is_a_sentence_not_a_crash(write: Write) -> None:
    assert "nested too deeply" in error_of(write("t.jsonl", '{"a": ' + "[" * 100_000 + "]" * 100_000 + "}"))


# --- spreadsheets and Parquet ---


def test_the_first_of_several_sheets_is_read_and_said_so(tmp_path: Path) -> None:
    path = workbook(tmp_path / "t.xlsx", {"One": [["a", "b"], ["x", 1]], "Two": [["c"], ["y"]]})
    table = read_table(path)
    assert table.columns == ("a", "b")
    assert table.notes == ("t.xlsx has 2 sheets: 'One' was read, Two ignored.",)


def test_an_empty_first_sheet_names_the_others(tmp_path: Path) -> None:
    path = workbook(tmp_path / "t.xlsx", {"One": [], "Two": [["a"], ["y"]]})
    assert "sheet 'One' is empty; the table must be on the first sheet (the others: Two)" in error_of(path)


def test_whole_numbers_in_a_sheet_have_no_fraction(tmp_path: Path) -> None:
    path = workbook(tmp_path / "t.xlsx", {"S": [["a", "b", "c"], [1.0, 0.5, True], ["007", 2, False]]})
    rows = read_table(path).rows
    assert rows == [{"a": "1", "b": "0.5", "c": "true"}, {"a": "007", "b": "2", "c": "false"}]


def test_empty_formatted_columns_of_a_sheet_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "t.xlsx"
    with xlsxwriter.Workbook(str(path)) as book:
        sheet = book.add_worksheet()
        sheet.write_row(0, 0, ["a", "b"])
        sheet.write_row(1, 0, ["x", "y"])
        sheet.write_blank(5, 7, None, book.add_format({"bold": True}))
    assert read_table(path).columns == ("a", "b")


def test_a_saved_formula_gives_its_value(tmp_path: Path) -> None:
    path = workbook(tmp_path / "t.xlsx", {"S": [["a", "b"], ["x", ("=1+1", 2)], ["y", ('="p"&"q"', "pq")]]})
    assert [row["b"] for row in read_table(path).rows] == ["2", "pq"]


def test_a_formula_without_a_saved_value_names_its_cell(tmp_path: Path) -> None:
    path = workbook(tmp_path / "t.xlsx", {"S": [["a", "b"], ["x", 1], ["y", ("=1+1", "")]]}, first_column=1)
    assert "sheet 'S': the formula in C3 has no saved value" in error_of(path)


def test_a_formula_whose_saved_value_is_no_text_is_an_empty_cell(tmp_path: Path) -> None:
    path = workbook(tmp_path / "t.xlsx", {"S": [["a", "b"], ["x", ('=IF(1,"")', "saved")]]})
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, content.replace(b"<v>saved</v>", b"<v></v>"))
    assert read_table(path).rows == [{"a": "x", "b": None}]


def test_error_values_of_a_sheet_are_empty_and_said_so(tmp_path: Path) -> None:
    table = read_table(workbook(tmp_path / "t.xlsx", {"S": [["a", "b"], ["x", ("=1/0", "#DIV/0!")]]}))
    assert table.rows == [{"a": "x", "b": None}]
    assert "B2 hold" in table.notes[0]


@pytest.mark.parametrize("suffix", ["xlsx", "parquet"])
def test_a_truncated_file_is_not_readable(tmp_path: Path, suffix: str) -> None:
    whole, cut = tmp_path / f"whole.{suffix}", tmp_path / f"cut.{suffix}"
    if suffix == "xlsx":
        workbook(whole, {"S": [["a", "b"], ["x", "y"]]})
    else:
        polars.DataFrame({"a": ["x"], "b": ["y"]}).write_parquet(whole)
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    assert f"cut.{suffix} is not a readable" in error_of(cut)


def test_a_csv_named_xlsx_or_parquet_is_told_apart(write: Write) -> None:
    assert "looks like text (perhaps a CSV), not an XLSX" in error_of(write("t.xlsx", "a,b\n1,2\n"))
    assert "not a Parquet file" in error_of(write("t.parquet", "a,b\n1,2\n"))


def test_a_zip_that_is_no_workbook_is_refused(write: Write) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("a.txt", "x")
    assert "t.xlsx is not a readable XLSX" in error_of(write("t.xlsx", buffer.getvalue()))


# --- frames ---


class NAType:
    """Stands for pandas' missing value, which cannot be compared."""

    def __bool__(self) -> bool:
        raise TypeError("boolean value of NA is ambiguous")


class FakePandas:
    """The part of a pandas DataFrame that is used."""

    columns = ("text", 0)

    def itertuples(self, index: bool, name: str | None) -> list[tuple[Any, ...]]:
        assert index is False and name is None
        return [("a", 1), (NAType(), float("nan"))]


@pytest.mark.parametrize(
    "frame",
    [
        polars.DataFrame({"text": ["a", None], "0": ["1", ""]}),
        FakePandas(),
        [{"text": "a", "0": 1}, {"0": None}],
    ],
    ids=["polars", "pandas", "dicts"],
)
def test_frames_give_the_table_their_file_would(frame: Any) -> None:
    assert table_from_frame(frame) == Table(
        path=None,
        columns=("text", "0"),
        rows=[{"text": "a", "0": "1"}, {"text": None, "0": None}],
        numbers=[1, 2],
    )


@pytest.mark.parametrize("frame", [42, "x.csv", [1, 2], None])
def test_anything_else_is_no_frame(frame: Any) -> None:
    with pytest.raises(DataError, match="pandas or polars DataFrame"):
        table_from_frame(frame)


def test_an_empty_list_is_an_empty_table() -> None:
    with pytest.raises(DataError, match="the table is empty"):
        table_from_frame([])


def test_a_file_too_large_for_memory_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "big.csv"
    with path.open("wb") as file:
        file.write(b"text,label\n")
        file.truncate(5_000_000_000)  # sparse: takes no room on the disk
    assert "big.csv has 5.0 GB" in error_of(path)


def test_a_quoted_blank_in_a_table_of_one_column_is_a_row_and_a_blank_line_is_none(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text('review\n"Love it"\n""\n\n"Broke"\n', encoding="utf-8")
    assert [row["review"] for row in read_table(path).rows] == ["Love it", None, "Broke"]
