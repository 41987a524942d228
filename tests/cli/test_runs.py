"""`tuneworthy runs`: what is shown, chosen and compared."""

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import tuneworthy as tw
from toy import toy_rows, write_csv
from tuneworthy.cli.main import app, main
from tuneworthy.comparing import compare_runs, find_run
from tuneworthy.core.errors import JobError, RunFolderError
from tuneworthy.core.evidence import Comparison
from tuneworthy.runfolder.folder import RunFolder


def call(*arguments: str | Path) -> str:
    done = CliRunner().invoke(app, ["runs", *map(str, arguments)], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory, embedder_folder: Path) -> Path:
    """Runs on the same test rows, on some of them, and on other data."""
    folder = tmp_path_factory.mktemp("runs")
    table = write_csv(folder / "toy.csv", toy_rows())
    fewer = write_csv(folder / "fewer.csv", toy_rows(45))
    test = write_csv(folder / "test.csv", toy_rows(45, seed=1)[:30])
    quick: dict[str, Any] = {"workers": 1, "threads": 1, "resamples": 200, "curve": {"arms": []}}
    quick["embedding_model"] = str(embedder_folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TUNEWORTHY_WORKSPACE", str(folder))

        def run(name: str, data: Path, arms: list[str], protocol: str = "holdout", **more: Any) -> None:
            tw.run(data, arms=arms, protocol=protocol, output=folder / name, **quick, **more)

        run("majority", table, ["majority"])
        run("both", table, ["majority", "tfidf"])
        run("crossfit", table, ["majority", "tfidf"], "crossfit", folds=3)
        run("other", fewer, ["majority"])
        run("tested", table, ["majority"], test=test)
        run("tested_fewer", fewer, ["majority"], test=test)
    return folder


def test_every_run_is_a_line_with_verdict_score_and_interval(
    runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tuneworthy.cli.progress.console.width", 200)
    lines = {line.split()[0]: line for line in call(runs).splitlines() if line.strip()}
    both = lines["both"]
    for word in ("toy", "60", "text-classification", "tfidf", "accuracy 100.0% 79.6–100.0", "finished"):
        assert word in both
    assert len(lines) == 2 + 6


def test_a_narrow_terminal_cuts_nothing(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from rich.console import Console

    from tuneworthy.reports.runs import RunsTable
    from tuneworthy.runfolder.listing import list_runs

    console = Console(width=80, record=True)
    console.print(RunsTable(list_runs(runs), left=3))
    text = console.export_text()
    for word in ("tested_fewer", "text-classification", "accuracy 100.0% 79.6–100.0", "and 3 more runs"):
        assert word in text
    assert max(map(len, text.splitlines())) <= 80


def test_runs_are_chosen_and_sorted(runs: Path) -> None:
    def names(*options: str) -> list[str]:
        return [one["name"] for one in json.loads(call(runs, "--json", *options))]

    assert names("--where", "data=fewer", "--sort", "name") == ["other", "tested_fewer"]
    assert names("--sort", "score")[0] == "both"
    assert names("--sort", "rows")[-2:] == ["tested_fewer", "other"]
    assert names("--where", "state=running") == []
    assert names("--where", "state=Finished") == names("--where", "state=finished") != []
    assert names("--where", "task=Text classification") == names()
    assert "and 4 more runs" in call(runs, "--limit", "2")
    assert call(runs / "nowhere") == f"No runs in {runs / 'nowhere'}.\n"
    for wrong in (["--sort", "scores"], ["--where", "datum=x"], ["--where", "data"]):
        with pytest.raises(JobError):
            call(runs, *wrong)


def test_the_same_test_rows_are_paired_as_within_one_run(runs: Path) -> None:
    pair = compare_runs(runs / "majority", runs / "both")
    within = [
        Comparison.model_validate(one) for one in json.loads((runs / "both/comparisons.json").read_text())
    ]
    (expected,) = (one for one in within if one.metric == "accuracy")
    assert pair.recommended is not None
    assert pair.recommended == expected.model_copy(update={"p_adjusted": None})
    same = next(arm.difference for arm in pair.arms if arm.method == "majority")
    assert same is not None and (same.difference, same.wins, same.losses, same.n) == (0.0, 0, 0, 15)
    assert [arm.method for arm in pair.arms] == ["majority", "tfidf"]
    assert pair.shared_rows == 15


def test_runs_that_share_some_test_rows_are_paired_on_those(runs: Path) -> None:
    pair = compare_runs(runs / "both", runs / "crossfit")
    assert pair.shared_rows == 15
    assert "of 15 and 60" in pair.note
    assert pair.arms[0].difference is not None and pair.arms[0].difference.n == 15


def test_an_arm_that_answered_fewer_rows_is_paired_on_those_and_it_is_said(
    runs: Path, tmp_path: Path
) -> None:
    for left, differences in ((40, [60, 40]), (0, [60, None])):
        stopped = Path(shutil.copytree(runs / "crossfit", tmp_path / f"stopped{left}"))
        plan = RunFolder(stopped).read("plan.json")
        for stage in plan["stages"]:
            stage["units"] = [u for u in stage["units"] if u["method"] != "tfidf" or u["fold"] < left / 20]
        RunFolder(stopped).write("plan.json", plan)
        pair = compare_runs(runs / "crossfit", stopped)
        found = {arm.method: arm.difference for arm in pair.arms}
        assert [one and one.n for one in (found["majority"], found["tfidf"])] == differences
        assert f"tfidf on {left}" in pair.note and "majority on" not in pair.note


def test_other_data_is_side_by_side_and_said_not_to_be_comparable(runs: Path, tmp_path: Path) -> None:
    pair = compare_runs(runs / "both", runs / "other")
    assert (pair.shared_rows, pair.recommended, [arm.difference for arm in pair.arms]) == (
        0,
        None,
        [None, None],
    )
    assert pair.note.startswith("Not comparable: the data differs")
    macro = Path(shutil.copytree(runs / "both", tmp_path / "macro"))
    evidence = json.loads((macro / "evidence.json").read_text())
    RunFolder(macro).write("evidence.json", {**evidence, "metric": "macro_f1"})
    assert compare_runs(runs / "both", macro).note == "Not comparable: the runs differ in metric."


def test_one_test_file_pairs_runs_on_different_training_rows(runs: Path) -> None:
    pair = compare_runs(runs / "tested", runs / "tested_fewer")
    assert pair.shared_rows == 30
    assert "What was learned from differs" in pair.note


def test_the_table_has_both_runs_and_json_has_it_all(runs: Path) -> None:
    text = call(runs, "--compare", "majority", "both")
    for word in (
        "A  majority: toy, 60 rows",
        "B − A (95%)",
        "Recommended: B's tfidf minus A's majority: +66.7",
    ):
        assert word in text
    told = json.loads(call(runs, "--compare", "majority", "both", "--json"))
    assert told["recommended"]["difference"] == pytest.approx(2 / 3)


def test_what_is_no_run_is_one_sentence(
    runs: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["tuneworthy", "runs", str(runs), "--compare", "bath", "majority"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert "did you mean 'both'?" in capsys.readouterr().err
    assert find_run(Path("both"), runs) == runs / "both"
    stopped = runs.parent / "stopped"
    stopped.mkdir()
    (stopped / "events.jsonl").write_text("")
    with pytest.raises(RunFolderError, match=r"verdict\.json is missing"):
        compare_runs(stopped, runs / "both")
