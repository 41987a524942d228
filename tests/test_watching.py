"""When a sequential test stops a fine-tuned arm, and when it lets it go on."""

from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from tuneworthy import rounds
from tuneworthy.core.evidence import Evidence, Thresholds
from tuneworthy.core.example import Example
from tuneworthy.core.job import DataSpec, Job
from tuneworthy.core.prediction import Prediction
from tuneworthy.evaluation.assemble import ArmOutput, score_arms
from tuneworthy.evaluation.looks import Looks
from tuneworthy.metrics import METRICS
from tuneworthy.sacrifice import Item
from tuneworthy.verdict.rules import decide
from tuneworthy.verdict.words import stopped
from tuneworthy.watching import Watch

ROWS, HALF = 200, 100
COST = {"fit_s": 1, "predict_s": 1, "rows_predicted": 1, "latency_s": 1, "peak_memory_gib": 1, "threads": 1}
TRUTH = {f"{i:03d}": Example(id=f"{i:03d}", input="", target="ab"[i % 2]) for i in range(ROWS)}
IDS = list(TRUTH)


def output(method: str, kind: Any, share: float, rows: int, seed: int) -> ArmOutput:
    """An arm that is right on this share of the rows of either half."""
    rng = np.random.default_rng(seed)
    right = np.concatenate([rng.permutation(HALF) < round(share * HALF) for _ in range(2)])
    given = [
        Prediction(example_id=row, value=TRUTH[row].target if ok else "ab"[TRUTH[row].target == "a"])
        for row, ok in zip(IDS[:rows], right, strict=False)
    ]
    return ArmOutput(method, kind, given, [COST])


UNTUNED = [output("majority", "baseline", 0.5, ROWS, 1), output("tfidf", "classifier", 0.7, ROWS, 2)]


def evidence_of(outputs: Sequence[ArmOutput], looks: Mapping[str, Looks], **more: Any) -> Evidence:
    job = Job(data=DataSpec(path=""), resamples=200)
    scores = score_arms([*UNTUNED, *outputs], TRUTH, "ab", "accuracy", ["accuracy"], job, 1, looks)
    return Evidence(
        metric="accuracy",
        arms=scores.arms,
        comparisons=scores.comparisons,
        thresholds=Thresholds(),
        rows=ROWS,
        test_rows=ROWS,
        protocol="crossfit",
        **more,
    )


def watched(**shares: float) -> tuple[Watch, list[ArmOutput]]:
    """After the first of two rounds."""
    folds = [frozenset(IDS[:HALF]), frozenset(IDS[HALF:])]
    watch = Watch(evidence_of, TRUTH, True, folds, {arm: [0, 1] for arm in shares})
    outputs = [
        output(arm, "tuned", share, HALF, seed) for seed, (arm, share) in enumerate(shares.items(), start=5)
    ]
    for arm in shares:
        watch.saw(arm, 0)
    return watch, outputs


def test_an_arm_that_is_far_ahead_stops_and_the_verdict_says_after_how_many_rows_and_at_what_rate() -> None:
    watch, outputs = watched(lora=0.97)
    (stop,) = watch.look(outputs)
    assert (stop.why, stop.rows, stop.planned) == ("shown", 100, 200)
    assert stop.spent == pytest.approx(0.0056, abs=0.0001)
    verdict = decide(evidence_of(outputs, watch.looks, stops=tuple(watch.stops)))
    assert verdict.decision == "fine_tune"
    assert "stopped after 100 of 200 rows" in " ".join(verdict.reasons)
    assert "0.6% of the error rate of 5.0% was spent" in " ".join(verdict.reasons)


def test_an_arm_that_is_far_behind_stops_and_nothing_is_claimed_of_it() -> None:
    watch, outputs = watched(lora=0.3)
    (stop,) = watch.look(outputs)
    assert stop.why in ("out_of_reach", "unlikely")
    verdict = decide(evidence_of(outputs, watch.looks, stops=tuple(watch.stops)))
    assert verdict.decision != "fine_tune"
    assert verdict.recommended_method == "tfidf"


def test_an_arm_that_may_still_win_goes_on() -> None:
    watch, outputs = watched(lora=0.78)
    assert watch.look(outputs) == []
    assert watch.goes_on("lora")


def test_one_arm_may_stop_while_another_goes_on_and_a_win_stops_all() -> None:
    watch, outputs = watched(lora=0.78, full=0.3)
    assert [stop.method for stop in watch.look(outputs)] == ["full"]
    watch, outputs = watched(lora=0.97, full=0.78)
    assert {stop.method: stop.why for stop in watch.look(outputs)} == {
        "lora": "shown",
        "full": "another_shown",
    }


def test_after_the_last_round_nothing_is_left_to_stop() -> None:
    watch, _ = watched(lora=0.97)
    watch.saw("lora", 1)
    assert watch.look([output("lora", "tuned", 0.97, ROWS, 5)]) == []


def test_the_chance_to_win_is_said_in_the_sentence() -> None:
    watch, outputs = watched(lora=0.6)
    watch.labels_only = False
    (stop,) = watch.look(outputs)
    assert stop.why == "unlikely" and stop.chance is not None and stop.chance < 0.1
    assert f"untuned arm is {stop.chance:.0%}" in stopped(stop)


def test_arms_that_are_planned_and_not_measured_yet_count_in_the_correction() -> None:
    alone, outputs = watched(lora=0.92)
    crowd, _ = watched(lora=0.92)
    crowd.planned |= {f"arm{i}": [0, 1] for i in range(400)}
    assert [stop.why for stop in alone.look(outputs)] == ["shown"]
    assert [stop.why for stop in crowd.look(outputs)] != ["shown"]


@pytest.mark.parametrize(("metric", "made_up"), [("accuracy", True), ("log_loss", False), ("rouge_l", False)])
def test_the_best_answer_of_a_row_is_made_up_only_where_the_metric_looks_at_labels_alone(
    metric: str, made_up: bool
) -> None:
    job = Job(data=DataSpec(path=""), sequential=True)
    course: Any = SimpleNamespace(job=job, split=SimpleNamespace(folds=[0, 1]))
    found = rounds.watch(course, evidence_of, TRUTH, METRICS.get(metric))
    assert found is not None and found.labels_only == made_up


def test_a_round_whose_last_arm_was_stopped_before_still_ends_with_a_look(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    looks: list[int] = []

    def look(outputs: object) -> list[object]:
        looks.append(len(looks))
        return []

    watch: Any = SimpleNamespace(
        goes_on=lambda arm: arm != "full",
        saw=lambda arm, number: None,
        look=look,
    )
    units: Any = (SimpleNamespace(method="lora", fold=0),)
    items = [Item("fold", f"{arm} {n}", arm, units, n, (n,)) for n in range(3) for arm in ("lora", "full")]
    plan: Any = SimpleNamespace(stage=lambda name: SimpleNamespace(units=units))
    course: Any = SimpleNamespace(
        job=None,
        watch=watch,
        folder=SimpleNamespace(path=None),
        wanted=lambda item, later: True,
        search=lambda part, stage, job: plan,
        run=lambda stage, units: None,
    )
    for name, stub in (
        ("tuned_items", lambda *_: items),
        ("declare", lambda *_: None),
        ("Plan", lambda **_: plan),
        ("Stage", lambda **_: None),
        ("with_units", lambda *_: plan),
        ("arm_outputs", lambda *_: []),
        ("failed_arms", lambda *_: {}),
    ):
        monkeypatch.setattr(rounds, name, stub)
    rounds._tuned(plan, course, ())
    assert len(looks) == 3
