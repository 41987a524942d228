"""A file is predicted into CSV or JSON lines, as its name says."""

import csv
import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

import tuneworthy as tw
from toy import toy_rows, write_csv
from tuneworthy.core.errors import DataError, JobError, TuneworthyError
from tuneworthy.predicting import predict_file
from tuneworthy.runfolder.folder import RunFolder

ROWS = toy_rows(60)
TARGETS: dict[str, Any] = {
    "token-classification": lambda word: json.dumps([{"type": "topic", "text": word}]),
    "structured-extraction": lambda word: json.dumps({"topic": word, "count": 2}),
    "multi-label": lambda word: f"{word}; {'late' if word == 'delivery' else 'paid'}",
    "regression": lambda word: str(len(word)),
    "text-classification": str,
}
ARMS = {
    "token-classification": ["majority", "dictionary"],
    "structured-extraction": ["majority", "nearest"],
    "multi-label": ["majority", "tfidf_one_vs_rest"],
    "regression": ["constant", "tfidf_ridge"],
    "text-classification": ["majority", "tfidf"],
}


def predicted(task: str, name: str, new: Path, quick: Any, tmp_path: Path) -> Path:
    rows = [{"text": f"{row['text']} {row['label']}", "target": TARGETS[task](row["label"])} for row in ROWS]
    table = write_csv(tmp_path / "t.csv", rows)
    settings = {**quick, "task": task, "arms": ARMS[task]}
    run = tw.run(table, target="target", input="text", output=tmp_path / "run", **settings)
    predict_file(run.path, new, tmp_path / name, (), 0.0, lambda done, total, facts: None)
    return tmp_path / name


def lines_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_a_misspelt_input_is_one_sentence_also_where_the_output_is_there(tmp_path: Path) -> None:
    RunFolder(tmp_path / "run").write("dataset.json", {"input_columns": ["text"]})
    (tmp_path / "out.csv").write_text("of an earlier call\n")
    with pytest.raises(TuneworthyError, match=r"nwe\.csv"):
        predict_file(
            tmp_path / "run", Path("nwe.csv"), tmp_path / "out.csv", (), 0.0, lambda done, total, facts: None
        )


@pytest.mark.parametrize("task", TARGETS)
def test_json_lines_hold_answers_as_json_and_the_rows_as_they_came(
    task: str, quick: Any, tmp_path: Path
) -> None:
    asked = [
        {"id": 7, "text": "my parcel delivery", "seen": [1, 2.5], "note": None},
        {"id": 8, "text": " ", "seen": []},
    ]
    new = tmp_path / "new.jsonl"
    new.write_text("\n\n".join(json.dumps(row) for row in asked), encoding="utf-8")
    full, blank = lines_of(predicted(task, "out.jsonl", new, quick, tmp_path))
    added = {key: value for key, value in full.items() if key not in asked[0]}
    assert {key: full[key] for key in asked[0]} == asked[0]
    assert {key: blank[key] for key in asked[1]} == asked[1]
    kinds = {"token-classification": list, "structured-extraction": dict, "multi-label": list}
    if task == "text-classification":
        assert added == {
            "label": "delivery",
            "confidence": pytest.approx(added["confidence"]),
            "abstained": False,
        }
        assert isinstance(added["confidence"], float)
        assert (blank["label"], blank["confidence"]) == (None, None)
        return
    assert list(added) == ["answer"]
    assert isinstance(added["answer"], kinds.get(task, float))
    assert blank["answer"] is None
    if task == "token-classification":
        assert added["answer"] == [{"type": "topic", "text": "delivery"}]


def test_lists_of_another_kind_of_table_are_lists_in_json_lines(quick: Any, tmp_path: Path) -> None:
    new = write_csv(
        tmp_path / "new.csv", [{"text": "my parcel", "tags": '["a", 1]', "none": "[]", "id": "7"}]
    )
    (row,) = lines_of(predicted("text-classification", "out.jsonl", new, quick, tmp_path))
    assert (row["tags"], row["none"], row["id"]) == (["a", 1], [], "7")


def test_csv_is_written_as_ever(quick: Any, tmp_path: Path) -> None:
    new = write_csv(tmp_path / "new.csv", [{"text": "my parcel"}, {"text": " "}])
    with predicted("text-classification", "out.CSV", new, quick, tmp_path).open(newline="") as file:
        full, blank = csv.DictReader(file)
    assert full["abstained"] == "false" and len(full["confidence"].split(".")[1]) == 4
    assert (blank["label"], blank["confidence"], blank["abstained"]) == ("", "", "false")


@pytest.mark.parametrize("name", ["out.json", "out.xlsx", "out"])
def test_another_ending_is_refused_before_anything_is_read(name: str, quick: Any, tmp_path: Path) -> None:
    with pytest.raises(JobError, match=r"to a \.csv or a \.jsonl file"):
        predicted("text-classification", name, tmp_path / "missing.csv", quick, tmp_path)


MANY = 41_000  # rows: several parts for an arm without a model
COMMAND = [sys.executable, "-m", "tuneworthy.cli.main", "predict"]


def many_rows(path: Path) -> Path:
    """Short rows, of which some texts take two lines and some are blank."""
    texts = ("late parcel", "money\nback", "", "login, please")
    return write_csv(path, [{"id": str(n), "text": texts[n % 4]} for n in range(MANY)])


def test_a_long_file_killed_half_way_goes_on_without_a_lost_or_doubled_row(
    finished_run: Path, tmp_path: Path
) -> None:
    name = "out.csv"
    data, whole, output = many_rows(tmp_path / "new.csv"), tmp_path / f"whole-{name}", tmp_path / name
    predict_file(finished_run, data, whole, (), 0.0, lambda done, total, facts: None)
    process = subprocess.Popen([*COMMAND, str(finished_run), str(data), "--output", str(output)])
    while not (tmp_path / f".{name}.progress").exists():
        assert process.poll() is None, "it was over before it could be killed"
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not output.exists()
    seen: list[int] = []
    predict_file(finished_run, data, output, (), 0.0, lambda done, total, facts: seen.append(done))
    assert min(seen) > 20_000 and max(seen) == MANY, "what was written is not answered again"
    assert output.read_bytes() == whole.read_bytes()
    with output.open(newline="") as file:
        assert [row["id"] for row in csv.DictReader(file)] == [str(n) for n in range(MANY)]
    assert sorted(one.name for one in tmp_path.iterdir()) == sorted((data.name, whole.name, name))


def test_what_is_wrong_with_the_last_row_is_said_before_the_first_is_answered(
    finished_run: Path, tmp_path: Path
) -> None:
    data = many_rows(tmp_path / "new.csv")
    with data.open("a") as file:
        file.write("1,2,3\n")
    asked: list[int] = []
    with pytest.raises(DataError, match="found 3 fields"):
        predict_file(finished_run, data, tmp_path / "out.csv", (), 0.0, lambda d, t, facts: asked.append(d))
    assert not asked
    assert [one.name for one in tmp_path.iterdir()] == ["new.csv"]


def test_columns_that_only_a_late_line_has_are_columns_of_the_output(
    finished_run: Path, tmp_path: Path
) -> None:
    data = tmp_path / "new.jsonl"
    lines = [json.dumps({"text": "late parcel"})] * 20_001 + [json.dumps({"text": "refund", "late": 7})]
    data.write_text("\n".join(lines), encoding="utf-8")
    predict_file(finished_run, data, tmp_path / "out.csv", (), 0.0, lambda done, total, facts: None)
    with (tmp_path / "out.csv").open(newline="") as file:
        first, *_, last = csv.DictReader(file)
    assert (first["late"], last["late"]) == ("", "7")
