"""A table read in parts is the table read whole."""

import json
from pathlib import Path

import polars
import pytest

from toy import toy_rows, write_csv
from tuneworthy.data.readers import SUFFIXES, read_parts, read_table


def written(path: Path) -> Path:
    rows = toy_rows(7)
    if path.suffix == ".parquet":
        polars.DataFrame(rows).write_parquet(path)
    elif path.suffix == ".xlsx":
        polars.DataFrame(rows).write_excel(path)
    elif path.suffix == ".jsonl":
        path.write_text("\n\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    elif path.suffix == ".tsv":
        path.write_text("\n".join("\t".join(row.values()) for row in [{"a": "text", "b": "label"}, *rows]))
    else:
        write_csv(path, rows)
    return path


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("size", [1, 3, 7, 100])
def test_parts_have_the_rows_and_the_places_of_the_whole(tmp_path: Path, suffix: str, size: int) -> None:
    path = written(tmp_path / f"rows{suffix}")
    whole, parts = read_table(path), list(read_parts(path, size))
    assert [row for part in parts for row in part.rows] == whole.rows
    assert [number for part in parts for number in part.numbers] == whole.numbers
    assert {part.columns for part in parts} == {whole.columns}
    assert {len(part) for part in parts[:-1]} <= {size}
