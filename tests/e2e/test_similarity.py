"""Embedding similarity: reported beside the metrics of prose, deciding nothing, embedded once."""

import json
from pathlib import Path
from typing import Any

import pytest

import tuneworthy as tw
from toy import toy_rows, write_csv
from tuneworthy.runfolder.folder import RunFolder
from tuneworthy.similarity import embedded_cosines

ARMS = ["majority", "nearest"]


@pytest.fixture
def table(tmp_path: Path) -> Path:
    rows = [
        {"text": row["text"], "answer": f"it is about {row['label']} {row['text'][:9]}"}
        for row in toy_rows(60)
    ]
    return write_csv(tmp_path / "t.csv", rows)


def run(table: Path, quick: dict[str, Any], arms: list[str], **settings: Any) -> tw.Run:
    return tw.run(
        table,
        target="answer",
        input="text",
        output=table.parent / "run",
        **{**quick, "task": "text-generation", "arms": arms, **settings},
    )


def similarities(done: tw.Run) -> dict[str, Any]:
    return {e.method: e for e in done.estimates if e.metric == "embedding_similarity"}


def test_every_arm_has_an_estimate_with_an_interval_and_the_metric_still_decides(
    table: Path, quick: dict[str, Any]
) -> None:
    done = run(table, quick, ARMS)
    found = similarities(done)
    assert set(found) == set(ARMS)
    for estimate in found.values():
        assert -1 <= estimate.low < estimate.value < estimate.high <= 1
    evidence = json.loads((done.path / "evidence.json").read_text())
    assert evidence["metric"] == "chrf"
    assert "similarity" not in json.dumps(evidence)
    assert "Embedding similarity</th>" in done.report.read_text(encoding="utf-8")


def test_what_was_embedded_is_read_again_as_long_as_model_and_answers_are_the_same(
    table: Path, quick: dict[str, Any]
) -> None:
    folder = RunFolder(run(table, quick, ["majority"]).path)
    kept = folder.read("similarity.json")
    kept["majority"]["cosines"] = dict.fromkeys(
        kept["majority"]["cosines"], 0.125
    )  # seen again if read again
    folder.write("similarity.json", kept)
    found = similarities(run(table, quick, ["majority"]))
    assert found["majority"].value == 0.125
    kept["majority"]["address"] = "of other answers"
    folder.write("similarity.json", kept)
    assert similarities(run(table, quick, ["majority"]))["majority"].value != 0.125


def test_without_the_model_nothing_is_fetched_and_a_note_says_so(
    table: Path, quick: dict[str, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TUNEWORTHY_CACHE", str(tmp_path / "cache"))
    done = run(table, quick, ARMS, embedding_model="minilm")
    assert similarities(done) == {}
    assert "Embedding similarity is not reported: minilm is not on this machine" in (
        (done.path / "events.jsonl").read_text(encoding="utf-8")
    )


def test_the_nearest_of_several_references_counts_and_no_answer_is_nought(embedder_folder: Path) -> None:
    found = embedded_cosines(
        {
            "second": ("the money", json.dumps(["a dog near the river", "the money"])),
            "none": (None, "the money"),
            "other": ("late delivery of the item", "a dog near the river"),
        },
        embedder_folder,
    )
    assert found["second"] == pytest.approx(1.0, abs=1e-5)
    assert found["none"] == 0.0
    assert found["other"] < 0.999
