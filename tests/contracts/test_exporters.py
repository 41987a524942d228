"""Every file in `exporters/` keeps the contract: the exported model answers as the fitted one."""

from pathlib import Path

import pytest

from tuneworthy.core.errors import JobError
from tuneworthy.exporters import EXPORTERS, Subject
from tuneworthy.exporting import CARD, PASSPORT, Wanted, export_run
from tuneworthy.refitting import final_fit

ARM = {"sklearn": "tfidf", "encoder": "encoder"}  # of the other exporters, lora
BY_LLAMA_CPP = ("gguf", "ollama")  # their converter knows no tiny tokenizer: tests/exporters/test_gguf.py
BY_LETTER = ("decision",)  # they need a fit that answers by the letter of an option
ROWS = 16


@pytest.mark.parametrize("name", [name for name in EXPORTERS.names() if name not in BY_LLAMA_CPP])
def test_the_exported_model_answers_as_the_fit(
    finished_run: Path, lettered_run: Path, tmp_path: Path, name: str
) -> None:
    run = lettered_run if name in BY_LETTER else finished_run
    [exported] = export_run(run, Wanted((name,), ARM.get(name, "lora"), tmp_path, ROWS))
    assert exported.parity.passed
    assert exported.parity.same == ROWS
    assert (exported.folder / CARD).exists()
    assert (exported.folder / PASSPORT).exists()
    assert not [path for path in exported.folder.rglob("*") if path.suffix in (".pkl", ".bin", ".pt")]


@pytest.mark.parametrize("name", EXPORTERS.names())
def test_an_arm_without_such_a_model_is_refused_in_a_sentence(finished_run: Path, name: str) -> None:
    refit = final_fit(finished_run, "majority")
    assert EXPORTERS.get(name).unsuited(Subject(refit))
    with pytest.raises(JobError, match=f"majority cannot be exported to {name}: .*export an arm among"):
        export_run(finished_run, Wanted((name,), "majority"))


@pytest.mark.parametrize("name", EXPORTERS.names())
def test_a_plugin_has_the_name_of_its_file(name: str) -> None:
    assert EXPORTERS.get(name).name == name
    assert EXPORTERS.get(name).title
