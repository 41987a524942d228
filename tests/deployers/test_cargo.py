"""What is sent to be served is a run folder with one fit in it, and nothing else of the run."""

import json
import shutil
import tarfile
from pathlib import Path

import pytest

from deployed import made_for
from tuneworthy.core.errors import RunFolderError
from tuneworthy.core.example import Example
from tuneworthy.deployers.cargo import _copy_model, pack_tar, rows_within
from tuneworthy.methods._prompting import save_examples
from tuneworthy.models.embedder import read_pooling
from tuneworthy.refitting import final_fit
from tuneworthy.units.predictor import Predictor
from tuneworthy.units.refit import Refit, base_models, recommended


@pytest.fixture(scope="module")
def lora(finished_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The cargo of an arm that the run does not recommend."""
    folder = tmp_path_factory.mktemp("cargo")
    made_for("sagemaker", finished_run, folder, "lora")
    return folder / finished_run.name


def test_it_is_a_run_that_answers_as_the_arm_with_its_own_copy_of_the_base_model(
    lora: Path, finished_run: Path
) -> None:
    unit, folders = recommended(lora)
    models = base_models(unit, folders)
    assert unit == final_fit(finished_run, "lora").unit
    assert models == {"decoder": lora / "models/decoder"}
    rows = [row.input for row in final_fit(finished_run).rows()[:8]]
    sent = Predictor(lora, refit=Refit(lora, unit, models)).predict(rows)
    assert sent == Predictor(finished_run, refit=final_fit(finished_run, "lora")).predict(rows)


def test_rows_predictions_scores_and_paths_stay_here(lora: Path, finished_run: Path) -> None:
    rows = final_fit(finished_run).rows()
    ids = {row.id for row in rows}
    for path in (path for path in lora.rglob("*") if path.is_file() and path.suffix != ".safetensors"):
        text = path.read_text(encoding="utf-8", errors="replace")
        assert not [row.input for row in rows if row.input in text], path
        assert not [one for one in ids if f'"{one}"' in text], path
        assert str(finished_run.parent) not in text, path
    assert not any(path.suffix in (".py", ".bin", ".pkl") for path in lora.rglob("*"))


def test_the_same_fit_gives_the_same_bytes_and_address(finished_run: Path, tmp_path: Path) -> None:
    first, second = (made_for("sagemaker", finished_run, tmp_path / name) for name in "ab")
    assert first == second and first.cargo.digest
    for name in "ab":
        pack_tar(tmp_path / name, tmp_path / f"{name}.tar.gz")
    assert (tmp_path / "a.tar.gz").read_bytes() == (tmp_path / "b.tar.gz").read_bytes()
    with tarfile.open(tmp_path / "a.tar.gz") as tar:
        assert {entry.name: entry.size for entry in tar} == {one.path: one.size for one in first.cargo.files}


def test_rows_that_stand_in_a_model_are_counted(finished_run: Path, tmp_path: Path) -> None:
    rows = final_fit(finished_run).rows()
    shown = [row for row in rows if len(row.input) >= 20][:3]
    assert len(shown) == 3
    (tmp_path / "model").mkdir()
    texts = "\n".join(row.model_dump_json() for row in shown)
    (tmp_path / "model" / "shown.jsonl").write_text(texts, encoding="utf-8")
    assert rows_within(tmp_path, rows) == 3
    assert made_for("sagemaker", finished_run, tmp_path / "tfidf").cargo.rows == 0


def test_short_rows_are_counted_where_they_are_whole_values_and_not_where_they_are_words(
    tmp_path: Path,
) -> None:
    texts = ["my parcel is late", "refund me please", 'naïve \u2028 "q"', "refund", "late", "never seen"]
    rows = [Example(id=str(i), input=text, target="x") for i, text in enumerate(texts)]
    (tmp_path / "vocabulary.json").write_text(json.dumps({"refund": 0, "late": 1}), encoding="utf-8")
    assert rows_within(tmp_path, rows) == 0
    save_examples(tmp_path / "demonstrations.jsonl", rows[1:3])
    assert rows_within(tmp_path, rows) == 2
    (tmp_path / "more.json").write_text(json.dumps({"shown": [{"input": texts[0]}]}), encoding="utf-8")
    assert rows_within(tmp_path, rows) == 3


def test_an_encoder_pools_where_it_is_sent_as_it_does_here(tmp_path: Path) -> None:
    (tmp_path / "here/1_Pooling").mkdir(parents=True)
    (tmp_path / "here/1_Pooling/config.json").write_text('{"pooling_mode_cls_token": true}')
    (tmp_path / "here/sentence_bert_config.json").write_text('{"max_seq_length": 64}')
    _copy_model(tmp_path / "here", tmp_path / "there")
    assert read_pooling(tmp_path / "there", 512) == read_pooling(tmp_path / "here", 512) == ("cls", 64)


def test_a_damaged_model_is_not_sent(finished_run: Path, tmp_path: Path) -> None:
    run = tmp_path / "damaged"
    shutil.copytree(finished_run, run)
    stored = next((run / "units" / recommended(run)[0].address / "model").iterdir())
    stored.write_bytes(stored.read_bytes()[:-1])
    with pytest.raises(RunFolderError, match="missing or damaged"):
        made_for("sagemaker", run, tmp_path / "cargo")
