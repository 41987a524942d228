"""A cell that cannot be read is named by its row and its form: an error ends in logs that many read."""

from pathlib import Path

import pytest

from toy import toy_rows
from tuneworthy.core.errors import DataError
from tuneworthy.core.job import DataSpec, Job
from tuneworthy.data.loading import load
from tuneworthy.data.readers import read_table
from tuneworthy.data.table import table_from_frame
from tuneworthy.tasks import TASKS, form_of

WORDS = [row["text"] for row in toy_rows(20)]
WHO = "Ann Lee 1984"


def refused(task: str, targets: list[str]) -> str:
    """What is said of these targets, by the reading of the cells or by the task."""
    rows = [{"text": text, "found": target} for text, target in zip(WORDS, targets, strict=True)]
    job = Job(data=DataSpec(path="rows", input=("text",), target="found"), task=task)
    chosen = TASKS.get(task)
    with pytest.raises(DataError) as error:
        chosen.check_examples(load(job, table_from_frame(rows), form_of(chosen)).dataset.examples)
    return str(error.value)


def words_of_it(message: str) -> list[str]:
    return [word for word in WHO.split() if word in message]


@pytest.mark.parametrize(
    ("task", "good", "bad"),
    [
        ("regression", "3.5", WHO),
        ("structured-extraction", '{"item": "a"}', WHO),
        ("token-classification", '[{"type": "city", "text": "Rome"}]', WHO),
        ("token-classification", '[{"type": "city", "text": "Rome"}]', f"['{WHO}' '{WHO}']"),
        ("text-classification", "a", WHO * 900),
        ("multi-label", "a; b", WHO * 900),
    ],
)
def test_a_target_that_does_not_fit_is_not_repeated(task: str, good: str, bad: str) -> None:
    assert not words_of_it(refused(task, [good] * (len(WORDS) - 1) + [bad]))


def test_labels_that_are_names_of_people_are_not_listed() -> None:
    message = refused("text-classification", [f"{WHO}{place}" for place in range(len(WORDS))])
    assert "hardly labels" in message
    assert not words_of_it(message)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", f"{WHO},x;y\n{WHO},z;y\n"),  # a table without a header
        ("a.tsv", f"{WHO}\n{WHO}\n"),
        ("a.csv", f'text,label\n"{WHO},x\n'),
        ("a.csv", f"text,label\n{WHO},x,{WHO}\n"),
        ("a.jsonl", f'{{"text": "{WHO}", "label": {WHO}}}\n'),
        ("a.jsonl", f'["{WHO}"]\n'),
        ("a.parquet", WHO),
        ("a.xlsx", WHO),
    ],
)
def test_a_file_that_cannot_be_read_is_not_repeated(tmp_path: Path, name: str, content: str) -> None:
    path = tmp_path / name
    path.write_text(content, encoding="utf-8")
    with pytest.raises(DataError) as error:
        read_table(path)
    assert not words_of_it(str(error.value))
