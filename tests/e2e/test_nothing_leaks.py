"""No row that is predicted reaches the fit that predicts it, nor the choice of its settings."""

import json
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest

import tuneworthy as tw
from toy import toy_rows, write_csv

ARMS = ["tfidf", "few_shot", "knn_shot", "encoder", "lora"]
SEARCHED = {"trials": 4, "fewest_rows": 10}
CURVES = {"arms": ["probe"], "shares": [0.25, 0.5, 0.75]}


def units(run: Path) -> list[tuple[dict[str, Any], Path]]:
    folders = [folder for folder in (run / "units").iterdir() if not folder.name.startswith(".")]
    return [(json.loads((folder / "unit.json").read_text()), folder) for folder in folders]


def test_no_fit_or_trial_or_curve_of_a_fold_sees_a_row_that_the_fold_predicts(
    tmp_path: Path, quick: dict[str, Any]
) -> None:
    table = write_csv(tmp_path / "rows.csv", toy_rows(160))
    asked = {**quick, "protocol": "crossfit", "folds": 2, "arms": ["probe", "few_shot", "lora"]}
    run = tw.run(table, **asked | {"search": SEARCHED, "curve": CURVES})
    sets = {**json.loads((run.path / "split.json").read_text())["row_sets"], "nothing": []}
    folded = sorted(
        (unit for unit, _ in units(run.path) if unit["fold"] is not None), key=lambda u: int(u["fold"])
    )
    for _, group in groupby(folded, key=lambda unit: int(unit["fold"])):
        of_fold = list(group)
        assert {"evaluate", "trial", "curve"} <= {unit["purpose"] for unit in of_fold}
        [asked_rows] = {unit["predict"] for unit in of_fold if unit["purpose"] == "evaluate"}
        for unit in of_fold:
            seen = {*sets[unit["fit"]], *sets[unit["validation"]]}
            if unit["purpose"] == "trial":
                seen |= set(sets[unit["predict"]])
            assert not seen & set(sets[asked_rows])


@pytest.fixture
def flipped(tmp_path: Path, quick: dict[str, Any]) -> tuple[Path, Path]:
    """The same job twice: the second time every label of the test file is another one."""
    rows = toy_rows(105)
    train, test = rows[:90], rows[90:]
    table, labels = write_csv(tmp_path / "rows.csv", train), sorted({row["label"] for row in rows})
    runs = []
    for shift in (0, 1):
        turned = [
            {**row, "label": labels[(labels.index(row["label"]) + shift) % len(labels)]} for row in test
        ]
        file = write_csv(tmp_path / f"test-{shift}.csv", turned)
        run = tw.run(
            table,
            test=file,
            output=tmp_path / f"workspace-{shift}" / "run",
            **quick
            | {
                "arms": ARMS,
                "search": SEARCHED | {"arms": ["lora"]},
                "accept": ["TW002"],
            },
        )
        runs.append(run.path)
    return runs[0], runs[1]


def test_labels_of_the_test_rows_change_no_answer_of_any_arm(flipped: tuple[Path, Path]) -> None:
    answers = []
    for run in flipped:
        by_unit: dict[tuple[str, ...], Any] = {}
        for unit, folder in units(run):
            if unit["purpose"] != "refit":
                lines = (folder / "predictions.jsonl").read_text().splitlines()
                given = [{k: v for k, v in json.loads(line).items() if k != "example_id"} for line in lines]
                key = (
                    unit["method"],
                    unit["purpose"],
                    str(unit["share"]),
                    str(unit["seed"]),
                    str(unit["until"]),
                )
                by_unit.setdefault((*key, json.dumps(unit["parameters"])), []).append(given)
        answers.append(by_unit)
    assert {key[0] for key in answers[0]} == set(ARMS)
    assert answers[0] == answers[1]
    verdicts = [json.loads((run / "estimates.json").read_text()) for run in flipped]
    assert verdicts[0] != verdicts[1]  # the labels did count where they should
