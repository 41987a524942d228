"""The main job on numbers, whose error is the better the lower, and with a metric of the user's own."""

import json
from pathlib import Path
from typing import Any

import pytest

import tuneworthy as tw
from toy import toy_rows, write_csv
from tuneworthy.core.errors import JobError
from tuneworthy.core.evidence import Thresholds
from tuneworthy.core.job import DataSpec, Job
from tuneworthy.metrics import METRICS
from tuneworthy.predicting import predict_file
from tuneworthy.steps import check_thresholds

STARS = {"refund": "1", "delivery": "3", "account": "5"}
ROWS = toy_rows(90)
NUMBERS = [{"text": row["text"], "stars": STARS[row["label"]]} for row in ROWS]


def settings_of(quick: dict[str, Any], **more: Any) -> dict[str, Any]:
    kept = {key: value for key, value in quick.items() if key != "arms"}
    return {**kept, "protocol": "holdout", "test_fraction": 0.4, **more}


@pytest.fixture
def numbers(tmp_path: Path) -> Path:
    return write_csv(tmp_path / "numbers.csv", NUMBERS)


def evidence_of(run: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((run.path / "evidence.json").read_text(encoding="utf-8"))
    return found


def test_the_arm_with_the_lowest_error_is_recommended(numbers: Path, quick: Any, tmp_path: Path) -> None:
    arms = ["constant", "tfidf_ridge", "probe_ridge", "lora"]
    settings = settings_of(quick, task="regression", arms=arms)
    run = tw.run(numbers, target="stars", input="text", output=tmp_path / "run", **settings)
    evidence = evidence_of(run)
    errors = {arm["method"]: arm["estimate"]["value"] for arm in evidence["arms"]}
    assert evidence["error"] and not evidence["share"]
    assert errors["tfidf_ridge"] < errors["constant"]
    best = min(errors, key=lambda name: errors[name])
    assert run.verdict.recommended_method == best != "constant"
    assert "lower is better" in run.verdict.paragraph
    page = run.report.read_text(encoding="utf-8")
    assert page.index(f">{best}<") < page.index(">constant<")
    predict_file(run.path, numbers, tmp_path / "out.csv", (), 0.0, lambda done, total, facts: None)
    answer = (tmp_path / "out.csv").read_text(encoding="utf-8").splitlines()[1].split(",")[-1]
    assert 1 <= float(answer) <= 5


def test_a_target_error_that_an_untuned_arm_meets_ends_the_run(numbers: Path, quick: Any) -> None:
    arms = ["constant", "tfidf_ridge", "lora"]
    settings = settings_of(quick, task="regression", arms=arms)
    run = tw.run(numbers, target="stars", verdict={"target_score": 3.9}, **settings)
    assert run.verdict.rule == "target_met_untuned"
    assert "at or below the target of 3.9" in run.verdict.paragraph


def test_a_share_above_one_is_no_target(quick: Any, tmp_path: Path) -> None:
    table = write_csv(tmp_path / "t.csv", ROWS)
    with pytest.raises(JobError, match=r"accuracy is a share, say 0\.85"):
        tw.run(table, target="label", arms=["majority", "tfidf"], verdict={"target_score": 85})


@pytest.mark.parametrize(
    ("metric", "task", "said"),
    [
        ("accuracy", "text-classification", r"accuracy is a share, say 0\.05"),
        ("mae", "regression", "mae is an error"),
    ],
)
def test_a_margin_in_points_is_refused_of_shares_and_errors(metric: str, task: str, said: str) -> None:
    job = Job(data=DataSpec(path=""), task=task, verdict=Thresholds(smallest_gain_worth_having=5))
    with pytest.raises(JobError, match=said):
        check_thresholds(METRICS.get(metric), job)


def test_a_metric_of_ones_own_has_a_margin_in_its_own_unit(tmp_path: Path, quick: Any) -> None:
    (tmp_path / "own.py").write_text(
        "def profit(answers, targets):\n    return [9.0 * (a == t) for a, t in zip(answers, targets)]\n"
    )
    table = write_csv(tmp_path / "t.csv", ROWS)
    settings = {**quick, "arms": ["majority", "tfidf"], "metric": f"{tmp_path / 'own.py'}:profit"}
    run = tw.run(table, target="label", verdict={"smallest_gain_worth_having": 5}, **settings)
    assert run.verdict.thresholds.smallest_gain_worth_having == 5


def test_a_metric_that_a_constant_answer_may_win_decides_nothing(quick: Any, tmp_path: Path) -> None:
    table = write_csv(tmp_path / "t.csv", ROWS)
    with pytest.raises(JobError, match=r"'calibration_error' cannot decide.*log_loss"):
        tw.run(table, target="label", arms=["majority", "tfidf"], metric="calibration_error")


def test_probabilities_are_not_asked_of_an_endpoint_that_gives_none(quick: Any, tmp_path: Path) -> None:
    table = write_csv(tmp_path / "t.csv", ROWS)
    asked = {"prompt_model": "openai:m@http://localhost:1/v1", "metric": "log_loss"}
    with pytest.raises(JobError, match="'log_loss' needs probabilities, and an endpoint gives none"):
        tw.run(table, target="label", arms=["majority", "tfidf", "zero_shot"], **asked)


def test_a_log_loss_may_decide(quick: Any, tmp_path: Path) -> None:
    settings = settings_of(quick, arms=["majority", "tfidf", "probe"], metric="log_loss")
    run = tw.run(write_csv(tmp_path / "t.csv", ROWS), target="label", output=tmp_path / "run", **settings)
    evidence = evidence_of(run)
    assert evidence["error"] and run.verdict.recommended_method != "majority"
    assert [row["source"] for row in evidence["power"]] == ["observed"]


OWN = '''
def profit(answers, targets):
    """10 for a right refund, 1 for another right answer, -2 for a wrong one."""
    return [(10 if t == "refund" else 1) if a == t else -2 for a, t in zip(answers, targets)]

def waste(answers, targets):
    return [float(a != t) for a, t in zip(answers, targets)]

waste.best, waste.worst = 0, 1

def total(answers, targets):
    return sum(a == t for a, t in zip(answers, targets))

def nothing(answers, targets): pass
def first(answers, targets): return [1.0]
def words(answers, targets): return ["good" for _ in targets]

def broken(answers, targets):
    return [{}["price"] for _ in targets]

def lower(answers, targets):
    return [float(a.lower() == t.lower()) for a, t in zip(answers, targets)]
'''


@pytest.fixture
def labelled(tmp_path: Path) -> Path:
    (tmp_path / "mine.py").write_text(OWN, encoding="utf-8")
    return write_csv(tmp_path / "t.csv", ROWS)


def test_a_metric_of_the_users_own_decides_with_intervals_and_tests(
    labelled: Path, quick: Any, tmp_path: Path
) -> None:
    settings = settings_of(quick, arms=["majority", "tfidf"], metric=f"{tmp_path / 'mine.py'}:profit")
    run = tw.run(labelled, target="label", output=tmp_path / "run", **settings)
    evidence = evidence_of(run)
    assert evidence["metric"] == "profit"
    arms = {arm["method"]: arm["estimate"] for arm in evidence["arms"]}
    assert arms["tfidf"]["value"] > arms["majority"]["value"]
    assert arms["tfidf"]["low"] < arms["tfidf"]["value"] < arms["tfidf"]["high"]
    (comparison,) = [item for item in evidence["comparisons"] if item["metric"] == "profit"]
    assert comparison["test"] == "permutation" and comparison["p_greater"] < 0.05
    again = tw.run(run.path / "job.yaml", output=run.path)  # the folder has its own copy of the metric
    assert evidence_of(again) == evidence


SAME = """
def same(answers, targets):
    return [250 if a == t else -1000 for a, t in zip(answers, targets)]
"""


def test_an_own_metric_is_no_percentage_and_meets_answers_in_the_words_of_targets(
    quick: Any, tmp_path: Path
) -> None:
    (tmp_path / "mine.py").write_text(SAME, encoding="utf-8")
    entities = [json.dumps([{"type": "topic", "text": row["label"]}]) for row in ROWS]
    texts = [f"{row['text']} {row['label']}" for row in ROWS]
    rows = [{"text": text, "tags": tags} for text, tags in zip(texts, entities, strict=True)]
    table = write_csv(tmp_path / "t.csv", rows)
    settings = settings_of(quick, task="token-classification", arms=["majority", "dictionary"])
    run = tw.run(table, target="tags", input="text", metric=f"{tmp_path / 'mine.py'}:same", **settings)
    arms = {arm["method"]: arm["estimate"]["value"] for arm in evidence_of(run)["arms"]}
    assert arms["dictionary"] > 100 > arms["majority"]
    assert "000.0%" not in run.report.read_text(encoding="utf-8")


def test_an_own_metric_whose_best_is_below_its_worst_is_an_error(
    labelled: Path, quick: Any, tmp_path: Path
) -> None:
    settings = settings_of(quick, arms=["majority", "tfidf"], metric=f"{tmp_path / 'mine.py'}:waste")
    run = tw.run(labelled, target="label", **settings)
    assert evidence_of(run)["error"]
    assert run.verdict.recommended_method == "tfidf"


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("mine.py:total", "returned 1: let it return a list with one finite number for each row"),
        ("mine.py:nothing", "returned nothing: let it return a list"),
        ("mine.py:first", "returned 1 number for 2 rows"),
        ("mine.py:words", "returned 'good' for row 1 of 2, which is no finite number"),
        ("mine.py:broken", r"failed with KeyError: 'price' \(mine\.py, line 19\)\.$"),
        ("mine.py:lower", r"'NoneType' .*line 22\); an answer is None where nothing could be read"),
        ("mine.py:gain", "has no function 'gain': say mine.py:profit or mine.py:waste"),
        ("mine.py", "is a file, and a function in it is the metric: say mine.py:profit or"),
        ("yours.py:profit", "there is no file"),
    ],
)
def test_an_own_metric_that_cannot_be_used_is_one_sentence_before_anything_runs(
    labelled: Path, quick: Any, tmp_path: Path, name: str, sentence: str
) -> None:
    with pytest.raises(JobError, match=sentence):
        tw.run(
            labelled,
            target="label",
            output=tmp_path / "run",
            **settings_of(quick, arms=["majority", "tfidf"], metric=str(tmp_path / name)),
        )
    assert not (tmp_path / "run").exists()
