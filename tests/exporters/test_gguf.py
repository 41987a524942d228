"""GGUF and Ollama, with the embedded model: real conversion, real llama.cpp."""

from pathlib import Path

import pytest

import tuneworthy as tw
from toy import toy_rows
from tuneworthy.core.errors import MissingExtraError
from tuneworthy.exporters import EXPORTERS, Subject
from tuneworthy.exporting import Wanted, export_run
from tuneworthy.refitting import final_fit

ROWS = 12


@pytest.mark.embedded_model
def test_gguf_and_ollama_answer_as_the_fit(tmp_path: Path) -> None:
    run = tw.run(
        toy_rows(54),
        target="label",
        output=tmp_path / "run",
        arms=["tfidf", "lora"],
        protocol="holdout",
        lora={"max_steps": 6},
        train_anyway=True,
        curve={"arms": []},
    )
    for exported in export_run(run.path, Wanted(("gguf:f16", "gguf:q8_0", "ollama"), "lora", None, ROWS)):
        assert exported.parity.passed
        assert exported.parity.same >= ROWS - 1


def test_four_bits_without_their_tool_say_so_before_any_work(
    finished_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    subject = Subject(final_fit(finished_run, "lora"), "q4_k_m")
    with pytest.raises(MissingExtraError, match="llama-quantize"):
        EXPORTERS.get("gguf").write(subject, tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_tool_that_is_missing_is_said_before_an_arm_is_fitted(
    finished_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    said: list[str] = []
    with pytest.raises(MissingExtraError, match="llama-quantize"):
        export_run(finished_run, Wanted(("gguf:q4_k_m",), "lora", tmp_path), said.append)
    assert said == []
