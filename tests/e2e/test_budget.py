"""A run that may take so long and no longer: what it leaves out, and what it says of it."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest
import torch

import tuneworthy as tw
from toy import FILLER, toy_rows, write_csv
from tuneworthy import budgeting
from tuneworthy.core.errors import JobError
from tuneworthy.engine import trainee

UNIT_S = 100.0  # what the clock of these tests says a unit takes
ARMS = ["majority", "tfidf", "lora"]


@dataclass
class Runs:
    """The same job without a budget, and with several; each takes over what the ones before it did."""

    cut: tw.Run
    again: tw.Run
    again_events: list[dict[str, Any]]
    more: tw.Run
    more_events: list[dict[str, Any]]
    free: tw.Run
    none: tw.Run
    seeds: tw.Run
    unread: tw.Run
    text_read: tw.Run


@pytest.fixture(scope="module")
def runs(
    tmp_path_factory: pytest.TempPathFactory, decoder_folder: Path, embedder_folder: Path
) -> Iterator[Runs]:
    """All runs of this module, in one workspace, on a clock that moves when a unit ends."""
    now = [0.0]
    cost = {"cost": {"fit_s": UNIT_S, "predict_s": 0.0}}

    def listen(event: dict[str, Any]) -> None:
        if event["event"] == "unit_finished":
            now[0] += UNIT_S

    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("budget"))
        patch.setattr(budgeting, "clock", lambda: now[0])
        patch.setattr(budgeting, "read_metrics", lambda folder: cost)
        table = write_csv(Path("rows.csv"), toy_rows(64))
        again_events: list[dict[str, Any]] = []
        more_events: list[dict[str, Any]] = []

        def run(budget: str | None, listener: Any, **more: Any) -> tw.Run:
            settings: dict[str, Any] = {
                "base_model": str(decoder_folder),
                "embedding_model": str(embedder_folder),
                "protocol": "crossfit",
                "folds": 4,
                "workers": 1,
                "threads": 1,
                "resamples": 200,
                "arms": ARMS,
                "lora": {"max_steps": 3},
                "curve": {"arms": []},
                "forgetting": False,
                **({} if budget is None else {"budget": budget}),
                **more,
            }
            return tw.open_run(tw.run(table, listener=listener, **settings).path.resolve())

        Path("texts.txt").write_text("\n".join(map(" ".join, permutations(FILLER, 2))), encoding="utf-8")
        adapt = {"text": "texts.txt", "then": "lora", "settings": {"max_steps": 3}, "max_steps": 2}
        reading = {"arms": ["majority", "tfidf", "adapt"], "adapt": adapt}

        # Eight cheap units, then two folds of lora; the final fit and the report are still to come.
        cut = run("1150s", listen)
        yield Runs(
            cut,
            run("1150s", again_events.append),
            again_events,
            run("10h", more_events.append),
            more_events,
            run(None, None),
            run("1s", listen, lora={"max_steps": 4}),  # which no run before it has done
            run("450s", listen, seeds=2, curve={"arms": ["tfidf"], "shares": [0.45, 0.6, 0.8]}),
            run("1s", listen, **reading),
            run("10h", listen, **reading),
        )


def read(run: tw.Run, name: str) -> Any:
    return json.loads((run.path / name).read_text(encoding="utf-8"))


def started(events: list[dict[str, Any]]) -> set[str]:
    titles = {event["title"] for event in events if event["event"] == "unit_started"}
    return {title for title in titles if "final" not in title}


def rows_of(run: tw.Run, method: str) -> int:
    (found,) = (one for one in run.estimates if (one.method, one.metric) == (method, "accuracy"))
    return found.n


def test_folds_that_do_not_fit_are_left_out_and_the_rest_is_compared_on_the_rows_it_has(runs: Runs) -> None:
    assert (rows_of(runs.cut, "lora"), rows_of(runs.cut, "tfidf")) == (32, 64)
    assert {one.n for one in runs.cut.comparisons if one.method == "lora"} == {32}


def test_what_is_left_out_and_what_it_costs_in_certainty_is_said(runs: Runs) -> None:
    told = " ".join(runs.cut.verdict.reasons)
    assert "left out: folds 3 and 4 of lora" in told
    # As often as lora and the best untuned arm disagree, which only these rows can tell.
    assert re.search(
        r"lora is measured on 32 of 64 rows: they find a true difference of [\d.]+ points 80% of the time if "
        r"arms disagree on 62% of rows, all of them find [\d.]+ points",
        told,
    )
    assert "folds 3 and 4 of lora" in runs.cut.report.read_text(encoding="utf-8")


def test_power_is_that_of_the_rows_that_fine_tunes_were_measured_on(runs: Runs) -> None:
    assert {row["n"] for row in read(runs.cut, "evidence.json")["power"]} == {32}
    assert {row["n"] for row in read(runs.free, "evidence.json")["power"]} == {64}


def test_units_that_were_left_out_leave_the_plan(runs: Runs) -> None:
    stages = read(runs.cut, "plan.json")["stages"]
    assert [u["fold"] for one in stages for u in one["units"] if u["method"] == "lora"] == [0, 1]


def test_a_run_again_takes_the_same_decisions_and_redoes_no_unit(runs: Runs) -> None:
    assert runs.again.path == runs.cut.path
    assert not started(runs.again_events)
    assert runs.again.verdict == runs.cut.verdict
    assert [one["kept"] for one in read(runs.again, "budget.json")["decisions"].values()].count(False) == 2


def test_more_time_takes_over_what_is_done_and_is_another_look_at_the_rows(runs: Runs) -> None:
    assert started(runs.more_events) == {"lora fold 3", "lora fold 4"}
    assert read(runs.more, "evidence.json")["past_tuned_arms"] == 1


def test_unlabelled_text_is_read_only_for_a_fine_tune_that_the_budget_leaves_time_for(runs: Runs) -> None:
    titles = [
        {
            json.loads(file.read_text(encoding="utf-8"))["purpose"]
            for file in run.path.glob("units/*/unit.json")
        }
        for run in (runs.unread, runs.text_read)
    ]
    assert ["adapt" in purposes for purposes in titles] == [False, True]
    assert "left out: adapt" in " ".join(runs.unread.verdict.reasons)


def test_a_budget_that_suffices_measures_what_a_run_without_one_does(runs: Runs) -> None:
    assert runs.more.path != runs.free.path
    assert runs.more.estimates == runs.free.estimates
    assert runs.more.comparisons == runs.free.comparisons
    assert read(runs.more, "evidence.json")["left_out"] == []


def test_no_time_at_all_leaves_the_classifiers_and_says_so(runs: Runs) -> None:
    assert {one.method for one in runs.none.estimates} == {"majority", "tfidf"}
    told = " ".join(runs.none.verdict.reasons)
    assert re.search(
        r"a budget of 1 s leaves no time to fine-tune, which was foreseen to take [\d.]+ s", told
    )
    assert "larger budget" in runs.none.verdict.next_action


def test_an_arm_that_was_left_out_is_no_look_at_the_test_rows(runs: Runs) -> None:
    lines = (runs.none.path / "lockbox.jsonl").read_text(encoding="utf-8").splitlines()
    looks = [sorted(json.loads(line)["arms"]) for line in lines]
    assert [arms for arms in looks if "lora" not in arms] == [["majority", "tfidf"]]


def test_curves_and_further_seeds_go_before_any_fold_does(runs: Runs) -> None:
    assert rows_of(runs.seeds, "lora") == 64
    assert "left out: seed 2 of lora, the learning curve of tfidf" in " ".join(runs.seeds.verdict.reasons)


def test_a_fold_takes_the_place_of_the_fit_on_all_rows_that_there_is_no_time_for(
    tmp_path: Path, quick: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]

    def listen(event: dict[str, Any]) -> None:
        now[0] += UNIT_S * (event["event"] == "unit_finished")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(budgeting, "clock", lambda: now[0])
    monkeypatch.setattr(budgeting, "read_metrics", lambda folder: {"cost": {"fit_s": 100.0, "predict_s": 0}})
    table = write_csv(Path("rows.csv"), toy_rows(120))
    settings = {**quick, "protocol": "crossfit", "folds": 3, "workers": 1, "arms": ["majority", "lora"]}
    settings |= {"lora": {"max_steps": 60, "learning_rate": 0.01}, "forgetting": True, "threads": 1}
    run = tw.run(table, budget="450s", listener=listen, **settings)
    assert rows_of(run, "lora") == 40 and run.verdict.recommended_method == "lora"
    assert not [unit for unit in units_of(run) if unit["purpose"] in ("refit", "forgetting")]
    told = " ".join(run.verdict.reasons)
    assert "uses its fit of fold 1, which has learned from" in told
    assert json.loads((run.path / "model.json").read_text())["method"] == "lora"
    assert "the budget of 7.5 min left no time for it" in read(run, "forgetting.json")["reason"]
    text = toy_rows(4)[0]["text"]
    assert run.predict([text])[0].value


SEARCH = {"trials": 2, "fewest_rows": 10}


def units_of(run: tw.Run) -> list[dict[str, Any]]:
    return [json.loads(file.read_text(encoding="utf-8")) for file in run.path.glob("units/*/unit.json")]


def test_further_seeds_share_the_search_of_the_first(toy_csv: Path, quick: dict[str, Any]) -> None:
    settings = {**quick, "arms": ["majority", "lora"], "seeds": 2, "search": SEARCH, "lora": {"max_steps": 2}}
    run = tw.run(toy_csv, budget="10h", **settings)
    lora = [unit for unit in units_of(run) if unit["method"] == "lora"]
    seeds = [
        {unit["seed"] for unit in lora if unit["purpose"] == purpose} for purpose in ("trial", "evaluate")
    ]
    assert [len(own) for own in seeds] == [1, 2]


def test_the_search_for_a_prompt_is_given_up_before_the_prompt_is(
    toy_csv: Path, quick: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(budgeting, "clock", lambda: 0.0)
    settings = {**quick, "arms": ["majority", "few_shot"], "search": {**SEARCH, "trials": 8}}
    run = tw.run(toy_csv, budget="25s", **settings)
    assert {unit["purpose"] for unit in units_of(run) if unit["method"] == "few_shot"} == {"evaluate"}
    assert "left out: the search for few_shot." in " ".join(run.verdict.reasons)


def test_of_prompts_alone_the_cheapest_is_run_however_little_time_there_is(
    toy_csv: Path, quick: dict[str, Any]
) -> None:
    run = tw.run(toy_csv, budget="1s", **{**quick, "arms": ["zero_shot", "few_shot"]})
    assert {one.method for one in run.estimates} == {"zero_shot"}


def test_an_arm_that_has_failed_is_fitted_no_further_and_is_not_said_to_lack_time(
    toy_csv: Path, quick: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    now, events = [0.0], list[dict[str, Any]]()

    def hungry(*_: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")

    def listen(event: dict[str, Any]) -> None:
        events.append(event)
        now[0] += 4000.0 * (event.get("title") == "lora fold 1" and event["event"] == "unit_finished")

    monkeypatch.setattr(budgeting, "clock", lambda: now[0])
    monkeypatch.setattr(trainee, "supervised_loss", hungry)
    settings = {**quick, "arms": ["majority", "encoder", "lora"], "protocol": "crossfit", "folds": 2}
    run = tw.run(toy_csv, listener=listen, budget="1h", train_anyway=True, **settings)
    assert {unit["fold"] for unit in units_of(run) if unit["method"] == "lora"} == {0}
    evidence = read(run, "evidence.json")
    assert evidence["fine_tuning"] == "failed"
    assert evidence["left_out"][0] == "The budget of 1.0 h left out: encoder."
    assert evidence["left_out"][1].startswith("lora is left out: 'lora fold 1' failed")
    # What has been exceeded is known at the end alone.
    told = [str(event.get("text", event.get("stage"))) for event in events]
    assert told.index("refit") < next(i for i, text in enumerate(told) if "was exceeded" in text)


def test_a_budget_that_is_no_time_is_one_sentence(toy_csv: Path, quick: dict[str, Any]) -> None:
    with pytest.raises(JobError, match="budget should be a time such as 10m"):
        tw.run(toy_csv, budget="ten minutes", **quick)
