"""Exports of arms whose answers are texts, entities, label sets or numbers answer as their fits."""

import json
from pathlib import Path
from typing import Any

import pytest

import tuneworthy as tw
from toy import toy_rows
from tuneworthy.exporting import Wanted, export_run

ROWS = toy_rows(54)
TABLES: dict[str, list[dict[str, str]]] = {
    "question-answering": [
        {"text": f"what is it about?\n{row['text']}. More of it.", "answer": row["text"].split()[0]}
        for row in ROWS
    ],
    "token-classification": [
        {"text": row["text"], "answer": json.dumps([{"type": "topic", "text": row["text"].split()[0]}])}
        for row in ROWS
    ],
    "multi-label": [
        {"text": row["text"], "answer": f"{row['label']}; {'long' if len(row['text']) > 30 else 'short'}"}
        for row in ROWS
    ],
    "structured-extraction": [
        {"text": row["text"], "answer": json.dumps({"topic": row["label"], "n": 1})} for row in ROWS
    ],
    "regression": [{"text": row["text"], "answer": str(len(row["text"]))} for row in ROWS],
}
CASES = [
    ("question-answering", {"majority": (), "span": ("encoder",), "lora": ("merged",)}),
    ("token-classification", {"majority": (), "tagger": ("encoder",)}),
    ("multi-label", {"tfidf_one_vs_rest": ("sklearn",), "encoder": ("encoder",)}),
    ("structured-extraction", {"majority": (), "lora": ("adapter",)}),
    ("regression", {"tfidf_ridge": ("sklearn",), "probe_ridge": ("sklearn",)}),
]


@pytest.mark.slow
@pytest.mark.parametrize(("task", "arms"), CASES, ids=[task for task, _ in CASES])
def test_the_export_answers_as_the_fit(
    quick: dict[str, Any], tmp_path: Path, task: str, arms: dict[str, tuple[str, ...]]
) -> None:
    run = tw.run(
        TABLES[task],
        target="answer",
        input="text",
        output=tmp_path / "run",
        **{**quick, "task": task, "arms": list(arms), "seeds": 1},
    )
    for arm, forms in arms.items():
        for exported in export_run(run.path, Wanted(forms, arm, tmp_path / arm, 8)) if forms else ():
            assert exported.parity.passed
            assert exported.parity.same == 8
            assert exported.parity.nats is None or exported.parity.nats < 0.1
