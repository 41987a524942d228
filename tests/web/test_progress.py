"""How far a run is, read from its events."""

from datetime import UTC, datetime, timedelta
from typing import Any

from tuneworthy.web.progress import progress_of

START = datetime(2026, 1, 1, tzinfo=UTC)


def _events(*told: tuple[float, str, dict[str, Any]]) -> list[dict[str, Any]]:
    return [
        {"time": (START + timedelta(seconds=at)).isoformat(), "event": name, **fields}
        for at, name, fields in told
    ]


def _unit(at: float, name: str, title: str, **fields: Any) -> tuple[float, str, dict[str, Any]]:
    return at, f"unit_{name}", {"unit": title, "title": title, **fields}


PLAN = (0, "planned", {"stages": {"untuned": ["tfidf fold 1", "tfidf fold 2"], "tuned": ["lora fold 1"]}})
BEGUN = (0, "run_started", {"run": "runs/x"})


def test_units_of_the_same_arm_say_how_long_the_rest_takes() -> None:
    events = _events(
        BEGUN, PLAN, _unit(0, "started", "tfidf fold 1"), _unit(10, "finished", "tfidf fold 1"),
        _unit(10, "started", "tfidf fold 2"),
    )  # fmt: skip
    progress = progress_of(events, START + timedelta(seconds=14))
    assert (progress.done, progress.total) == (1, 3)
    assert progress.left_s == 6.0
    assert progress.left_is_least  # nobody knows yet how long lora takes
    assert [(arm.title, arm.done, arm.total, arm.running) for arm in progress.arms] == [
        ("tfidf", 1, 2, 1),
        ("lora", 0, 1, 0),
    ]


def test_steps_of_a_fit_say_how_long_it_takes() -> None:
    events = _events(
        BEGUN, PLAN, _unit(0, "reused", "tfidf fold 1"), _unit(0, "reused", "tfidf fold 2"),
        _unit(0, "started", "lora fold 1"),
        _unit(5, "progress", "lora fold 1", done=5, total=20, loss=1.5),
        _unit(6, "progress", "lora fold 1", done=5, total=20, validation=0.7, log_loss=0.4),
    )  # fmt: skip
    progress = progress_of(events, START + timedelta(seconds=6))
    assert progress.left_s == 18.0
    assert not progress.left_is_least
    assert (progress.now[0].done, progress.now[0].total) == (5, 20)
    assert progress.curves["lora fold 1"] == {
        "train": [{"step": 5, "loss": 1.5}],
        "validation": [{"step": 5, "score": 0.7}],
    }


def test_a_run_that_is_started_again_counts_anew_and_keeps_its_curve() -> None:
    events = _events(
        BEGUN, PLAN, _unit(0, "started", "lora fold 1"),
        _unit(1, "progress", "lora fold 1", done=1, total=4, loss=2.0),
        (9, "run_started", {"run": "runs/x"}), PLAN, _unit(9, "reused", "tfidf fold 1"),
        _unit(9, "started", "lora fold 1"), _unit(10, "progress", "lora fold 1", done=2, total=4, loss=1.0),
    )  # fmt: skip
    progress = progress_of(events, START + timedelta(seconds=10))
    assert progress.done == 1
    assert [point["loss"] for point in progress.curves["lora fold 1"]["train"]] == [2.0, 1.0]


def test_units_that_no_plan_announced_are_counted() -> None:
    events = _events(
        BEGUN, PLAN, _unit(0, "reused", "tfidf fold 1"),
        (1, "stage_started", {"stage": "refit", "units": ["tfidf (final)"]}),
        _unit(1, "started", "tfidf (final)"), _unit(2, "finished", "tfidf (final)"),
        (3, "run_finished", {"decision": "classifier", "recommended_method": "tfidf"}),
    )  # fmt: skip
    progress = progress_of(events, START + timedelta(seconds=3))
    assert (progress.done, progress.total, progress.decision) == (2, 4, "classifier")
    assert progress.now == ()
    assert progress.left_s is None
