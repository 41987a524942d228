"""Fixtures every test may use: tiny models, a small table, and a workspace that is never the user's."""

import csv
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))

WORDS = {
    "refund": ["refund", "money back", "reimburse", "return my payment"],
    "delivery": ["late", "parcel", "courier", "shipping"],
    "account": ["password", "login", "profile", "email address"],
}
FILLER = ["please", "today", "I", "need", "help", "with", "my", "the", "order", "again", "you", "thanks"]


def toy_rows(count: int = 60, seed: int = 0) -> list[dict[str, str]]:
    """Rows of three easy labels: a keyword among filler words, no two texts alike."""
    rng = np.random.default_rng(seed)
    rows = []
    for i in range(count):
        label = list(WORDS)[i % 3]
        words = [*rng.choice(FILLER, size=5), str(rng.choice(WORDS[label])), f"n{i}"]
        rng.shuffle(words)
        rows.append({"text": " ".join(words), "label": label})
    return rows


def write_csv(path: Path, rows: list[dict[str, str]]) -> Path:
    """A CSV with the rows' keys as header."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


@pytest.fixture(autouse=True)
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Every test works in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TUNEWORTHY_WORKSPACE", raising=False)
    yield tmp_path


@pytest.fixture(scope="session")
def decoder_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny random Llama."""
    from tiny_models import save_decoder

    return save_decoder(tmp_path_factory.mktemp("decoder"))


@pytest.fixture(scope="session")
def embedder_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny random BERT."""
    from tiny_models import save_embedder

    return save_embedder(tmp_path_factory.mktemp("embedder"))


@pytest.fixture
def toy_csv(tmp_path: Path) -> Path:
    """Sixty easy rows."""
    return write_csv(tmp_path / "toy.csv", toy_rows())


@pytest.fixture
def quick(decoder_folder: Path, embedder_folder: Path) -> dict[str, Any]:
    """Settings that make a whole run a matter of seconds."""
    return {
        "base_model": str(decoder_folder),
        "embedding_model": str(embedder_folder),
        "protocol": "holdout",
        "workers": 1,
        "threads": 1,
        "resamples": 500,
        "few_shot": {"k": 3, "calibration_rows": 6},
        "knn_shot": {"k": 2, "calibration_rows": 6},
        "zero_shot": {"calibration_rows": 6},
        "lora": {"max_steps": 6, "learning_rate": 0.01},
    }
