"""The search for settings: on validation rows alone, within its budget, resumable."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import tuneworthy as tw
from tuneworthy.core.errors import JobError
from tuneworthy.core.job import SearchSpec
from tuneworthy.core.study import Trial
from tuneworthy.methods import METHODS
from tuneworthy.search.settings import Search

SEARCH = {"trials": 4, "fewest_rows": 10}


def settings(quick: dict[str, Any], **more: Any) -> dict[str, Any]:
    arms = ["majority", "tfidf", "lora"]
    return {**quick, "arms": arms, "lora": {"batch": 4, "max_steps": 8}, "search": SEARCH, **more}


def studies(run: Path) -> dict[str, Any]:
    return {path.stem: json.loads(path.read_text()) for path in (run / "search").glob("*.json")}


def units(run: Path) -> list[dict[str, Any]]:
    return [json.loads((folder / "unit.json").read_text()) for folder in (run / "units").iterdir()]


def test_the_arm_is_measured_with_the_settings_that_won_on_three_seeds(
    toy_csv: Path, quick: dict[str, Any]
) -> None:
    run = tw.run(toy_csv, **settings(quick))
    study = studies(run.path)["lora"]
    won = study["trials"][study["chosen"]]["values"]
    measured = [u for u in units(run.path) if u["method"] == "lora" and u["purpose"] == "evaluate"]
    assert len({unit["seed"] for unit in measured}) == len(measured) == 3
    assert all(unit["parameters"] | won == unit["parameters"] for unit in measured)
    estimate = next(e for e in run.estimates if e.method == "lora" and e.metric == "accuracy")
    assert estimate.n == 15


def test_the_search_stays_within_its_budget_and_the_default_is_trained_to_the_end(
    toy_csv: Path, quick: dict[str, Any]
) -> None:
    run = tw.run(toy_csv, **settings(quick, search={**SEARCH, "trials": 6, "budget": 2.5}))
    study = studies(run.path)["lora"]
    assert study["fits"] <= 2.5
    assert study["trials"][0]["share"] == 1.0
    assert min(trial["share"] for trial in study["trials"]) == 0.25


def test_a_search_that_the_rows_are_too_few_for_says_so(toy_csv: Path, quick: dict[str, Any]) -> None:
    run = tw.run(toy_csv, **settings(quick, seeds=1, search={"trials": 4}))
    assert not studies(run.path)
    told = (run.path / "events.jsonl").read_text()
    assert "No search for lora: a fit has fewer training rows than search.fewest_rows = 150" in told


def test_no_row_of_the_test_part_is_seen_by_a_trial(toy_csv: Path, quick: dict[str, Any]) -> None:
    quick = settings(quick, arms=["majority", "tfidf", "few_shot", "lora"], few_shot={"calibration_rows": 4})
    run = tw.run(toy_csv, **quick)
    split = json.loads((run.path / "split.json").read_text())
    test = {row for fold in split["folds"] for row in split["row_sets"][fold["predict"]]}
    trials = [unit for unit in units(run.path) if unit["purpose"] == "trial"]
    assert {unit["method"] for unit in trials} == {"few_shot", "lora"}
    for unit in trials:
        sets = [split["row_sets"].get(unit[part], []) for part in ("fit", "validation", "predict")]
        assert sets[0] and not test & {row for rows in sets for row in rows}


def test_a_search_that_was_stopped_proposes_the_same_and_redoes_no_trial(
    toy_csv: Path, quick: dict[str, Any]
) -> None:
    finished: list[str] = []

    def stop(event: dict[str, Any]) -> None:
        if event["event"] == "unit_finished" and event["title"] == "lora (trial)":
            finished.append(event["unit"])
            if len(finished) == 3:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tw.run(toy_csv, listener=stop, **settings(quick))
    events: list[dict[str, Any]] = []
    again = tw.run(toy_csv, listener=events.append, **settings(quick))
    started = {event["unit"] for event in events if event["event"] == "unit_started"}
    assert not started & set(finished)
    fresh = tw.run(toy_csv, output="runs/fresh/run", **settings(quick))
    assert studies(again.path) == studies(fresh.path)


def test_every_fold_of_a_crossfit_has_a_search_of_its_own(toy_csv: Path, quick: dict[str, Any]) -> None:
    quick = settings(quick, protocol="crossfit", folds=2, seeds=1, search={**SEARCH, "trials": 2})
    run = tw.run(toy_csv, **quick)
    assert set(studies(run.path)) == {"lora-0", "lora-1"}


def test_epochs_are_not_searched_where_the_user_has_set_the_steps_that_they_decide(
    toy_csv: Path, quick: dict[str, Any]
) -> None:
    search = {**SEARCH, "trials": 2}
    run = tw.run(toy_csv, **settings(quick, seeds=1, lora={"steps": 4, "batch": 4}, search=search))
    assert "epochs" not in studies(run.path)["lora"]["parameters"]


def test_what_the_user_has_set_is_not_searched(toy_csv: Path, quick: dict[str, Any]) -> None:
    quick = settings(
        quick, lora={"learning_rate": 0.01, "epochs": 1, "batch": 4}, search={**SEARCH, "trials": 2}
    )
    run = tw.run(toy_csv, **quick)
    assert studies(run.path)["lora"]["parameters"] == ["rank"]


def test_a_setting_that_diverges_costs_its_own_trial(toy_csv: Path, quick: dict[str, Any]) -> None:
    from tuneworthy.methods.lora import Lora

    def space(self: Any, setting: Any, parameters: Any, rows: int) -> Any:
        return {"learning_rate": 0.01}, {"learning_rate": (0.01, 1e30)}

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Lora, "space", space)
        run = tw.run(toy_csv, **settings(quick, search={**SEARCH, "trials": 6}))
    study = studies(run.path)["lora"]
    wild = [trial for trial in study["trials"] if trial["values"]["learning_rate"] > 1]
    assert wild and all(trial["score"] is None and "diverged" in trial["failed"] for trial in wild)
    assert study["trials"][study["chosen"]]["values"] == {"learning_rate": 0.01}


def test_an_arm_without_settings_cannot_be_named_for_a_search(toy_csv: Path, quick: dict[str, Any]) -> None:
    with pytest.raises(JobError, match="majority, which has no settings"):
        tw.run(toy_csv, **settings(quick, search={**SEARCH, "arms": ["majority"]}))


def test_other_wordings_of_the_instruction_are_tried_for_prompts(
    toy_csv: Path, quick: dict[str, Any]
) -> None:
    other = "Say refund, delivery or account."
    search = {**SEARCH, "trials": 6, "instructions": [other]}
    run = tw.run(toy_csv, **settings(quick, arms=["majority", "zero_shot"], search=search))
    tried = {trial["values"]["instruction"] for trial in studies(run.path)["zero_shot"]["trials"]}
    assert len(tried) == 2 and other in tried


def trial(number: int, score: float, log_loss: float, share: float = 1.0) -> Trial:
    return Trial(number=number, values={}, score=score, log_loss=log_loss, error=0.05, share=share)


@pytest.mark.parametrize(
    ("best", "chosen"),
    [
        (trial(1, 0.86, 0.9), 1),  # by more than one standard error
        (trial(1, 0.82, 0.4), 1),  # a little, and by log-loss too
        (trial(1, 0.82, 0.9), 0),  # a little, against the log-loss
        (trial(1, 0.80, 0.1), 1),  # equal, and by log-loss
        (trial(1, 0.78, 0.1), 0),  # not by score
        (trial(1, 0.99, 0.1, share=0.5), 0),  # not trained to the end
    ],
)
def test_the_default_settings_stay_unless_others_are_better_by_far_or_in_two_ways(
    best: Trial, chosen: int
) -> None:
    assert chosen_by("accuracy", best) == chosen


def chosen_by(metric: str, best: Trial) -> int:
    search = Search.__new__(Search)
    search.unit = SimpleNamespace(metric=metric)  # type: ignore[assignment]
    search.trials, search.judged = {0: trial(0, 0.80, 0.5), 1: best}, []
    return search.choose()[0]


def test_the_best_trial_can_be_paid_to_its_end_whatever_the_others_take() -> None:
    """Eight trials of a quarter, of which several take half as many steps again."""
    search = Search.__new__(Search)
    search.spec = SearchSpec(trials=8)
    scores = [0.35, 0.30, 0.19, 0.37, 0.44, 0.23, 0.26, 0.14]
    search.steps = dict(enumerate([200, 300, 100, 300, 200, 300, 100, 200]))
    search.trials = {number: trial(number, score, 3.0, share=0.25) for number, score in enumerate(scores)}
    for share, count in ((0.5, 4), (1.0, 2)):
        going_on = search.survivors(count, share)
        assert going_on[:2] == [0, 4]
        for number in going_on:
            search.trials[number] = search.trials[number].model_copy(update={"share": share})
        assert search.fits() <= search.spec.budget


def test_trials_of_more_epochs_that_the_budget_does_not_pay_for_are_not_begun() -> None:
    """Twelve proposals, all but the first of half as many epochs again, which nobody fits here."""
    search = Search.__new__(Search)
    search.spec, search.method = SearchSpec(trials=12, budget=3.75), METHODS.get("lora")
    search.values, search.steps = {"epochs": 4}, {}
    search.trials = {
        number: Trial(number=number, values={"epochs": 6 if number else 4}) for number in range(12)
    }
    for proposed in (range(6), range(6, 12)):
        for number in search.affordable(proposed, 0.25):
            search.steps[number] = 150 if number else 100
            search.trials[number] = trial(number, 0.5, 1.0, share=0.25)
    for share, count in ((0.5, 6), (1.0, 3)):
        for number in search.survivors(count, share):
            search.trials[number] = search.trials[number].model_copy(update={"share": share})
    assert search.trials[0].share == 1.0 and search.fits() <= 3.75
    assert "search.budget = 3.75 leaves" in str(search.trials[11].failed)


def test_log_loss_is_no_witness_of_a_mean_over_labels() -> None:
    assert chosen_by("macro_f1", trial(1, 0.82, 0.4)) == 0
    assert chosen_by("macro_f1", trial(1, 0.86, 0.9)) == 1


def test_more_trials_than_the_budget_pays_for_are_refused(toy_csv: Path, quick: dict[str, Any]) -> None:
    with pytest.raises(JobError, match=r"too few for 40 trials: give it 10\.75"):
        tw.run(toy_csv, **settings(quick, search={**SEARCH, "trials": 40}))
