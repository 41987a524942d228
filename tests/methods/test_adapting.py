"""A base model that reads on: what is trained, what is kept, and what the new folder is good for."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModel, AutoTokenizer

import tuneworthy as tw
from tiny_models import save_masked
from toy import FILLER, toy_rows, write_csv
from tuneworthy.core.errors import DataError, JobError
from tuneworthy.engine.masking import with_gaps
from tuneworthy.engine.reader import IGNORED, ReadRow
from tuneworthy.methods._adapting import ReadingParameters, parted, read_on
from tuneworthy.models.decoder import load_decoder
from tuneworthy.models.headed import load_headed
from tuneworthy.models.likelihood import decoder_bits_per_byte, encoder_bits_per_byte

DOCUMENTS = [" ".join(np.random.default_rng(i).choice(FILLER, size=12)) + f" n{i}" for i in range(60)]
QUICK = ReadingParameters(max_steps=8, batch=4, learning_rate=0.01)


@pytest.fixture
def headless(tmp_path: Path) -> Path:
    """A sentence encoder: a BERT with a pooler, and no head for gaps."""
    whole = save_masked(tmp_path / "whole")
    folder = tmp_path / "headless"
    with torch.random.fork_rng():
        torch.manual_seed(0)
        AutoModel.from_pretrained(whole).save_pretrained(folder)
    AutoTokenizer.from_pretrained(whole).save_pretrained(folder)
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling" / "config.json").write_text('{"pooling_mode_cls_token": true}')
    return folder


def test_a_decoder_reads_texts_of_the_kind_better_afterwards_and_is_an_ordinary_folder(
    decoder_folder: Path, tmp_path: Path
) -> None:
    found = read_on(decoder_folder, DOCUMENTS, QUICK, 0, "float32")
    found.save(tmp_path)
    held = parted(DOCUMENTS, 0).held
    assert found.facts["before"] == pytest.approx(decoder_bits_per_byte(decoder_folder, held), abs=1e-3)
    assert found.facts["after"] == pytest.approx(decoder_bits_per_byte(tmp_path, held), abs=1e-3)
    assert found.facts["after"] < found.facts["before"]
    assert not load_decoder(tmp_path, "float32").adapted


def test_an_encoder_reads_texts_of_the_kind_better_afterwards(tmp_path: Path) -> None:
    base = save_masked(tmp_path / "base")
    new = tmp_path / "new"
    read_on(base, DOCUMENTS, QUICK, 0, "float32").save(new)
    before, after = (encoder_bits_per_byte(folder, DOCUMENTS) for folder in (base, new))
    assert before is not None and after is not None and after < before


def test_what_the_new_head_does_not_use_stays_with_the_encoder(headless: Path, tmp_path: Path) -> None:
    read_on(headless, DOCUMENTS, QUICK, 0, "float32").save(tmp_path / "new")
    old, new = (AutoModel.from_pretrained(folder) for folder in (headless, tmp_path / "new"))
    assert torch.equal(old.pooler.dense.weight, new.pooler.dense.weight)
    assert not torch.equal(old.embeddings.word_embeddings.weight, new.embeddings.word_embeddings.weight)
    assert (tmp_path / "new" / "1_Pooling" / "config.json").exists()


def test_a_new_head_is_measured_only_after_it_was_trained_alone(headless: Path) -> None:
    untrained = load_headed(headless, "masked").model.config.vocab_size
    found = read_on(headless, DOCUMENTS, QUICK, 0, "float32")
    assert found.facts["before"] < 0.95 * np.log(untrained)


@pytest.mark.parametrize("stop_at", [30, 104])
def test_a_reading_that_was_stopped_ends_in_the_same_bits(
    headless: Path, tmp_path: Path, stop_at: int
) -> None:
    told: list[int] = []

    def stop(step: int, steps: int, facts: dict[str, float]) -> None:
        told.append(step)
        if len(told) == stop_at:  # within the head's hundred steps, and after them
            raise KeyboardInterrupt

    place = tmp_path / "checkpoint"
    with pytest.raises(KeyboardInterrupt):
        read_on(headless, DOCUMENTS, QUICK, 0, "float32", place, stop)
    read_on(headless, DOCUMENTS, QUICK, 0, "float32", place, lambda *_: told.append(0)).save(tmp_path / "a")
    read_on(headless, DOCUMENTS, QUICK, 0, "float32").save(tmp_path / "b")
    one, other = (load_file(tmp_path / name / "model.safetensors") for name in "ab")
    assert one.keys() == other.keys()
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert len(told) < stop_at + 108


def test_of_fifteen_in_a_hundred_tokens_most_are_hidden_and_special_ones_never(tmp_path: Path) -> None:
    encoder = load_headed(save_masked(tmp_path), "masked")
    eos = encoder.tokenizer.eos_token_id
    row = ReadRow("a", (eos, *range(100, 300), eos))
    rows = with_gaps(encoder, [row], 50, np.random.default_rng(0))
    gaps = [
        (new, old) for one in rows for new, old in zip(one.tokens, one.wanted, strict=True) if old != IGNORED
    ]
    assert {sum(old != IGNORED for old in one.wanted) for one in rows} == {30}
    assert {one.wanted[0] for one in rows} == {IGNORED}
    assert np.mean([new == encoder.tokenizer.mask_token_id for new, _ in gaps]) == pytest.approx(
        0.8, abs=0.03
    )
    assert np.mean([new == old for new, old in gaps]) == pytest.approx(0.1, abs=0.03)
    assert all(
        new == old
        for one in rows
        for new, old, wanted in zip(one.tokens, row.tokens, one.wanted, strict=True)
        if wanted == IGNORED
    )


def test_a_few_documents_are_too_few() -> None:
    with pytest.raises(DataError, match="3 documents of unlabelled text are too few"):
        parted(DOCUMENTS[:3], 0)


def test_the_new_folder_is_a_candidate_and_a_model_of_a_job(
    headless: Path, tmp_path: Path, quick: Any
) -> None:
    text = tmp_path / "notes.txt"
    text.write_text("\n".join(DOCUMENTS), encoding="utf-8")
    facts = tw.adapt(text, tmp_path / "new", base_model=str(headless), **QUICK.model_dump(exclude_unset=True))
    table = write_csv(tmp_path / "rows.csv", toy_rows(80))
    ranked = tw.rank_models(table, candidates=[str(headless), str(tmp_path / "new")])
    read = {Path(model.name).name: model.bits_per_byte for model in ranked.models}
    run = tw.run(
        table, **{**quick, "embedding_model": str(tmp_path / "new"), "arms": ["majority", "probe", "encoder"]}
    )
    assert facts["kept"] and read["headless"] is None and read["new"] is not None
    assert {estimate.method for estimate in run.estimates} == {"majority", "probe", "encoder"}


def test_a_folder_that_is_there_is_not_overwritten(headless: Path, tmp_path: Path) -> None:
    with pytest.raises(JobError, match="name a new --output"):
        tw.adapt(tmp_path / "notes.txt", headless)
