"""From events to points of curves."""

import json
from pathlib import Path
from typing import Any

from tuneworthy.trackers import Point
from tuneworthy.trackers._events import EventFile, Points
from tuneworthy.trackers._facts import without_paths

TIME = "2026-11-29T07:00:00+00:00"


def event(kind: str, unit: str = "u1", title: str = "lora fold 1", **fields: Any) -> dict[str, Any]:
    return {"time": TIME, "event": kind, "unit": unit, "title": title, **fields}


def step(number: int, unit: str = "u1", **fields: Any) -> dict[str, Any]:
    return event("unit_progress", unit, done=number, total=9, step=number, loss=1.0 / number, **fields)


def output(run: Path, unit: str, **facts: Any) -> None:
    (run / "units" / unit).mkdir(parents=True)
    (run / "units" / unit / "metrics.json").write_text(json.dumps({"cost": {}, "facts": facts}))


def steps(points: list[Point], name: str) -> list[int]:
    return [point.step for point in points if name in point.named]


def test_training_steps_come_from_events_and_scores_from_the_output(tmp_path: Path) -> None:
    train = [{"step": n, "loss": 1 / n} for n in (1, 2, 3)]
    output(tmp_path, "u1", metric="accuracy", train=train, validation=[{"step": 2, "score": 0.5}])
    points = Points(tmp_path)
    live = points.of(step(1)) + points.of(step(2))
    assert steps(live, "lora/fold-1/loss") == [1, 2]
    ended = points.of(event("unit_finished"))
    assert steps(ended, "lora/fold-1/loss") == [3]  # the one that no event told
    assert ended[-1].named == {"lora/fold-1/validation_accuracy": 0.5}
    assert points.of(event("unit_reused", source="this run")) == []  # a resumed run says it again


def test_a_fit_taken_over_from_another_run_has_its_curve(tmp_path: Path) -> None:
    output(tmp_path, "u1", train=[{"step": 1, "loss": 2.0}], validation=[])
    points = Points(tmp_path).of(event("unit_reused", source="another run"))
    assert steps(points, "lora/fold-1/loss") == [1]


def test_fits_of_one_title_are_told_apart_and_values_that_are_no_numbers_left_out(tmp_path: Path) -> None:
    points = Points(tmp_path)
    named = [points.of(step(1, unit))[0].unit for unit in ("u1", "u2", "u1", "u3")]
    assert named == ["lora/fold-1", "lora/fold-1/fit-2", "lora/fold-1", "lora/fold-1/fit-3"]
    assert points.of(step(2, gradient_norm=float("nan"), text="a row"))[0].values == {"loss": 0.5}
    assert points.of(event("unit_started")) == points.of(event("note", text="x")) == []


def test_a_line_that_is_being_written_is_read_when_it_is_whole(tmp_path: Path) -> None:
    events = EventFile(tmp_path)
    assert list(events.new()) == []
    (tmp_path / "events.jsonl").write_text('{"event": "a"}\n{"ev')
    assert [one["event"] for one in events.new()] == ["a"]
    (tmp_path / "events.jsonl").write_text('{"event": "a"}\n{"event": "b"}\n')
    assert [one["event"] for one in events.new()] == ["b"]
    assert list(events.new()) == []


def test_no_path_of_this_machine_is_told() -> None:
    tree = {
        "data": {"path": "../../home/ada/toy.csv"},
        "base_model": "C:\\models\\tiny",
        "metric": "/home/ada/own.py:profit",
        "adapt": {"text": ["/home/ada/a.txt"]},
        "embedding_model": "BAAI/bge-small-en-v1.5",
        "prompt_model": "openai:llama3@http://localhost:11434/v1",
    }
    assert without_paths(tree) == {
        "data": {"path": "toy.csv"},
        "base_model": "tiny",
        "metric": "own.py:profit",
        "adapt": {"text": ["a.txt"]},
        "embedding_model": "BAAI/bge-small-en-v1.5",
        "prompt_model": "openai:llama3@http://localhost:11434/v1",
    }
