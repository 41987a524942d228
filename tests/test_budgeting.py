"""What a budget gives up, in which order, and that a decision is taken once."""

from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import pytest

from tuneworthy import budgeting
from tuneworthy.budgeting import Budget, budget_of
from tuneworthy.core.duration import seconds_of
from tuneworthy.core.job import Job
from tuneworthy.core.unit import ModelRef, Unit
from tuneworthy.rounds import fold_rounds
from tuneworthy.runfolder.folder import RunFolder
from tuneworthy.runfolder.unit_output import UnitWriter
from tuneworthy.sacrifice import (
    FINAL,
    FORGETTING,
    Item,
    given_up,
    grouped,
    named_folds,
    order_of_sacrifice,
    with_search,
)

ROUNDS = [((0, 1), 0.0), ((2, 3), 0.4), ((4,), 0.8)]
SECONDS = {"classifiers": 20.0, "zero_shot": 10.0, "few_shot": 30.0, "knn_shot": 200.0}


def item(kind: str, name: str, method: str = "", **more: object) -> Item:
    return Item(kind, name, method or name, (), **more)  # type: ignore[arg-type]


def folds(arm: str) -> list[Item]:
    return [item("fold", named_folds(arm, own), arm, folds=own, before=share) for own, share in ROUNDS]


def everything() -> tuple[list[Item], dict[str, float]]:
    """A whole job: encoder's folds take 20 s a round, lora's 60 s."""
    items = [item("needed", "classifiers")]
    items += [item("prompt", name) for name in ("zero_shot", "few_shot", "knn_shot")]
    items += [item("search", "the search"), *folds("lora"), *folds("encoder")]
    items += [item("seed", "seed 2 of lora", "lora")]
    items += [item("curve", "curve of tfidf", "tfidf"), item("tuned_curve", "curve of lora", "lora")]
    items += [item("ending", FINAL), item("ending", FORGETTING)]
    seconds = {one.name: SECONDS.get(one.name, 60.0 if one.method == "lora" else 20.0) for one in items}
    return items, seconds


def names(items: list[Item]) -> list[str]:
    return [one.name for one in items]


def test_what_no_rule_reads_goes_first_and_classifiers_never_go() -> None:
    items, seconds = everything()
    assert names(order_of_sacrifice(items, seconds)) == [
        "curve of lora",
        "the search",
        "seed 2 of lora",
        "curve of tfidf",
        "knn_shot",  # takes longer than a round of folds
        "few_shot",
        "fold 5 of lora",  # beyond half of the rows
        "fold 5 of encoder",
        "folds 3 and 4 of lora",  # the dearer fine-tune
        "folds 1 and 2 of lora",
        "zero_shot",
        FORGETTING,
        FINAL,
        "folds 3 and 4 of encoder",
        "folds 1 and 2 of encoder",
    ]


def test_nothing_goes_where_everything_fits() -> None:
    items, seconds = everything()
    assert given_up(items, seconds, sum(seconds.values())) == []


def test_no_more_goes_than_has_to_so_that_the_rest_fits() -> None:
    items, seconds = everything()
    whole = sum(seconds.values())
    for room in range(20, int(whole), 7):
        gone = given_up(items, seconds, room)
        left = whole - sum(seconds[one.name] for one in gone)
        assert left <= room
        tuned = any(one.kind == "fold" and one not in gone for one in items)
        fitting = [one for one in gone if left + seconds[one.name] <= room]
        assert all(one.kind == "ending" and not tuned for one in fitting), room


def test_a_small_thing_that_fits_again_once_a_large_one_is_gone_stays() -> None:
    items = [item("curve", "small"), item("prompt", "large")]
    assert names(given_up(items, {"small": 1.0, "large": 100.0}, 50.0)) == ["large"]


def test_the_fit_on_all_rows_needs_a_fine_tune_that_is_measured() -> None:
    items, seconds = [*folds("lora"), item("ending", FINAL)], {FINAL: 30.0}
    seconds |= {one.name: 60.0 for one in items[:-1]}
    measured = {items[0].name}
    assert set(names(items)) - set(names(given_up(items, seconds, 70.0))) == measured
    assert set(names(items)) - set(names(given_up(items, seconds, 90.0))) == measured | {FINAL}
    assert set(names(items)) == set(names(given_up(items, seconds, 40.0)))
    assert items[-1] not in given_up(items, seconds, 40.0, measured=True)


def test_what_is_done_already_never_goes() -> None:
    items = [item("prompt", "done"), item("prompt", "dear")]
    assert names(given_up(items, {"done": 0.0, "dear": 10.0}, -5.0)) == ["dear"]


def test_rounds_of_folds_are_named_together_and_an_arm_that_loses_all_alone() -> None:
    rounds = folds("lora")
    assert list(grouped(rounds[1:], 5)) == ["folds 3, 4 and 5 of lora"]
    assert list(grouped([*rounds, item("prompt", "knn_shot")], 5)) == ["lora", "knn_shot"]


def test_a_decision_is_kept_and_never_taken_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(budgeting, "clock", lambda: now[0])
    with RunFolder(tmp_path / "run") as folder:

        def begun(seconds: float) -> Budget:
            stored = folder.read(budgeting.FILE) if folder.exists(budgeting.FILE) else {}
            decisions = stored.get("decisions", {})
            spent = stored.get("spent_s", 0.0)
            return Budget(seconds, None, folder, 1, 1, now[0], spent, decisions)  # type: ignore[arg-type]

        first = begun(100.0)
        now[0] = 90.0  # with the report still to come, no time is left
        kept = first.offer(item("prompt", "knn_shot"), [])
        now[0] = 95.0
        first.write()
        again = begun(100_000.0)
        assert again.spent() == pytest.approx(95.0)
        assert again.offer(item("prompt", "knn_shot"), []) == kept


@dataclass
class Foreseen:
    """Every unit takes as long."""

    each: float

    def seconds(self, unit: Unit) -> float:
        return self.each

    def on_all_rows(self, unit: Unit, threads: int) -> Unit:
        return unit


def fit(fold: int | None = None, **more: object) -> Unit:
    known: dict[str, object] = {
        "method": "lora",
        "parameters": {},
        "task": "classification",
        "labels": ("a", "b"),
    }
    known |= {"instruction": "", "metric": "accuracy", "fold": fold, "seed": 0, "fit": "f", "validation": "v"}
    known |= {"predict": "p", "dtype": "float32", "threads": 1, "implementation": "0"}
    known |= {"models": {"decoder": ModelRef(name="tiny", digest="0")}}
    return Unit.model_validate(known | more)


def a_budget(folder: RunFolder, seconds: float, each: float, **more: object) -> Budget:
    return Budget(seconds, Foreseen(each), folder, 1, 1, budgeting.clock(), **more)  # type: ignore[arg-type]


def test_a_probe_of_a_base_model_is_no_cheap_classifier() -> None:
    arms = ("majority", "tfidf", "probe", "probe_decoder", "zero_shot")
    assert [arm for arm in arms if budgeting.asks_a_base_model(arm)] == ["probe_decoder", "zero_shot"]


def test_what_is_never_left_out_and_takes_longer_than_there_is_is_said(tmp_path: Path) -> None:
    with RunFolder(tmp_path / "run") as folder:
        found = a_budget(folder, 100.0, 10.0)
        assert "3.0 min of it, which is more than there is" in budgeting.told_forecast(
            found, 200.0, [], "so far", 5, 180.0
        )
        assert "more than there is" not in budgeting.told_forecast(found, 200.0, [], "so far", 5, 80.0)


def test_a_measured_fold_is_worth_more_than_the_fit_on_all_rows(tmp_path: Path) -> None:
    only = Item("fold", "fold 1 of lora", "lora", (fit(),))
    with RunFolder(tmp_path / "run") as folder:
        for seconds, gone in ((700.0, []), (400.0, [FINAL]), (300.0, [FINAL, only.name])):
            found = a_budget(folder, seconds, 300.0)
            assert names(found.forecast([only])[1]) == gone, seconds
            assert found.offer(only, []) == (only.name not in gone), seconds


def test_the_fit_on_all_rows_is_made_if_there_is_time_and_what_is_decided_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    monkeypatch.setattr(budgeting, "clock", lambda: now[0])
    for spent, made in ((624.0, True), (626.0, False)):
        with RunFolder(tmp_path / str(spent)) as folder:
            now[0] = 0.0
            found = a_budget(folder, 1000.0, 360.0)
            now[0] = spent
            assert found.ends_with(FINAL, 360.0) == made
            now[0] = 10_000.0 * made  # stopped, and on again
            assert found.ends_with(FINAL, 360.0) == made


def test_what_a_fine_tune_has_forgotten_is_paid_for_too(tmp_path: Path) -> None:
    with RunFolder(tmp_path / "run") as folder:
        only = Item("fold", "fold 1 of lora", "lora", (fit(),))
        with_it, without = (a_budget(folder, 700.0, 10.0, forgetting=said) for said in (True, False))
        assert names(without.endings([only])) == [FINAL]
        found = {one.name: one.seconds for one in with_it.endings([only])}
        assert found == {FINAL: 10.0, FORGETTING: 20.0}  # the base model and the fit


def test_a_search_that_is_kept_is_paid_for_in_the_folds_that_it_goes_with(tmp_path: Path) -> None:
    with RunFolder(tmp_path / "run") as folder:
        found = a_budget(folder, 1000.0, 10.0)
        search = Item("search", "the search for settings", "", (fit(0), fit(1)), fits=4.0)
        first, seed, other = with_search(
            [
                Item("fold", "fold 1 of lora", "lora", (fit(0),)),
                Item("seed", "seed 2 of lora", "lora", (fit(0, seed=1),)),
                Item("fold", "fold 1 of full", "full", (fit(0, method="full"),)),
            ],
            search,
        )
        assert [found.of_item(one) for one in (first, seed, other)] == [50.0, 10.0, 10.0]


def test_a_trial_that_stops_on_the_way_tells_the_pace_of_its_arm(tmp_path: Path) -> None:
    with RunFolder(tmp_path / "run") as folder:
        found = a_budget(folder, 1000.0, 10.0)
        trial = fit(0, purpose="trial", until=0.25)
        with UnitWriter(folder.path / "units" / trial.address) as writer:
            writer.finish(trial, [], {"cost": {"fit_s": 5.0, "predict_s": 0.0}, "facts": {}})
        found.learn([trial])
        assert found.of_unit(fit(1)) == 20.0


def test_the_time_of_a_unit_that_was_cut_off_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(budgeting, "clock", lambda: now[0])
    job = Job.model_validate({"data": {"path": "rows.csv"}, "budget": "1h"})
    with RunFolder(tmp_path / "run") as folder:
        budget_of(job, Foreseen(1.0), folder, 1, 0.0)  # type: ignore[arg-type]
        now[0] = 600.0
        folder.emit("unit_progress", keep=False, done=1, total=9)
    with RunFolder(tmp_path / "run") as folder:
        again = budget_of(job, Foreseen(1.0), folder, 1, now[0])  # type: ignore[arg-type]
        assert again.spent() == pytest.approx(600.0)


def test_folds_stay_in_the_rounds_of_the_first_start_whatever_the_workers_of_the_next(tmp_path: Path) -> None:
    job = Job.model_validate({"data": {"path": "rows.csv"}, "budget": "1h"})
    units = [fit(fold) for fold in range(4)]
    found = []
    for workers in (2, 1):
        with RunFolder(tmp_path / "run") as folder:
            course = SimpleNamespace(
                job=job.model_copy(update={"workers": workers}),
                budget=budget_of(job, Foreseen(1.0), folder, 2, 0.0),  # type: ignore[arg-type]
                split=SimpleNamespace(folds=units),
                watch=None,
                cores=2,
            )
            found.append(fold_rounds(course, units))  # type: ignore[arg-type]
    assert found == [[(0, 1), (2, 3)]] * 2


@pytest.mark.parametrize("text", ["", "ten minutes", "10", "0m", "-5m", "10 parsecs"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="10m"):
        seconds_of(text)
