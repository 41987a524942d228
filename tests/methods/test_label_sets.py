"""Sets of labels: which thresholds are chosen, on what, and that every head goes by them."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import tuneworthy as tw
from toy import toy_rows
from tuneworthy.core.errors import JobError
from tuneworthy.core.example import Example
from tuneworthy.engine.reader import Reader, ReadRow, padded
from tuneworthy.methods import METHODS, Setting
from tuneworthy.methods import _label_sets as sets
from tuneworthy.metrics import METRICS
from tuneworthy.models.contrastive import _coded
from tuneworthy.models.headed import load_headed
from tuneworthy.tasks import TASKS

LABELS = ("common", "rare")


def setting(embedder: Path | None = None, metric: str = "set_micro_f1") -> Setting:
    return Setting(
        task=TASKS.get("multi-label"),
        labels=LABELS,
        instruction="",
        metric=METRICS.get(metric),
        seed=0,
        dtype="float32",
        models={} if embedder is None else {"embedder": embedder},
        checkpoint=None,
        report=lambda done, total, facts: None,
    )


def rows_with(flags: np.ndarray[Any, Any]) -> list[Example]:
    return [
        Example(
            id=str(i),
            input=f"row {i} {'late parcel' if own[0] else 'thanks'}",
            target=json.dumps([label for label, flag in zip(LABELS, own, strict=True) if flag]),
        )
        for i, own in enumerate(flags)
    ]


def miscalibrated(rare_rows: int) -> tuple[list[Example], sets.Table]:
    """Forty rows: 'common' is right from 0.5 on, 'rare' from 0.1 on, and false below each."""
    truth = np.zeros((40, 2), dtype=bool)
    truth[:20, 0] = True
    truth[20 - rare_rows // 2 : 20 - rare_rows // 2 + rare_rows, 1] = True
    table = np.where(truth, [0.55, 0.12], [0.45, 0.02])
    return rows_with(truth), table


def test_a_label_with_rows_enough_gets_the_threshold_that_parts_it() -> None:
    rows, table = miscalibrated(rare_rows=sets.FEWEST_ROWS)
    chosen = sets.choose_thresholds(setting(), rows, table)
    assert (table >= chosen).tolist() == sets.truth_of(rows, LABELS).tolist()


def test_a_rare_label_keeps_the_threshold_that_all_share() -> None:
    rows, table = miscalibrated(rare_rows=sets.FEWEST_ROWS - 1)
    shared, _ = sets.shared_threshold(setting(), rows, table)
    common, rare = sets.choose_thresholds(setting(), rows, table)
    assert rare == shared
    assert 0.45 < common <= 0.55


def test_the_middle_of_equally_good_thresholds_is_taken() -> None:
    truth = np.array([[True, True]] * 12 + [[False, False]] * 12)
    table = np.where(truth, 0.65, 0.1)
    shared, score = sets.shared_threshold(setting(), rows_with(truth), table)
    assert (shared, score) == (0.4, 1.0)


def test_the_jobs_metric_decides_what_a_good_threshold_is() -> None:
    def exact(threshold: float) -> float:
        given = sets.answers(rows, table >= threshold, LABELS)
        metric = METRICS.get("exact_set")
        return float(metric.value(metric.parts(given, [str(r.target) for r in rows], LABELS).sum(0)))

    generator = np.random.default_rng(0)
    truth = generator.random((60, 2)) < 0.3
    rows, table = rows_with(truth), generator.random((60, 2)) * 0.6 + truth * 0.2
    _, score = sets.shared_threshold(setting(metric="exact_set"), rows, table)
    assert score == pytest.approx(max(exact(threshold) for threshold in sets.GRID))


def test_thresholds_that_leave_out_a_label_are_refused() -> None:
    with pytest.raises(JobError, match="no number for the label 'rare'"):
        sets.asked_thresholds({"common": 0.3}, LABELS)


def test_the_refit_takes_each_labels_median_threshold() -> None:
    facts = [
        {"C": 1.0, "class_weight": None, "threshold": dict(zip(LABELS, pair, strict=True))}
        for pair in ((0.2, 0.6), (0.3, 0.1), (0.1, 0.5))
    ]
    for name in ("tfidf_one_vs_rest", "setfit"):
        method: Any = METHODS.get(name)
        frozen = method.freeze(method.Parameters(), facts, [30], 40)
        assert frozen.threshold == {"common": 0.2, "rare": 0.5}


def test_the_head_of_sets_learns_by_binary_cross_entropy(embedder_folder: Path) -> None:
    encoder = load_headed(embedder_folder, "labels", 2)
    rows = [ReadRow("a", (1, 5, 6), (1, 0)), ReadRow("b", (1, 7), (1, 1))]
    p = torch.sigmoid(encoder.model(**padded(encoder, rows)).logits)
    by_hand = -(p[0, 0].log() + (1 - p[0, 1]).log() + p[1, 0].log() + p[1, 1].log())
    reader = Reader(encoder, "labels", "encoder")
    assert float(reader.loss(rows).detach()) == pytest.approx(float(by_hand.detach()), rel=1e-5)
    assert reader.supervised(rows) == 4


def test_transformers_own_pipeline_is_told_that_labels_are_sets(
    embedder_folder: Path, tmp_path: Path
) -> None:
    rows = rows_with(np.arange(24).reshape(12, 2) % 3 == 0)
    method: Any = METHODS.get("encoder")
    method.fit(setting(embedder_folder), method.Parameters(steps=1), rows, []).save(tmp_path)
    config = json.loads((tmp_path / "encoder" / "config.json").read_text(encoding="utf-8"))
    assert config["problem_type"] == "multi_label_classification"
    assert config["id2label"] == {"0": "common", "1": "rare"}


def test_a_label_that_every_row_has_makes_no_pair_alike() -> None:
    assert _coded([["all", "a"], ["all", "a"], ["all"]], single=False) == [[1], [1], [0]]


def test_rows_that_no_label_parts_are_no_job_for_setfit() -> None:
    with pytest.raises(JobError, match="leave the arm out"):
        _coded([["a", "b"], ["b", "c"], ["a", "c"]], single=False)


def test_sets_of_labels_are_learned_by_every_rung_and_predicted_after_the_refit(
    quick: dict[str, Any],
) -> None:
    rows = [
        {"text": row["text"], "topics": "; ".join([row["label"]] + ["polite"] * ("please" in row["text"]))}
        for row in toy_rows(60)
    ]
    arms = ["majority", "tfidf_one_vs_rest", "probe_one_vs_rest", "encoder"]
    run = tw.run(rows, input="text", target="topics", task="multi-label", arms=arms, **quick)
    scores = {e.method: e.value for e in run.estimates if e.metric == "set_micro_f1" and e.label is None}
    assert scores["tfidf_one_vs_rest"] > scores["majority"]
    assert run.verdict.recommended_method == "tfidf_one_vs_rest"
    assert run.predict(["please send my money back, refund"])[0].value == "polite; refund"
