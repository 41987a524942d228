"""SetFit: what its regression runs with."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from toy import toy_rows
from tuneworthy.core.example import Example
from tuneworthy.methods import METHODS, Setting
from tuneworthy.metrics import METRICS
from tuneworthy.models.contrastive import has_setfit
from tuneworthy.tasks import TASKS

pytestmark = pytest.mark.skipif(not has_setfit(), reason="setfit is not installed")


@pytest.fixture
def rows() -> list[Example]:
    return [Example(id=str(i), input=row["text"], target=row["label"]) for i, row in enumerate(toy_rows(40))]


@pytest.fixture
def setting(embedder_folder: Path, rows: list[Example]) -> Setting:
    return Setting(
        task=TASKS.get("text-classification"),
        labels=tuple(sorted({str(row.target) for row in rows})),
        instruction="",
        metric=METRICS.get("accuracy"),
        seed=0,
        dtype="float32",
        models={"embedder": embedder_folder},
        checkpoint=None,
        report=lambda done, total, facts: None,
    )


def test_the_penalty_is_chosen_where_no_row_has_been_seen_as_probe_chooses_it(
    setting: Setting, rows: list[Example]
) -> None:
    setfit: Any = METHODS.get("setfit")
    probe: Any = METHODS.get("probe")
    found = setfit.fit(setting, setfit.Parameters(pairs_per_row=1, learning_rate=1e-3), rows, []).facts
    wanted = probe.fit(setting, probe.Parameters(), rows, []).facts
    assert (found["C"], found["class_weight"]) == (wanted["C"], wanted["class_weight"])


def test_the_job_names_the_penalty(setting: Setting, rows: list[Example]) -> None:
    setfit: Any = METHODS.get("setfit")
    assert setfit.fit(setting, setfit.Parameters(pairs_per_row=1, C=7.0), rows, []).facts["C"] == 7.0


def test_in_16_bits_it_learns_as_in_float32_and_keeps_float32_weights(
    setting: Setting, rows: list[Example], tmp_path: Path
) -> None:
    """Each pass sees the weights as the last update left them: an autocast around them all would not."""
    folder = Path(shutil.copytree(setting.models["embedder"], tmp_path / "undropped"))
    config = json.loads((folder / "config.json").read_text())
    config |= {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    (folder / "config.json").write_text(json.dumps(config))
    setfit: Any = METHODS.get("setfit")
    given = setfit.Parameters(pairs_per_row=3, C=7.0, learning_rate=1e-3)
    before = load_file(folder / "model.safetensors")
    moved = []
    for dtype in ("float32", "bfloat16"):
        own = replace(setting, dtype=dtype, models={"embedder": folder})
        fitted = setfit.fit(own, given, rows, [])
        after = load_file(fitted.encoder / "model.safetensors")
        assert {one.dtype for one in after.values()} == {torch.float32}
        moved.append(torch.cat([(after[key] - before[key]).flatten() for key in sorted(after)]))
    assert not torch.equal(moved[0], moved[1])
    assert (moved[0] - moved[1]).norm() < 0.05 * moved[0].norm()  # 0.29 with weights that were cast once
