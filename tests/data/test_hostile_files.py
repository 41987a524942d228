"""Files that broke a reader once: each is now read, or refused in a sentence, at once."""

import io
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import polars
import pytest
import xlsxwriter

from tuneworthy.core.errors import DataError
from tuneworthy.core.registry import did_you_mean
from tuneworthy.data import workbook_parts
from tuneworthy.data.columns import choose_columns
from tuneworthy.data.forms import Cells
from tuneworthy.data.nested import LONGEST_PRINTED, nested
from tuneworthy.data.readers import read_table
from tuneworthy.tasks import TASKS, form_of

QUICKLY_S = 2.0  # of processor time


@pytest.fixture
def refused(tmp_path: Path) -> Callable[[str, str | bytes], str]:
    """The sentence that a file is refused with."""

    def read(name: str, content: str | bytes) -> str:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        started = time.process_time()
        with pytest.raises(DataError) as caught:
            read_table(path)
        assert time.process_time() - started < QUICKLY_S
        assert len(str(caught.value)) < 1000
        return str(caught.value)

    return read


def workbook(cells: dict[str, str]) -> bytes:
    out = io.BytesIO()
    with xlsxwriter.Workbook(out, {"in_memory": True}) as book:
        sheet = book.add_worksheet()
        for place, text in cells.items():
            sheet.write_string(place, text)
    return out.getvalue()


def repacked(content: bytes, change: Callable[[str, bytes], bytes]) -> bytes:
    """The archive with the content of its parts changed."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as before, zipfile.ZipFile(out, "w") as after:
        for name in before.namelist():
            after.writestr(name, change(name, before.read(name)), zipfile.ZIP_DEFLATED)
    return out.getvalue()


def test_a_unit_separator_in_a_table_of_one_column_is_named(refused: Callable[..., str]) -> None:
    assert "control character (U+001F)" in refused("a.csv", "text\na\x1fb\n")


def test_a_repeated_key_of_a_wide_object_is_found_at_once(refused: Callable[..., str]) -> None:
    wide = ", ".join(f'"k{i}": 1' for i in range(20_000))
    assert "'k19999' occurs twice" in refused("a.jsonl", "{" + wide + ', "k19999": 2}')


def test_lines_that_share_no_key_are_no_table(refused: Callable[..., str]) -> None:
    lines = "\n".join(f'{{"k{i}": 1}}' for i in range(5000))
    assert "5000 different keys" in refused("a.jsonl", lines)


@pytest.mark.parametrize("key", ["\\ud800", "a\\u0000"])
def test_half_a_character_in_a_key_is_no_name(key: str, refused: Callable[..., str]) -> None:
    assert "NUL or half a character" in refused("a.jsonl", f'{{"{key}": 1}}')


def test_lines_that_share_some_keys_are_one(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text("\n".join(f'{{"text": "a", "k{i}": 1}}' for i in range(300)), encoding="utf-8")
    assert len(read_table(path).columns) == 301


def test_a_text_in_place_of_a_column_name_is_no_name(refused: Callable[..., str]) -> None:
    assert "hardly a name" in refused("a.csv", f"label,{'long ' * 1000}\na,b\n")


def test_a_row_that_is_not_ten_thousand_cells_wide_is_one_sentence(
    refused: Callable[..., str],
) -> None:
    assert "expected 10000" in refused("a.csv", ",".join(f"c{i}" for i in range(10_000)) + "\n1\n")


def test_columns_without_end_are_listed_in_part(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    names = ",".join(f"c{i}" for i in range(3000))
    path.write_text(f"{names}\n{names}\n", encoding="utf-8")
    with pytest.raises(Exception, match="and 2940 more") as caught:
        choose_columns(read_table(path), (), None)
    assert len(str(caught.value)) < 5000


def test_a_long_misspelt_name_is_compared_at_once() -> None:
    started = time.process_time()
    said = did_you_mean("a" * 20_000, ["ab" * 5000] * 500)
    assert time.process_time() - started < QUICKLY_S and len(said) < 5000


def test_a_path_that_no_file_system_takes_is_refused() -> None:
    with pytest.raises(DataError, match="too long"):
        read_table(Path("a" * 300 + ".csv"))


@pytest.mark.parametrize("far", ["XFD1048576", "A1048576", "ZZZ99999", "A9999999"])
def test_a_workbook_whose_cells_lie_far_apart_takes_no_memory(far: str, refused: Callable[..., str]) -> None:
    near = workbook({"A1": "text", "A2": "a", "B9": "far"})
    far_apart = repacked(near, lambda _, part: part.replace(b'"B9"', f'"{far}"'.encode()))
    said = refused("a.xlsx", far_apart)
    assert "lie over" in said or "not a readable XLSX" in said


def test_a_workbook_that_repeats_a_long_text_takes_no_memory(
    refused: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workbook_parts, "LARGEST_UNPACKED", 300_000)
    cells = {f"A{row}": "x" * 30_000 for row in range(1, 20)}
    assert "characters in all" in refused("a.xlsx", workbook(cells))


def test_a_workbook_that_unpacks_to_too_much_is_refused(
    refused: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workbook_parts, "LARGEST_UNPACKED", 100_000)
    bomb = repacked(workbook({"A1": "a"}), lambda name, part: part + b" " * 200_000)
    assert "unpacks to" in refused("a.xlsx", bomb)


def test_an_encrypted_part_of_a_workbook_is_not_readable(refused: Callable[..., str]) -> None:
    whole = bytearray(workbook({"A1": "text", "A2": "a"}))
    for mark, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        place = whole.find(mark)
        while place >= 0:
            whole[place + at] |= 1  # the flag of an encrypted member
            place = whole.find(mark, place + 4)
    assert "not a readable XLSX" in refused("a.xlsx", bytes(whole))


def test_parquet_of_more_cells_than_fit_is_refused_unread(
    refused: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tuneworthy.data.readers.MOST_CELLS", 1000)
    out = io.BytesIO()
    polars.DataFrame({"text": ["a"] * 600, "label": ["b"] * 600}).write_parquet(out)
    assert "600 rows of 2 columns" in refused("a.parquet", out.getvalue())


# --- cells ---

HALVES = [
    '["\\ud800"]',
    "['\\ud800']",
    '{"a": "\\ud800"}',
    '[{"role": "user", "content": "\\ud800"}, {"role": "assistant", "content": "\\ud800"}]',
    '[{"type": "\\ud800", "text": "a"}]',
    '{"text": ["\\ud800"]}',
]


@pytest.mark.parametrize("task", TASKS.names())
@pytest.mark.parametrize("cell", HALVES)
def test_half_a_character_inside_a_list_never_reaches_a_model(task: str, cell: str) -> None:
    kind = TASKS.get(task)
    try:
        read = form_of(kind).read(Cells(cell, cell))
    except DataError:
        return
    f"{read.input} {kind.format(read.target or '')}".encode()


@pytest.mark.parametrize(
    "cell", ["[0x" + "f" * 5000 + "]", "[b'a']", "[1e999]", '["a\\u0000"]', "[" * 100_000 + "]"]
)
def test_a_list_that_no_json_could_hold_is_a_text(cell: str) -> None:
    assert nested(cell) is None


def test_printed_tuples_and_number_keys_are_lists_and_texts() -> None:
    assert nested("[(0, 5, 'PER')]") == [[0, 5, "PER"]]
    assert nested("{1: 'a'}") == {"1": "a"}


def test_quotes_without_end_are_looked_through_once() -> None:
    started = time.process_time()
    assert nested("['" + "'" * 500_000 + "}") is None
    assert time.process_time() - started < QUICKLY_S


def test_a_long_printed_list_is_refused_rather_than_parsed_at_hundreds_of_times_its_size() -> None:
    with pytest.raises(DataError, match="JSONL or Parquet"):
        nested("['a', " + "1, " * LONGEST_PRINTED + "'b']")


@pytest.mark.parametrize("cell", ["[" * 100_000 + "]", '{"a": Infinity}', '{"a": 1e999}'])
@pytest.mark.parametrize("task", ["question-answering", "structured-extraction", "multi-label"])
def test_targets_that_are_nearly_json_are_texts_or_refused(task: str, cell: str) -> None:
    kind = TASKS.get(task)
    try:
        kind.format(form_of(kind).read(Cells("a", cell)).target or "")
    except DataError as error:
        assert "no JSON object" in str(error)
