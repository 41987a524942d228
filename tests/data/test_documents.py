"""Unlabelled text out of files."""

from pathlib import Path

import pytest

from tuneworthy.core.errors import DataError, JobError
from tuneworthy.data.documents import read_documents


@pytest.mark.parametrize(
    ("name", "text", "documents"),
    [
        ("a.txt", "one\ntwo\r\n\n", ["one", "two"]),
        ("a.txt", "one\nand more\n\n  \ntwo\n", ["one\nand more", "two"]),
        ("a.txt", "one\ntwo\none\n", ["one", "two"]),
        ("a.csv", "anything\none\ntwo\n", ["one", "two"]),
        ("a.csv", "id,text\n1,one\n2,\n3,two\n", ["one", "two"]),
        ("a.jsonl", '{"id": 1, "text": "one"}\n{"id": 2, "text": "two"}\n', ["one", "two"]),
    ],
)
def test_lines_paragraphs_and_cells_are_documents(
    tmp_path: Path, name: str, text: str, documents: list[str]
) -> None:
    (tmp_path / name).write_bytes(text.encode())
    assert read_documents([tmp_path / name]) == documents


def test_a_column_is_asked_for_where_no_name_tells(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("id,body\n1,one\n")
    with pytest.raises(JobError, match=r"say which is the text, as in adapt\.column=id"):
        read_documents([tmp_path / "a.csv"])
    assert read_documents([tmp_path / "a.csv"], "body") == ["one"]
    with pytest.raises(JobError, match="no column 'boddy': did you mean 'body'"):
        read_documents([tmp_path / "a.csv"], "boddy")


def test_a_file_without_text_says_so(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("\n \n")
    (tmp_path / "b.txt").write_text("")
    with pytest.raises(DataError, match=r"a\.txt, b\.txt: no text is in it"):
        read_documents([tmp_path / "a.txt", tmp_path / "b.txt"])
