"""Damage that other tools let pass: the gate fails each, and names the cause.

The gate is asked without the checksums of the passport, so that it has to see the damage in the answers.
"""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from tiny_models import save_decoder
from tuneworthy.core.parity import Parity
from tuneworthy.exporters import EXPORTERS, Subject
from tuneworthy.exporters.gate import choose_rows, examine
from tuneworthy.refitting import final_fit

ROWS = 12
Damage = Callable[[Path], None]


@pytest.fixture(scope="module")
def written(finished_run: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A sound artefact of each kind."""
    folders = {}
    for name, arm in (("adapter", "lora"), ("merged", "lora"), ("encoder", "encoder"), ("sklearn", "tfidf")):
        folders[name] = tmp_path_factory.mktemp(name)
        EXPORTERS.get(name).write(Subject(final_fit(finished_run, arm)), folders[name])
    return folders


def examined(run: Path, sound: Path, name: str, arm: str, damage: Damage, place: Path) -> Parity:
    folder = shutil.copytree(sound, place / name)
    damage(folder)
    refit = final_fit(run, arm)
    return examine(Subject(refit), EXPORTERS.get(name), folder, choose_rows(refit, ROWS))


def edit(file: Path, **fields: object) -> None:
    file.write_text(json.dumps({**json.loads(file.read_text()), **fields}))


def other_template(folder: Path) -> None:
    file = folder / "chat_template.jinja"
    file.write_text(
        file.read_text().replace("assistant\n", "assistant:\n").replace("assistant\\n", "assistant:\\n")
    )


def no_stop(folder: Path) -> None:
    edit(folder / "generation_config.json", eos_token_id=0)


def other_adapter(folder: Path) -> None:
    file = folder / "adapter_model.safetensors"
    generator = torch.Generator().manual_seed(1)
    others = {
        name: torch.randn(w.shape, generator=generator) * w.std() for name, w in load_file(file).items()
    }
    save_file(others, file, metadata={"format": "pt"})


def zeroed_layer(folder: Path) -> None:
    file = folder / "model.safetensors"
    weights = load_file(file)
    for name in weights:
        if ".layers.1.mlp." in name:
            weights[name] = torch.zeros_like(weights[name])
    save_file(weights, file, metadata={"format": "pt"})


def permuted_labels(folder: Path) -> None:
    labels = json.loads((folder / "config.json").read_text())["id2label"]
    turned = dict(zip(labels, [*list(labels.values())[1:], labels["0"]], strict=True))
    edit(folder / "config.json", id2label=turned, label2id={v: int(k) for k, v in turned.items()})


@pytest.mark.parametrize(
    ("damage", "cause", "name", "arm"),
    [
        (other_template, "the chat template differs", "adapter", "lora"),
        (no_stop, "the stop token is missing: the fit ends its answers with '<|im_end|>'", "adapter", "lora"),
        (other_adapter, "these are other weights", "adapter", "lora"),
        (zeroed_layer, "model.layers.1.mlp.down_proj.weight is all zeros", "merged", "lora"),
        (permuted_labels, "the labels differ", "encoder", "encoder"),
    ],
)
def test_the_gate_names_the_cause(
    finished_run: Path,
    written: dict[str, Path],
    tmp_path: Path,
    damage: Damage,
    cause: str,
    name: str,
    arm: str,
) -> None:
    parity = examined(finished_run, written[name], name, arm, damage, tmp_path)
    assert not parity.passed
    assert any(cause in one for one in parity.causes), parity.causes


def test_another_base_model_is_named(finished_run: Path, written: dict[str, Path], tmp_path: Path) -> None:
    other = save_decoder(tmp_path / "other")
    weights = load_file(other / "model.safetensors")
    save_file(
        {k: w + 0.1 for k, w in weights.items()}, other / "model.safetensors", metadata={"format": "pt"}
    )

    def onto(folder: Path) -> None:
        edit(folder / "adapter_config.json", base_model_name_or_path=str(other))

    parity = examined(finished_run, written["adapter"], "adapter", "lora", onto, tmp_path)
    assert "the base model is another one" in parity.causes[0]


def test_a_wrong_template_shows_the_first_row_with_its_prompt_and_tokens(
    finished_run: Path, written: dict[str, Path], tmp_path: Path
) -> None:
    parity = examined(finished_run, written["merged"], "merged", "lora", other_template, tmp_path)
    assert parity.first is not None
    assert parity.first.expected_prompt != parity.first.found_prompt
    assert parity.first.found_tokens
    assert any(f"row {parity.first.row} is asked otherwise" in cause for cause in parity.causes)


def test_a_file_that_cannot_be_loaded_fails_the_gate_and_is_no_crash(
    finished_run: Path, written: dict[str, Path], tmp_path: Path
) -> None:
    def broken(folder: Path) -> None:
        (folder / "classifier.skops").write_bytes(b"no zip file")

    parity = examined(finished_run, written["sklearn"], "sklearn", "tfidf", broken, tmp_path)
    assert "cannot be loaded by plain libraries" in parity.causes[0]
