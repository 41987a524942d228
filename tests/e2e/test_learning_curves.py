"""A run says what more rows would buy."""

import json
from pathlib import Path
from typing import Any

import tuneworthy as tw
from toy import toy_rows, write_csv
from tuneworthy.reports.contents import load_contents

FEW = {"shares": [0.25, 0.5, 0.75]}


def settings(quick: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {**quick, "arms": ["majority", "tfidf", "lora"], **more}


def units(run: Path, purpose: str) -> list[dict[str, Any]]:
    found = [json.loads((folder / "unit.json").read_text()) for folder in (run / "units").iterdir()]
    return [unit for unit in found if unit["purpose"] == purpose]


def by_id(run: Path) -> dict[str, dict[str, Any]]:
    return {row["id"]: row for row in map(json.loads, (run / "rows.jsonl").read_text().splitlines())}


def rows_of(run: Path, *sets: str) -> list[str]:
    split = json.loads((run / "split.json").read_text())
    return [row for name in sets for row in split["row_sets"][name]]


def test_the_cheap_arm_has_a_curve_that_ends_at_its_own_score(tmp_path: Path, quick: dict[str, Any]) -> None:
    table = write_csv(tmp_path / "rows.csv", toy_rows(120))
    run = tw.run(table, **settings(quick, curve=FEW))
    evidence = json.loads((run.path / "evidence.json").read_text())
    (curve,) = evidence["curves"]
    own = next(arm for arm in evidence["arms"] if arm["method"] == "tfidf")
    assert curve["method"] == "tfidf"
    assert curve["points"][-1]["value"] == own["estimate"]["value"]
    assert [point["fits"] for point in curve["points"]] == [5] * (len(curve["points"]) - 1) + [1]
    assert "What more rows would buy" in (run.path / "report.html").read_text()
    assert [unit.purpose for unit in load_contents(run.path).units_of("tfidf")] == ["evaluate"]


def test_a_fine_tune_has_a_curve_where_the_job_names_it(tmp_path: Path, quick: dict[str, Any]) -> None:
    table = write_csv(tmp_path / "rows.csv", toy_rows(120))
    run = tw.run(table, **settings(quick, curve={"arms": ["lora"]}))
    fitted = units(run.path, "curve")
    assert {unit["method"] for unit in fitted} == {"lora"}
    assert sorted(unit["share"] for unit in fitted) == [0.25, 0.5]


def test_no_curve_is_measured_where_the_job_wants_none(tmp_path: Path, quick: dict[str, Any]) -> None:
    table = write_csv(tmp_path / "rows.csv", toy_rows(120))
    run = tw.run(table, **settings(quick))
    assert not units(run.path, "curve")
    assert json.loads((run.path / "evidence.json").read_text())["curves"] == []


def test_a_curve_does_not_change_the_scores_or_the_verdict(tmp_path: Path, quick: dict[str, Any]) -> None:
    table = write_csv(tmp_path / "rows.csv", toy_rows(120))
    quick = {**quick, "arms": ["majority", "tfidf"]}
    with_curve = tw.run(table, output=tmp_path / "a", **{**quick, "curve": FEW})
    without = tw.run(table, output=tmp_path / "b", **quick)
    assert with_curve.estimates == without.estimates
    assert with_curve.verdict.decision == without.verdict.decision


def test_a_part_that_holds_one_label_alone_is_a_point_of_the_curve_like_others(
    tmp_path: Path, quick: dict[str, Any]
) -> None:
    rows = [
        {"text": f"odd {row['text']}", "label": "rare"} if i % 20 == 0 else {**row, "label": "common"}
        for i, row in enumerate(toy_rows(160))
    ]
    quick = {**quick, "arms": ["majority", "tfidf"], "curve": {"shares": [0.18, 0.5, 0.75, 0.9]}}
    run = tw.run(write_csv(tmp_path / "rows.csv", rows), **quick)
    (curve,) = json.loads((run.path / "evidence.json").read_text())["curves"]
    targets = {row: known["target"] for row, known in by_id(run.path).items()}
    alone = [
        unit["share"]
        for unit in units(run.path, "curve")
        if len({targets[row] for row in rows_of(run.path, unit["fit"], unit["validation"])}) < 2
    ]
    assert alone and len(curve["points"]) == 5


def test_a_curve_is_of_the_settings_that_a_search_found(tmp_path: Path, quick: dict[str, Any]) -> None:
    table = write_csv(tmp_path / "rows.csv", toy_rows(160))
    search = {"trials": 4, "fewest_rows": 10, "arms": ["lora"]}
    run = tw.run(
        table, **settings(quick, seeds=1, search=search, curve={"arms": ["lora"]}, lora={"max_steps": 4})
    )
    (measured,) = [unit for unit in units(run.path, "evaluate") if unit["method"] == "lora"]
    assert measured["parameters"]["learning_rate"] is not None  # the search's, not the default's
    assert all(unit["parameters"] == measured["parameters"] for unit in units(run.path, "curve"))


def test_an_arm_that_answers_alike_however_many_rows_it_saw_has_no_curve(
    tmp_path: Path, quick: dict[str, Any]
) -> None:
    rows = [
        {
            "question": f"where is the {row['label']}?",
            "context": f"The {row['label']} is in box {i}. It rains.",
            "answer": f"box {i}",
        }
        for i, row in enumerate(toy_rows(120))
    ]
    quick = {
        **quick,
        "task": "question-answering",
        "arms": ["majority", "sentence", "nearest"],
        "curve": FEW,
    }
    run = tw.run(
        write_csv(tmp_path / "rows.csv", rows), input=["question", "context"], target="answer", **quick
    )
    evidence = json.loads((run.path / "evidence.json").read_text())
    assert {unit["method"] for unit in units(run.path, "curve")} == {"sentence", "nearest"}
    assert [curve["method"] for curve in evidence["curves"]] == ["nearest"]
