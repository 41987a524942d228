"""Parts of the rows on which an arm is worse: found when real, seldom named by chance."""

import numpy as np

from tuneworthy.core.example import Example
from tuneworthy.core.prediction import Prediction
from tuneworthy.evaluation.slices import worse_slices
from tuneworthy.metrics import METRICS

ACCURACY = METRICS.get("accuracy")
LABELS = ["a", "b", "c", "d"]


def rows_of(count: int, groups: int = 0) -> list[Example]:
    """Rows whose labels take turns, each longer than the one before; groups of successive rows."""
    return [
        Example(
            id=f"r{i:04d}",
            input="x" * (i + 1),
            target=LABELS[i % 4],
            group=f"g{i * groups // count}" if groups else None,
        )
        for i in range(count)
    ]


def answers(rows: list[Example], right: list[bool]) -> list[Prediction]:
    """The label or another one."""
    other = {"a": "b", "b": "c", "c": "d", "d": "a"}
    return [
        Prediction(example_id=row.id, value=str(row.target) if ok else other[str(row.target)])
        for row, ok in zip(rows, right, strict=True)
    ]


def found(rows: list[Example], ours: list[bool], theirs: list[bool], seed: int = 0):
    """The slices of two arms that are right where said."""
    return worse_slices(
        ACCURACY,
        answers(rows, ours),
        answers(rows, theirs),
        rows,
        LABELS,
        method="x",
        against="y",
        resamples=500,
        seed=seed,
    )


def test_a_label_that_was_unlearned_is_named_though_the_arm_is_better_on_the_whole() -> None:
    rows = rows_of(120)
    slices = found(rows, [row.target != "c" for row in rows], [row.target == "c" for row in rows])
    assert [(part["by"], part["name"], part["n"]) for part in slices["worse"]] == [("label", "c", 30)]
    assert slices["worse"][0]["difference"] == -1.0
    assert slices["worse"][0]["high"] < 0


def test_long_inputs_are_named_where_they_fail() -> None:
    rows = rows_of(120)
    slices = found(rows, [i < 90 for i in range(120)], [True] * 120)
    assert slices["worse"][0]["name"] == "longest quarter"
    assert slices["worse"][0]["n"] == 30


def test_a_group_that_fails_is_named() -> None:
    rows = rows_of(120, groups=8)
    slices = found(rows, [row.group != "g2" for row in rows], [True] * 120)
    assert ("group", "g2") in {(part["by"], part["name"]) for part in slices["worse"]}


def test_equal_arms_are_seldom_told_apart_on_any_part() -> None:
    rng = np.random.default_rng(0)
    rows = rows_of(160, groups=8)
    named = 0
    for trial in range(100):
        ours, theirs = (list(rng.random(160) < 0.7) for _ in range(2))
        named += bool(found(rows, ours, theirs, trial)["worse"])
    assert named <= 17  # 10% of 100, and three standard errors less a little


def test_too_few_rows_for_two_parts_give_no_slices() -> None:
    rows = rows_of(12)
    assert found(rows, [True] * 12, [False] * 12) is None
