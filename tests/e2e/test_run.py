"""The main job from end to end, with tiny random models."""

import json
from pathlib import Path
from typing import Any

import pytest

import tuneworthy as tw
from tiny_models import save_embedder
from toy import toy_rows, write_csv
from tuneworthy.claiming import default_folder
from tuneworthy.core.errors import DataError, JobError, RunFolderError
from tuneworthy.core.job import DataSpec, Job
from tuneworthy.data.loading import load
from tuneworthy.tasks import TASKS


def test_all_arms_are_measured_on_the_same_rows_and_end_in_a_verdict(
    toy_csv: Path, quick: dict[str, Any]
) -> None:
    run = tw.run(toy_csv, **quick)
    accuracy = [e for e in run.estimates if e.metric == "accuracy"]
    assert {e.method for e in accuracy} == set(TASKS.get("text-classification").arms)
    assert {e.n for e in accuracy} == {15}
    assert run.verdict.recommended_method
    assert run.report.read_text(encoding="utf-8").startswith("<!")


def test_crossfit_predicts_every_row_exactly_once(toy_csv: Path, quick: dict[str, Any]) -> None:
    run = tw.run(
        toy_csv, **{**quick, "protocol": "crossfit", "folds": 3, "arms": ["majority", "tfidf", "lora"]}
    )
    predicted = []
    for unit in (run.path / "units").iterdir():
        if json.loads((unit / "unit.json").read_text())["method"] == "tfidf":
            lines = (unit / "predictions.jsonl").read_text().splitlines()
            predicted += [json.loads(line)["example_id"] for line in lines]
    rows = [json.loads(line)["id"] for line in (run.path / "rows.jsonl").read_text().splitlines()]
    assert sorted(predicted) == sorted(rows)


def test_the_same_run_again_redoes_no_unit_and_ends_in_the_same_verdict(
    toy_csv: Path, quick: dict[str, Any]
) -> None:
    quick = {**quick, "arms": ["majority", "tfidf", "lora"]}
    first = tw.run(toy_csv, **quick)
    events: list[dict[str, Any]] = []
    again = tw.run(toy_csv, listener=events.append, **quick)
    assert not [event for event in events if event["event"] == "unit_started"]
    assert again.path == first.path
    assert again.verdict == first.verdict


def test_a_run_with_one_more_arm_takes_over_the_finished_units(toy_csv: Path, quick: dict[str, Any]) -> None:
    tw.run(toy_csv, **{**quick, "arms": ["majority", "tfidf"]})
    events: list[dict[str, Any]] = []
    tw.run(toy_csv, listener=events.append, **{**quick, "arms": ["majority", "tfidf", "zero_shot"]})
    started = {event["title"] for event in events if event["event"] == "unit_started"}
    assert "zero_shot" in started
    assert not started & {"majority", "tfidf"}


def test_a_damaged_unit_is_redone_and_the_verdict_stays(toy_csv: Path, quick: dict[str, Any]) -> None:
    quick = {**quick, "arms": ["majority", "tfidf", "zero_shot"]}
    first = tw.run(toy_csv, **quick)
    damaged = next(
        p
        for p in (first.path / "units").glob("*/predictions.jsonl")
        if "zero" in (p.parent / "unit.json").read_text()
    )
    damaged.write_text(damaged.read_text()[:-40])
    events: list[dict[str, Any]] = []
    again = tw.run(toy_csv, listener=events.append, **quick)
    assert [e["title"] for e in events if e["event"] == "unit_started"] == ["zero_shot"]
    assert again.verdict == first.verdict


def test_no_unit_sees_the_target_of_a_row_it_predicts(
    toy_csv: Path, quick: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    from tuneworthy.methods.tfidf import FittedTfidf

    seen: list[str | None] = []
    original = FittedTfidf.predict

    def watch(self: FittedTfidf, examples: Any) -> Any:
        seen.extend(example.target for example in examples)
        return original(self, examples)

    monkeypatch.setattr(FittedTfidf, "predict", watch)
    tw.run(toy_csv, **{**quick, "arms": ["majority", "tfidf"]})
    assert seen
    assert set(seen) == {None}


def test_an_untuned_arm_that_meets_the_target_ends_the_run_before_training(
    toy_csv: Path, quick: dict[str, Any]
) -> None:
    quick = {**quick, "arms": ["majority", "tfidf", "lora"], "verdict": {"target_score": 0.4}}
    run = tw.run(toy_csv, **quick)
    assert run.verdict.decision == "classifier"
    assert run.verdict.recommended_method == "tfidf"
    assert not [e for e in run.estimates if e.method == "lora"]
    assert [e for e in tw.run(toy_csv, **quick, train_anyway=True).estimates if e.method == "lora"]


def test_below_fifty_rows_nothing_is_fine_tuned(workspace: Path, quick: dict[str, Any]) -> None:
    path = write_csv(workspace / "few.csv", toy_rows(36))
    run = tw.run(path, **{**quick, "arms": ["majority", "tfidf", "lora"]})
    assert not [e for e in run.estimates if e.method == "lora"]


def test_a_test_file_is_honoured_and_its_rows_are_left_out_of_training(
    workspace: Path, quick: dict[str, Any]
) -> None:
    rows = toy_rows(72)
    table = write_csv(workspace / "table.csv", rows[:60])
    test = write_csv(workspace / "test.csv", rows[54:])
    run = tw.run(table, test=test, **{**quick, "arms": ["majority", "tfidf"]})
    assert {e.n for e in run.estimates if e.metric == "accuracy"} == {18}
    split = json.loads((run.path / "split.json").read_text())
    assert len(split["row_sets"][split["all"]]) == 54


def test_openings_of_the_same_test_rows_are_counted_across_output_folders(
    toy_csv: Path, quick: dict[str, Any]
) -> None:
    arms = {"arms": ["majority", "tfidf", "lora"]}
    tw.run(toy_csv, output="runs/a", **{**quick, **arms})
    tw.run(toy_csv, output="runs/a", **{**quick, **arms})
    second = tw.run(
        toy_csv, output="runs/b", **{**quick, **arms, "lora": {"max_steps": 3, "learning_rate": 0.01}}
    )
    assert len((second.path / "lockbox.jsonl").read_text().splitlines()) == 2
    assert json.loads((second.path / "evidence.json").read_text())["past_tuned_arms"] == 1


def test_conflicting_labels_block_compute_until_they_are_accepted(
    workspace: Path, quick: dict[str, Any]
) -> None:
    rows = toy_rows(60)
    bad = write_csv(
        workspace / "bad.csv", rows + [{"text": r["text"], "label": "delivery"} for r in rows[:12:3]]
    )
    run = tw.run(bad, **{**quick, "arms": ["majority", "tfidf", "zero_shot"]})
    assert run.verdict.decision == "fix_data"
    assert not [e for e in run.estimates if e.method == "zero_shot"]
    accepted = tw.run(bad, **{**quick, "arms": ["majority", "tfidf"], "accept": ["TW002"]})
    assert accepted.verdict.decision != "fix_data"


def test_the_refit_predicts_new_texts_with_labels_of_the_task(toy_csv: Path, quick: dict[str, Any]) -> None:
    run = tw.run(toy_csv, **{**quick, "arms": ["majority", "tfidf"]})
    answers = run.predict(["where is my parcel", "reset the password"])
    assert [a.value for a in answers] == ["delivery", "account"]
    assert all(a.confidence is not None and 0 < a.confidence <= 1 for a in answers)


@pytest.mark.parametrize("arm", ["zero_shot", "few_shot", "knn_shot", "probe"])
def test_every_untuned_arm_can_be_the_final_model(toy_csv: Path, quick: dict[str, Any], arm: str) -> None:
    run = tw.run(toy_csv, **{**quick, "arms": [arm]})
    assert run.verdict.recommended_method == arm
    assert run.predict("where is my parcel")[0].value in {"refund", "delivery", "account"}


def test_rows_in_memory_work_like_a_file(quick: dict[str, Any]) -> None:
    run = tw.run(toy_rows(60), target="label", **{**quick, "arms": ["majority", "tfidf"]})
    assert run.verdict.recommended_method == "tfidf"
    assert "<" in run._repr_html_()


def test_an_unknown_arm_names_the_nearest_one(toy_csv: Path, quick: dict[str, Any]) -> None:
    with pytest.raises(JobError, match="did you mean 'tfidf'"):
        tw.run(toy_csv, **{**quick, "arms": ["majority", "tfdif"]})


def test_an_unknown_parameter_names_the_nearest_one(toy_csv: Path, quick: dict[str, Any]) -> None:
    with pytest.raises(JobError, match="did you mean 'rank'"):
        tw.run(toy_csv, **{**quick, "lora": {"rnak": 4}})
    assert not Path("runs").exists()


def test_an_output_folder_of_another_job_is_refused(toy_csv: Path, quick: dict[str, Any]) -> None:
    tw.run(toy_csv, output="runs/a", **{**quick, "arms": ["majority", "tfidf"]})
    with pytest.raises(RunFolderError, match="another job"):
        tw.run(toy_csv, output="runs/a", **{**quick, "arms": ["majority"]})


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (toy_rows(9), "too few"),
        ([{**row, "label": "same"} for row in toy_rows(30)], "same label"),
        ([*toy_rows(30), {"text": "one of a kind", "label": "rare"}], "single row"),
    ],
)
def test_a_table_that_cannot_be_measured_is_one_sentence_and_writes_nothing(
    workspace: Path, quick: dict[str, Any], rows: list[dict[str, str]], words: str
) -> None:
    with pytest.raises(DataError, match=words):
        tw.run(write_csv(workspace / "bad.csv", rows), input="text", target="label", **quick)
    assert not Path("runs").exists()


def test_the_stored_job_runs_again_from_its_folder_and_is_the_same_run(
    toy_csv: Path, quick: dict[str, Any]
) -> None:
    first = tw.run(Path(toy_csv.name), **{**quick, "arms": ["majority", "tfidf"]})
    events: list[dict[str, Any]] = []
    again = tw.run(first.path / "job.yaml", listener=events.append)
    assert again.path == first.path
    assert not [event for event in events if event["event"] == "unit_started"]


def test_the_stored_job_keeps_the_arms_that_a_blocking_finding_held_back(
    workspace: Path, quick: dict[str, Any]
) -> None:
    rows = [*toy_rows(60), *({**row, "label": "delivery"} for row in toy_rows(12)[::3])]
    run = tw.run(write_csv(workspace / "bad.csv", rows), **{**quick, "arms": ["majority", "lora"]})
    assert "lora" in (run.path / "job.yaml").read_text().split("base_model")[0]


@pytest.mark.parametrize("section", ["search", "curve"])
def test_a_search_or_a_curve_of_a_fine_tune_stands_in_the_way_of_no_run_without_it(
    section: str, workspace: Path, quick: dict[str, Any]
) -> None:
    settings = {**quick, "arms": ["majority", "lora"], section: {"arms": ["lora"]}}
    rows = [*toy_rows(60), *({**row, "label": "delivery"} for row in toy_rows(12)[::3])]
    blocked = tw.run(write_csv(workspace / "bad.csv", rows), **settings)
    assert blocked.verdict.decision == "fix_data"
    untuned = tw.run(write_csv(workspace / "good.csv", toy_rows(60)), **settings, tune=False)
    assert {one.method for one in untuned.estimates} == {"majority"}
    wrong = {**settings, section: {"arms": ["probe"]}}
    with pytest.raises(JobError, match=rf"^{section}\.arms names probe, which is not compared"):
        tw.run(workspace / "good.csv", **wrong, tune=False)


def test_a_run_without_an_output_is_kept_in_the_workspace(
    toy_csv: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = Job(data=DataSpec(path=str(toy_csv)))
    assert default_folder(job, load(job)).parent == Path("runs")
    monkeypatch.setenv("TUNEWORTHY_WORKSPACE", str(tmp_path / "kept"))
    assert default_folder(job, load(job)).parent == tmp_path / "kept"


def test_single_values_of_a_job_file_can_be_overridden_in_python(toy_csv: Path, workspace: Path) -> None:
    (workspace / "job.yaml").write_text(f"data: {{path: {toy_csv}}}\narms: [majority, tfidf]\n")
    with pytest.raises(JobError, match="use overrides"):
        tw.run(workspace / "job.yaml", seed=1)
    for verb in (tw.run, tw.rank_models):
        with pytest.raises(JobError, match="folds"):
            verb(workspace / "job.yaml", overrides=["folds=zero"])


def test_a_test_label_whose_training_rows_are_all_in_the_test_file_blocks(
    workspace: Path, quick: dict[str, Any]
) -> None:
    known = toy_rows(60)
    leaked = [{"text": f"only here {i}", "label": "other"} for i in range(3)]
    table = write_csv(workspace / "table.csv", [*known, *leaked])
    test = write_csv(workspace / "test.csv", [*toy_rows(30, seed=9), *leaked])
    settings = {**quick, "arms": ["majority", "tfidf"]}
    assert tw.run(table, test=test, **settings).verdict.decision == "fix_data"
    accepted = tw.run(table, test=test, **settings, accept=["TW005"])
    assert {e.n for e in accepted.estimates if e.metric == "accuracy"} == {30}


def test_an_unknown_code_to_accept_is_refused(toy_csv: Path, quick: dict[str, Any]) -> None:
    with pytest.raises(JobError, match="TW999"):
        tw.run(toy_csv, **{**quick, "arms": ["majority", "tfidf"], "accept": ["TW999"]})


def test_what_a_killed_run_had_begun_to_write_is_removed(toy_csv: Path, quick: dict[str, Any]) -> None:
    settings = {**quick, "arms": ["majority", "tfidf"]}
    left = tw.run(toy_csv, **settings).path / "units" / ".0123456789abcdef.99.partial"
    left.mkdir()
    tw.run(toy_csv, **settings)
    assert not left.exists()


def test_checks_that_need_the_encoder_are_made_by_the_run_that_fetches_it(
    toy_csv: Path, quick: dict[str, Any], tmp_path: Path
) -> None:
    encoder = save_embedder(tmp_path / "pickled", pickled=True)  # at hand only once it is converted
    run = tw.run(toy_csv, **{**quick, "embedding_model": str(encoder), "arms": ["majority", "probe"]})
    findings = json.loads((run.path / "findings.json").read_text())
    assert not [found["code"] for found in findings if "not at hand" in found["message"]]


def test_texts_of_emoji_alone_come_to_a_verdict() -> None:
    signs = "😀😡🎉💔👍👎🔥❄"
    rows = [
        {"text": signs[i % 2] * (1 + i % 5) + signs[2 + i % 6] * (1 + i // 5), "label": "ab"[i % 2]}
        for i in range(60)
    ]
    run = tw.run(rows, target="label", input="text", arms=["majority", "tfidf"], curve={"arms": []})
    assert {one.method for one in run.estimates} == {"majority", "tfidf"}
