"""Candidates as users bring them: damaged ones, folders anywhere, models that the catalogue does not have."""

from pathlib import Path

import pytest
import torch
from rich.text import Text
from transformers import AutoModel

import tuneworthy as tw
from tiny_models import save_embedder
from toy import toy_rows, write_csv
from tuneworthy.core.errors import JobError
from tuneworthy.models.machines import machine_with
from tuneworthy.models.resolve import resolve
from tuneworthy.models.wanted import Wanted
from tuneworthy.ranking import bring
from tuneworthy.reports.ranking import ranking_table


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """Sixty easy rows."""
    return write_csv(tmp_path / "toy.csv", toy_rows(60))


def test_a_damaged_candidate_is_left_out_and_the_others_are_ranked(
    table: Path, tmp_path: Path, embedder_folder: Path
) -> None:
    numberless, broken = (save_embedder(tmp_path / name) for name in ("numberless", "broken"))
    model = AutoModel.from_pretrained(numberless)
    with torch.no_grad():
        model.embeddings.word_embeddings.weight.fill_(torch.nan)
    model.save_pretrained(numberless)
    (broken / "config.json").write_text("{")
    names = [str(folder) for folder in (numberless, broken, embedder_folder)]
    ranking = tw.rank_models(table, candidates=names)
    assert [model.name for model in ranking.models] == [embedder_folder.name]
    assert "no finite numbers" in ranking.left_out["numberless"]
    assert "no JSON object" in ranking.left_out[str(broken)]


def test_the_command_to_type_next_names_a_model_that_is_found(
    table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = save_embedder(tmp_path / "elsewhere" / "mine")
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    ranking = tw.rank_models(table, candidates=["../elsewhere/mine"])
    notes = [str(part) for part in ranking_table(ranking, "run").renderables if isinstance(part, Text)]
    [name] = [note.partition("embedding_model=")[2].split()[0] for note in notes if note.startswith("Next:")]
    assert ranking.best.name == "mine" and resolve(name).samefile(folder)


def test_what_is_not_known_of_a_model_outside_the_catalogue_is_said(
    table: Path, embedder_folder: Path
) -> None:
    [plain] = tw.rank_models(table, candidates=[str(embedder_folder)]).models
    [asked] = tw.rank_models(
        table, candidates=[str(embedder_folder)], commercial=True, language="de", domain="legal"
    ).models
    assert "nothing is known" not in plain.reason
    assert "nothing is known here of its licence, domain and languages" in asked.reason


def test_a_model_outside_the_catalogue_that_the_machine_cannot_fine_tune_is_left_out(
    embedder_folder: Path,
) -> None:
    def brought(memory: str) -> int:
        found, _ = bring([str(embedder_folder)], Wanted(machine=machine_with(memory)), lambda _: None)
        return len(found)

    assert brought("16GiB") == 1
    with pytest.raises(JobError, match="no candidate meets the conditions"):
        brought("100MiB")
