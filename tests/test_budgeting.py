"""What a budget gives up, in which order, and that a decision is taken once."""

from pathlib import Path

import pytest

from tuneworthy import budgeting
from tuneworthy.budgeting import Budget, Item, given_up, grouped, order_of_sacrifice
from tuneworthy.core.duration import seconds_of
from tuneworthy.runfolder.folder import RunFolder

ROUNDS = [((0, 1), 0.4), ((2, 3), 0.8), ((4,), 1.0)]
SECONDS = {"classifiers": 20.0, "zero_shot": 10.0, "few_shot": 30.0, "knn_shot": 200.0}


def item(kind: str, name: str, method: str = "", **more: object) -> Item:
    return Item(kind, name, method or name, (), **more)  # type: ignore[arg-type]


def folds(arm: str) -> list[Item]:
    return [
        item("fold", budgeting.named_folds(arm, own), arm, folds=own, until=until) for own, until in ROUNDS
    ]


def everything() -> tuple[list[Item], dict[str, float]]:
    """A whole job: encoder's folds take 20 s a round, lora's 60 s."""
    items = [item("needed", "classifiers")]
    items += [item("prompt", name) for name in ("zero_shot", "few_shot", "knn_shot")]
    items += [item("search", "the search"), *folds("lora"), *folds("encoder")]
    items += [item("seed", "seed 2 of lora", "lora")]
    items += [item("curve", "curve of tfidf", "tfidf"), item("tuned_curve", "curve of lora", "lora")]
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
        assert all(left + seconds[one.name] > room for one in gone), room


def test_a_small_thing_that_fits_again_once_a_large_one_is_gone_stays() -> None:
    items = [item("curve", "small"), item("prompt", "large")]
    assert names(given_up(items, {"small": 1.0, "large": 100.0}, 50.0)) == ["large"]


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


@pytest.mark.parametrize("text", ["", "ten minutes", "10", "0m", "-5m", "10 parsecs"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="10m"):
        seconds_of(text)
