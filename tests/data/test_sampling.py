"""Rows of a table too long to hold are drawn alike, and keep their places."""

import json
from pathlib import Path

import pytest

from tuneworthy.core.errors import DataError
from tuneworthy.data import sampling
from tuneworthy.data.readers import read_table
from tuneworthy.data.sampling import sampled_table


@pytest.fixture
def long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """40 rows, read in parts of 7."""
    monkeypatch.setattr(sampling, "PART", 7)
    path = tmp_path / "rows.csv"
    path.write_text("text,label\n" + "".join(f"row {n},a\n" for n in range(40)), encoding="utf-8")
    return path


def test_a_sample_has_rows_of_the_whole_in_its_order_with_their_numbers(long: Path) -> None:
    table, count = sampled_table(long, 12)
    whole = read_table(long)
    rows = dict(zip(whole.numbers, whole.rows, strict=True))
    assert count == 40
    assert len(table) == 12
    assert table.numbers == sorted(table.numbers)
    assert [rows[number] for number in table.numbers] == table.rows


def test_every_row_is_as_likely_as_any_other(long: Path) -> None:
    drawn = [number for seed in range(600) for number in sampled_table(long, 10, seed)[0].numbers]
    counts = [drawn.count(number) for number in range(2, 42)]
    assert sum(counts) == 6000
    assert min(counts) > 100  # 150 expected, 10.6 the standard deviation
    assert max(counts) < 200


@pytest.mark.parametrize("suffix", [".csv", ".jsonl"])
def test_a_table_that_is_not_longer_is_the_table_read_whole(long: Path, suffix: str) -> None:
    path = long.with_suffix(suffix)
    if suffix == ".jsonl":
        lines = [{"text": f"row {n}", "label": "a", **({"late": "x"} if n > 30 else {})} for n in range(40)]
        path.write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    assert sampled_table(path, 40) == (read_table(path), 40)


def test_rows_of_json_lines_have_every_column_of_the_file(long: Path) -> None:
    path = long.with_suffix(".jsonl")
    lines = [
        json.dumps({"text": f"row {n}", "label": "a"} | ({"late": "x"} if n > 30 else {})) for n in range(40)
    ]
    path.write_text("\n".join(lines), encoding="utf-8")
    table, _ = sampled_table(path, 5)
    assert table.columns == ("text", "label", "late")
    assert all(set(row) == set(table.columns) for row in table.rows)


def test_a_fault_in_a_row_that_is_not_drawn_is_still_said(long: Path) -> None:
    long.write_text(long.read_text(encoding="utf-8") + "one,two,three\n", encoding="utf-8")
    with pytest.raises(DataError, match="line 42"):
        sampled_table(long, 5)
