"""Fixtures every test may use: tiny models, a small table, and a workspace that is never the user's."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import tuneworthy as tw
from quick import quick_settings
from tiny_models import save_decoder, save_embedder
from toy import toy_rows, write_csv
from tracked_run import record_run


@pytest.fixture(autouse=True)
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Every test works in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TUNEWORTHY_WORKSPACE", raising=False)
    yield tmp_path


@pytest.fixture(scope="session")
def decoder_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny random Llama."""
    return save_decoder(tmp_path_factory.mktemp("decoder"))


@pytest.fixture(scope="session")
def embedder_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny random BERT."""
    return save_embedder(tmp_path_factory.mktemp("embedder"))


@pytest.fixture(scope="session")
def finished_run(
    decoder_folder: Path, embedder_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A whole run of sixty easy rows whose arms can be exported; tfidf is recommended."""
    run = tw.run(
        toy_rows(),
        target="label",
        output=tmp_path_factory.mktemp("runs") / "finished",
        base_model=str(decoder_folder),
        embedding_model=str(embedder_folder),
        protocol="holdout",
        workers=1,
        threads=1,
        seeds=1,
        resamples=200,
        arms=["majority", "tfidf", "probe", "encoder", "lora"],
        lora={"max_steps": 12, "learning_rate": 0.01},
        encoder={"max_steps": 8},
        curve={"arms": []},
        forgetting=False,
    )
    return run.path


@pytest.fixture(scope="session")
def lettered_run(tmp_path_factory: pytest.TempPathFactory, decoder_folder: Path) -> Path:
    """A run whose lora answers by the letter of an option."""
    run = tw.run(
        toy_rows(),
        target="label",
        output=tmp_path_factory.mktemp("runs") / "lettered",
        arms=["majority", "lora"],
        base_model=str(decoder_folder),
        protocol="crossfit",
        folds=2,
        workers=1,
        threads=1,
        resamples=200,
        train_anyway=True,
        lora={"max_steps": 12, "learning_rate": 0.02, "answer_format": "option"},
        curve={"arms": []},
        forgetting=False,
    )
    return run.path


@pytest.fixture
def toy_csv(tmp_path: Path) -> Path:
    """Sixty easy rows."""
    return write_csv(tmp_path / "toy.csv", toy_rows())


@pytest.fixture(scope="session")
def recorded(tmp_path_factory: pytest.TempPathFactory, decoder_folder: Path, embedder_folder: Path) -> Path:
    """A finished run, to be read only."""
    folder = tmp_path_factory.mktemp("recorded")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TUNEWORTHY_WORKSPACE", str(folder / "runs"))
        return record_run(folder, quick_settings(decoder_folder, embedder_folder))


@pytest.fixture
def quick(decoder_folder: Path, embedder_folder: Path) -> dict[str, Any]:
    """Settings that make a whole run a matter of seconds."""
    return quick_settings(decoder_folder, embedder_folder)
