"""A model that several processes hold together: what is split, what stays whole, and that nothing changes."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.distributed.fsdp import FSDPModule
from torch.distributed.tensor import DTensor

from engine.test_training import fresh, gradients
from tiny_models import save_decoder
from tuneworthy.core.errors import ModelError
from tuneworthy.engine.encoding import EncodedRow
from tuneworthy.engine.memory_probe import kept_bytes
from tuneworthy.engine.sharded import ShardedWriter, shared_out, split
from tuneworthy.engine.trainee import Writer
from tuneworthy.models.adapters import save_adapter
from tuneworthy.models.decoder import Decoder
from tuneworthy.models.process_group import add_up, anyone, in_turn, join, joined, leads, least, sharers

TESTS = Path(__file__).parents[1]
SCRIPT = """
import json, sys
from contextlib import nullcontext
from pathlib import Path
import torch
from torch.distributed.fsdp import FSDPModule
from torch.distributed.tensor import DTensor
from methods.test_tuned_decoders import ROWS, setting
from tuneworthy.methods import METHODS
from tuneworthy.models.process_group import join

folder, rank, size, meeting = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4])
dtype, given = sys.argv[5], json.loads(sys.argv[6])
torch.set_num_threads(1)
lora = METHODS.get("lora")
with join(rank, size, meeting) if size > 1 else nullcontext():
    fitted = lora.fit(setting(folder, dtype), lora.Parameters(**given), ROWS[:12], ROWS[12:])
    model, curve = fitted.decoder.model, fitted.facts["train"]
    asked = [row.without_target() for row in ROWS]
    layers = [p for name, p in model.named_parameters() if ".layers." in name and "lora_" not in name]
    found = {
        "loss": [point["loss"] for point in curve],
        "norm": [point["gradient_norm"] for point in curve],
        "validation": [point["log_loss"] for point in fitted.facts["validation"]],
        "answers": [answer.model_dump(mode="json") for answer in fitted.predict(asked)],
        "wrapped": sorted({type(m).__name__ for m in model.modules() if isinstance(m, FSDPModule)}),
        "held": sum(p.to_local().numel() for p in layers if isinstance(p, DTensor)),
        "all": sum(p.numel() for p in layers),
    }
    for parameter in model.parameters():  # a bit more or less in one process alone
        if rank and not isinstance(parameter, DTensor):
            parameter.data += 0.1
    found["moved"] = [answer.model_dump(mode="json") for answer in fitted.predict(asked)]
    Path(f"{meeting}.{rank}.json").write_text(json.dumps(found))
"""


def trained(
    folder: Path, meeting: Path, processes: int, dtype: str = "float32", **given: Any
) -> list[dict[str, Any]]:
    """What each process saw."""
    settings = json.dumps({"max_steps": 6, "learning_rate": 0.01, **given})
    started = [
        subprocess.Popen(
            [
                *(sys.executable, "-c", SCRIPT, str(folder), str(rank), str(processes), str(meeting)),
                *(dtype, settings),
            ],
            cwd=TESTS,
            stderr=subprocess.PIPE,
        )
        for rank in range(processes)
    ]
    told = [process.communicate(timeout=240)[1].decode() for process in started]
    assert not any(process.returncode for process in started), "\n".join(told)
    return [json.loads(Path(f"{meeting}.{rank}.json").read_text()) for rank in range(processes)]


@pytest.mark.slow
def test_two_processes_that_share_the_weights_see_the_losses_of_one(tmp_path: Path) -> None:
    folder = save_decoder(tmp_path / "model")
    [one] = trained(folder, tmp_path / "alone", 1, tokens_per_batch=256)
    both = trained(folder, tmp_path / "together", 2, tokens_per_batch=128)
    for process in both:
        assert process["loss"] == pytest.approx(one["loss"], rel=1e-5)
        assert process["norm"] == pytest.approx(one["norm"], rel=1e-4)
        assert process["validation"] == pytest.approx(one["validation"], rel=1e-4)
        assert [a["value"] for a in process["answers"]] == [a["value"] for a in one["answers"]]
        assert process["answers"] == both[0]["answers"]
        assert process["wrapped"] == ["FSDPLlamaDecoderLayer", "FSDPLlamaForCausalLM"]
        assert 0.45 < process["held"] / process["all"] < 0.55
        assert process["moved"] == both[0]["moved"], "one would go on where another has ended"
    for ours, theirs in zip(both[0]["answers"], one["answers"], strict=True):
        assert ours["log_scores"] == pytest.approx(theirs["log_scores"], abs=1e-3)


@pytest.mark.slow
def test_in_16_bits_two_processes_answer_by_the_parts_of_a_float32_model(tmp_path: Path) -> None:
    folder = save_decoder(tmp_path / "model", "qwen3")
    given = {"gradient_checkpointing": True, "learning_rate": 1e-3}
    [one] = trained(folder, tmp_path / "alone", 1, "bfloat16", **given)
    first, second = trained(folder, tmp_path / "together", 2, "bfloat16", **given)
    assert first["answers"] == second["answers"] and first["loss"] == second["loss"]
    assert first["loss"] == pytest.approx(one["loss"], rel=1e-2)  # two roundings of bfloat16
    for ours, theirs in zip(first["answers"], one["answers"], strict=True):
        assert ours["value"] == theirs["value"]
        assert ours["log_scores"] == pytest.approx(theirs["log_scores"], abs=0.05)
    assert 0.45 < first["held"] / first["all"] < 0.55


@pytest.fixture
def group_of_one(tmp_path: Path) -> Iterator[None]:
    with join(0, 1, tmp_path / "meeting"):
        yield


def adapted(folder: Path) -> tuple[Decoder, list[EncodedRow]]:
    """One that is split, with rows, its adapter moved from where it starts."""
    rows: list[EncodedRow] = []

    def load() -> Decoder:
        decoder, found = fresh(folder)
        rows.extend(found)
        return decoder

    decoder = split(load)
    for parameter in decoder.model.parameters():
        if parameter.requires_grad:
            parameter.data.add_(0.05)
    return decoder, rows


@pytest.mark.usefixtures("group_of_one")
@pytest.mark.parametrize("kind", ["llama", "gemma2"])
def test_frozen_layers_are_split_and_all_else_is_whole(tmp_path: Path, kind: str) -> None:
    decoder, _ = adapted(save_decoder(tmp_path / "model", kind))
    parts = {name for name, p in decoder.model.named_parameters() if isinstance(p, DTensor)}
    named = {name for name, _ in decoder.model.named_parameters()}
    assert parts == {name for name in named if ".layers." in name and ".lora_" not in name}
    wrapped = [type(module).__name__ for module in decoder.model.modules() if isinstance(module, FSDPModule)]
    family = {"llama": "Llama", "gemma2": "Gemma2"}[kind]
    layer = f"FSDP{family}DecoderLayer"
    assert sorted(wrapped) == [layer, layer, f"FSDP{family}ForCausalLM"]


@pytest.mark.parametrize("kind", ["llama", "gemma2"])
def test_a_split_model_has_the_loss_and_the_gradients_of_a_whole_one(tmp_path: Path, kind: str) -> None:
    folder = save_decoder(tmp_path / "model", kind)
    found = []
    for grouped in (False, True):
        with join(0, 1, tmp_path / "meeting") if grouped else in_turn():
            decoder, rows = adapted(folder)
            trainee = shared_out(Writer(decoder))
            assert isinstance(trainee, ShardedWriter) == grouped
            kept = kept_bytes(trainee, rows[:2])
            loss = trainee.loss(rows)
            loss.backward()
            found.append((kept, loss.item(), gradients(decoder)))
    (kept, loss, whole), (kept_split, loss_split, parts) = found
    assert kept_split == kept
    assert loss_split == pytest.approx(loss, rel=1e-6)
    torch.testing.assert_close(parts, whole, rtol=1e-5, atol=1e-6)


@pytest.mark.usefixtures("group_of_one")
def test_the_adapter_of_a_split_model_is_saved_whole(tmp_path: Path) -> None:
    from safetensors.torch import load_file

    decoder, _ = adapted(save_decoder(tmp_path / "model"))
    save_adapter(decoder, tmp_path / "adapter")
    stored = load_file(tmp_path / "adapter" / "adapter_model.safetensors")
    own = {name: p for name, p in decoder.model.named_parameters() if ".lora_" in name}
    assert len(stored) == len(own) > 0
    for name, parameter in own.items():
        torch.testing.assert_close(stored[name.replace(".default", "")], parameter.detach())


@pytest.mark.usefixtures("group_of_one")
def test_a_model_without_layers_cannot_be_split(tmp_path: Path) -> None:
    decoder, _ = fresh(save_decoder(tmp_path / "model"))
    decoder.model = torch.nn.Linear(2, 2)
    with pytest.raises(ModelError, match="model has no stack of layers, so it cannot be split"):
        split(lambda: decoder)


def test_a_process_alone_agrees_with_itself() -> None:
    gradient = torch.ones(2)
    add_up([gradient])
    assert joined() is None and leads() and least(3) == 3 and anyone(True) and not anyone(False)
    assert gradient.tolist() == [1, 1] and sharers(torch.device("cpu")) == 1
