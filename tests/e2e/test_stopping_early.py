"""A run that measures its fine-tune fold after fold and stops when the answer can hardly change."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import tuneworthy as tw
from toy import toy_rows, write_csv

Both = tuple[tw.Run, tw.Run, list[dict[str, Any]]]


@pytest.fixture(scope="module")
def both(
    tmp_path_factory: pytest.TempPathFactory, decoder_folder: Path, embedder_folder: Path
) -> Iterator[Both]:
    """A tiny random model against tfidf, which has every row right; and the same command again."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("sequential"))
        table = write_csv(Path("rows.csv"), toy_rows(64))
        settings: dict[str, Any] = {
            "base_model": str(decoder_folder),
            "embedding_model": str(embedder_folder),
            "protocol": "crossfit",
            "folds": 4,
            "workers": 1,
            "threads": 1,
            "resamples": 200,
            "arms": ["majority", "tfidf", "lora"],
            "lora": {"epochs": 1.0, "batch": 4},
            "curve": {"arms": ["lora"]},
            "sequential": True,
        }
        first = tw.run(table, **settings)
        events: list[dict[str, Any]] = []
        again = tw.run(table, listener=events.append, **settings)
        yield tw.open_run(first.path.resolve()), tw.open_run(again.path.resolve()), events


def read(run: tw.Run, name: str) -> Any:
    return json.loads((run.path / name).read_text(encoding="utf-8"))


def test_an_arm_that_cannot_win_any_more_is_not_measured_further(both: Both) -> None:
    (stop,) = read(both[0], "evidence.json")["stops"]
    assert stop["method"] == "lora" and stop["rows"] < stop["planned"] == 64
    units = [json.loads(path.read_text()) for path in (both[0].path / "units").glob("*/unit.json")]
    folds = {unit["fold"] for unit in units if unit["method"] == "lora" and unit["purpose"] == "evaluate"}
    assert len(folds) * 16 == stop["rows"]


def test_the_verdict_and_the_report_say_so(both: Both) -> None:
    told = " ".join(both[0].verdict.reasons)
    assert "lora was stopped after" in told and "of the error rate of 5.0% was spent" in told
    assert both[0].verdict.recommended_method == "tfidf"
    assert "lora was stopped after" in both[0].report.read_text(encoding="utf-8")


def test_the_rule_and_its_looks_are_written_down_before_the_first_of_them(both: Both) -> None:
    declared = read(both[0], "sequential.json")
    assert declared["planned"] == {"lora": [0, 1, 2, 3]}
    assert declared["alpha"] == 0.05 and "Lan-DeMets" in declared["rule"]


def test_p_values_of_the_stopped_arm_hold_over_all_looks(both: Both) -> None:
    found = {(one.method, one.metric): one.test for one in both[0].comparisons}
    assert found["lora", "accuracy"] == "sequential_mcnemar_exact"
    assert found["lora", "macro_f1"] == "sequential_permutation"
    assert found["tfidf", "accuracy"] == "mcnemar_exact"


def test_an_arm_that_was_stopped_has_no_learning_curve(both: Both) -> None:
    assert read(both[0], "evidence.json")["curves"] == []


def test_a_run_again_stops_at_the_same_place_and_redoes_no_unit(both: Both) -> None:
    assert both[1].path == both[0].path
    assert not [event for event in both[2] if event["event"] == "unit_started"]
    assert both[1].verdict == both[0].verdict
