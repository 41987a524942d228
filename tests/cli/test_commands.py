"""The command line as a user meets it: exit codes, one-sentence errors, quick help, the right files."""

import csv
import json
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import tuneworthy as tw
from toy import toy_rows, write_csv
from tuneworthy.cli.main import main
from tuneworthy.data.readers import read_table
from tuneworthy.proposing import propose_job


@dataclass
class Done:
    """What a command left on the terminal."""

    returncode: int
    stdout: str
    stderr: str


Command = Callable[..., Done]


@pytest.fixture
def tuneworthy(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Command:
    """The console script's `main`, in this process."""

    def call(*arguments: str | Path) -> Done:
        monkeypatch.setattr(sys, "argv", ["tuneworthy", *map(str, arguments)])
        capsys.readouterr()
        try:
            main()
            code: Any = 0
        except SystemExit as exit:
            code = exit.code
        out, err = capsys.readouterr()
        return Done(int(code or 0), out, err)

    return call


def flags(quick: dict[str, Any]) -> list[str]:
    return [part for key, value in quick.items() for part in ("--set", f"{key}={json.dumps(value)}")]


@pytest.fixture
def finished(toy_csv: Path, quick: dict[str, Any]) -> Path:
    return tw.run(toy_csv, output="runs/a", **{**quick, "arms": ["majority", "tfidf"]}).path


def test_help_is_quick_and_does_not_import_torch() -> None:
    code = (
        "import sys; sys.argv = ['tuneworthy', '--help']\n"
        "from tuneworthy.cli.main import main\n"
        "try: main()\nexcept SystemExit: pass\n"
        "heavy = {'torch', 'transformers', 'sklearn', 'polars', 'scipy', 'pandas'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    started = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
    assert time.perf_counter() - started < 2.0  # 0.15 s on an idle core; generous for a busy one


def test_run_ends_in_a_verdict_and_names_the_report(
    tuneworthy: Command, toy_csv: Path, quick: dict[str, Any]
) -> None:
    done = tuneworthy("run", toy_csv, "--arms", "majority,tfidf", "--output", "runs/x", *flags(quick))
    assert done.returncode == 0, done.stderr
    assert "runs/x/report.html" in done.stdout
    assert "Power: 15 test rows" in done.stderr
    assert Path("runs/x/report.html").exists()


def test_baseline_runs_no_tuned_arm(tuneworthy: Command, toy_csv: Path, quick: dict[str, Any]) -> None:
    done = tuneworthy("baseline", toy_csv, "--output", "runs/b", *flags(quick))
    assert done.returncode == 0, done.stderr
    methods = {item["method"] for item in json.loads(Path("runs/b/estimates.json").read_text())}
    prompts = {"decision", "zero_shot", "few_shot", "knn_shot"}
    assert methods == {"majority", "tfidf", "probe", "probe_decoder", *prompts}


def test_init_writes_a_job_that_runs(tuneworthy: Command, toy_csv: Path, quick: dict[str, Any]) -> None:
    assert tuneworthy("init", toy_csv).returncode == 0
    done = tuneworthy("run", "job.yaml", "--arms", "majority,tfidf", *flags(quick))
    assert done.returncode == 0, done.stderr


def test_init_names_no_arm_that_cannot_run_here_and_says_why(
    toy_csv: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = read_table(toy_csv)
    assert "setfit" in propose_job(table, "toy.csv")[0]
    monkeypatch.setattr("tuneworthy.methods.setfit.has_setfit", lambda: False)
    job, _ = propose_job(table, "toy.csv")
    [arms] = [line for line in job.splitlines() if line.startswith("arms:")]
    assert "setfit" not in arms
    assert '# setfit is left out: it needs pip install "tuneworthy[setfit]"' in job


def test_the_pages_end_with_ctrl_c_in_their_own_words(
    tuneworthy: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("tuneworthy.web.server.serve", interrupted)
    done = tuneworthy("ui", "--no-browser")
    assert (done.returncode, done.stderr) == (0, "")
    assert "runs that were started go on" in done.stdout


def test_a_table_to_predict_that_has_a_header_only_is_not_asked_for_labels(
    tuneworthy: Command, finished: Path
) -> None:
    Path("empty.csv").write_text("text\n")
    done = tuneworthy("predict", finished, "empty.csv", "-o", "out.csv")
    assert done.returncode == 2 and "no rows under them" in done.stderr and "label" not in done.stderr


def test_init_overwrites_nothing(tuneworthy: Command, toy_csv: Path) -> None:
    Path("job.yaml").write_text("mine")
    done = tuneworthy("init", toy_csv)
    assert done.returncode == 2
    assert Path("job.yaml").read_text() == "mine"


def test_report_needs_the_run_folder_alone(tuneworthy: Command, finished: Path) -> None:
    page = (finished / "report.html").read_text(encoding="utf-8")
    (finished / "report.html").unlink()
    done = tuneworthy("report", finished)
    assert done.returncode == 0, done.stderr
    assert (finished / "report.html").read_text(encoding="utf-8") == page


def test_predict_adds_label_confidence_and_abstention_to_every_row(
    tuneworthy: Command, finished: Path, workspace: Path
) -> None:
    rows = [{"id": "1", "text": "where is my parcel"}, {"id": "2", "text": ""}, {"id": "3", "text": "login"}]
    new = write_csv(workspace / "new.csv", rows)
    done = tuneworthy("predict", finished, new, "-o", "out.csv")
    assert done.returncode == 0, done.stderr
    with Path("out.csv").open(newline="", encoding="utf-8") as file:
        out = list(csv.DictReader(file))
    assert [row["id"] for row in out] == ["1", "2", "3"]
    assert [row["label"] for row in out] == ["delivery", "", "account"]
    assert 0 < float(out[0]["confidence"]) <= 1


def test_predict_abstains_below_the_threshold(tuneworthy: Command, finished: Path, workspace: Path) -> None:
    new = write_csv(workspace / "new.csv", [{"text": "where is my parcel"}])
    done = tuneworthy("predict", finished, new, "-o", "out.csv", "--abstain-below", "1")
    assert done.returncode == 0, done.stderr
    assert Path("out.csv").read_text().splitlines()[1].split(",")[1] == ""
    assert Path("out.csv").read_text().splitlines()[1].endswith("true")


def test_predict_writes_no_cell_that_a_spreadsheet_would_run(
    tuneworthy: Command, finished: Path, workspace: Path
) -> None:
    new = write_csv(
        workspace / "new.csv", [{"text": "=HYPERLINK(1)", "n": "-5"}, {"text": "@SUM(A1)", "n": "+x"}]
    )
    tuneworthy("predict", finished, new, "-o", "out.csv")
    with Path("out.csv").open(newline="", encoding="utf-8") as file:
        out = list(csv.DictReader(file))
    assert [row["text"] for row in out] == ["'=HYPERLINK(1)", "'@SUM(A1)"]
    assert [row["n"] for row in out] == ["-5", "'+x"]


def test_predict_into_its_own_input_is_refused(tuneworthy: Command, finished: Path, workspace: Path) -> None:
    new = write_csv(workspace / "new.csv", [{"text": "x"}])
    assert tuneworthy("predict", finished, new, "-o", new).returncode == 2
    assert new.read_text().startswith("text")


def test_audit_prints_a_row_with_its_supervised_tokens_marked(
    tuneworthy: Command, toy_csv: Path, quick: dict[str, Any]
) -> None:
    done = tuneworthy("audit", toy_csv, "--set", f"base_model={quick['base_model']}")
    assert done.returncode == 0, done.stderr
    assert "«<|im_end|>»" in done.stdout
    assert "60 rows passed" in done.stdout


def test_the_printed_schema_is_json_and_knows_every_method(tuneworthy: Command, workspace: Path) -> None:
    schema = json.loads(tuneworthy("schema").stdout)
    assert {"lora", "tfidf", "knn_shot", "data"} <= set(schema["properties"])


MISTAKES: dict[str, tuple[list[str], str]] = {
    "a file that is not there": (["run", "nowhere.csv"], "nowhere.csv"),
    "a folder": (["run", "."], "folder"),
    "an empty file": (["run", "empty.csv"], "empty"),
    "a missing column": (["run", "toy.csv", "--target", "lable"], "did you mean 'label'"),
    "an unknown job key": (["run", "typo.yaml"], "did you mean 'folds'"),
    "an unknown method parameter": (["run", "toy.csv", "--set", "lora.rnak=3"], "did you mean 'rank'"),
    "an unknown arm": (["run", "toy.csv", "--arms", "majority,lorra"], "did you mean 'lora'"),
    "an unknown metric": (["run", "toy.csv", "--set", "metric=acuracy"], "did you mean 'accuracy'"),
    "ragged rows": (["run", "ragged.csv"], "line 3"),
    "nine rows": (["run", "nine.csv"], "9 labelled rows are too few"),
    "one label": (["run", "one.csv", "--input", "text", "--target", "label"], "same label"),
    "a label with one row": (["run", "rare.csv", "--input", "text", "--target", "label"], "single row"),
    "an unknown model": (["run", "toy.csv", "--set", "base_model=smollm"], "smollm2-135m"),
    "a run that is none": (["report", "runs/none"], "run"),
    "pages over a file": (["ui", "--runs", "toy.csv"], "toy.csv cannot be written (Not a directory: a file"),
    "a run into a file": (
        ["run", "toy.csv", "--output", "toy.csv"],
        "toy.csv is a file, where the run folder",
    ),
    "a fix into a file": (["check", "toy.csv", "--fix", "--output", "toy.csv"], "a file is where a folder"),
    "a tuned arm alone": (["run", "toy.csv", "--arms", "lora"], "untuned"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_one_sentence_exit_code_2_and_leaves_nothing(
    tuneworthy: Command, name: str, toy_csv: Path
) -> None:
    arguments, words = MISTAKES[name]
    Path("empty.csv").write_text("")
    Path("typo.yaml").write_text("data: {path: toy.csv}\nfoldz: 3\n")
    Path("ragged.csv").write_text("text,label\na,b\nc,d,e\n")
    write_csv(Path("nine.csv"), toy_rows(9))
    write_csv(Path("one.csv"), [{**row, "label": "x"} for row in toy_rows(30)])
    write_csv(Path("rare.csv"), [*toy_rows(30), {"text": "one of a kind", "label": "rare"}])
    before = set(Path().iterdir())
    done = tuneworthy(*arguments)
    assert done.returncode == 2, done.stderr
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert set(Path().iterdir()) - {Path("runs")} == before - {Path("runs")}
    assert not list(Path("runs").rglob("*.json")) if Path("runs").exists() else True


def test_ctrl_c_says_how_to_go_on(
    tuneworthy: Command, toy_csv: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("tuneworthy.pipeline.run", interrupted)
    done = tuneworthy("run", toy_csv)
    assert done.returncode == 130
    assert "the same command again continues" in done.stderr


def test_baseline_keeps_the_untuned_arms_of_the_job_file(
    tuneworthy: Command, toy_csv: Path, quick: dict[str, Any]
) -> None:
    Path("job.yaml").write_text("data: {path: toy.csv}\narms: [majority, tfidf, lora]\n")
    done = tuneworthy("baseline", "job.yaml", "--output", "runs/b", *flags(quick))
    assert done.returncode == 0, done.stderr
    methods = {item["method"] for item in json.loads(Path("runs/b/estimates.json").read_text())}
    assert methods == {"majority", "tfidf"}


def test_label_only_predicts_the_same_labels_without_confidence(
    tuneworthy: Command, toy_csv: Path, quick: dict[str, Any]
) -> None:
    run = tw.run(toy_csv, **{**quick, "arms": ["zero_shot"]}).path
    new = write_csv(Path("new.csv"), [{"text": row["text"]} for row in toy_rows(12)])
    labels = {}
    for name, flag in (("full", []), ("quick", ["--label-only"])):
        assert tuneworthy("predict", run, new, "-o", f"{name}.csv", *flag).returncode == 0
        with Path(f"{name}.csv").open(newline="", encoding="utf-8") as file:
            labels[name] = [row["label"] for row in csv.DictReader(file)]
    assert labels["full"] == labels["quick"]
    both = ["--label-only", "--abstain-below", "0.5"]
    assert tuneworthy("predict", run, new, "-o", "x.csv", *both).returncode == 2
