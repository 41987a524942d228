"""SetFit: what its regression runs with."""

from pathlib import Path
from typing import Any

import pytest

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
