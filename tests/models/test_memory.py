"""The planned bytes are those that a forward pass keeps, and the worked examples hold."""

import doctest
import weakref
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import LlamaConfig

from tiny_models import save_decoder, save_embedder
from tuneworthy.engine.encoding import EncodedRow
from tuneworthy.engine.memory_probe import kept_bytes
from tuneworthy.engine.passes import packed_pass, padded_pass
from tuneworthy.engine.reader import Reader, ReadRow
from tuneworthy.engine.trainee import Writer
from tuneworthy.models import memory, work
from tuneworthy.models.activations import graph
from tuneworthy.models.adapters import add_lora
from tuneworthy.models.decoder import load_decoder
from tuneworthy.models.headed import load_headed
from tuneworthy.models.memory import GIB, peak
from tuneworthy.models.shape import Shape, shape_of_folder
from tuneworthy.models.trainable import count_parameters, train_last
from tuneworthy.models.way import Optimizer, Pass, Precision, Way

LLAMA_8B = Shape(8_030_261_248, 32, 4096, 14336, 32, 8, 128, 128_256, tied=False, context=8192)
QLORA = Way("adapters", "nf4", rank=16)


def rows(count: int, length: int, answer: int = 8) -> list[EncodedRow]:
    """Random rows that share nothing but their first token."""
    drawn = torch.randint(3, 300, (count, length), generator=torch.Generator().manual_seed(0)).tolist()
    return [
        EncodedRow(str(i), (2, *row[1 : length - answer]), tuple(row[length - answer :]))
        for i, row in enumerate(drawn)
    ]


@pytest.mark.parametrize("kind", ["llama", "qwen3", "mistral"])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_a_decoder_with_adapters_keeps_the_planned_bytes(tmp_path: Path, kind: str, dtype: str) -> None:
    folder = save_decoder(tmp_path, kind)
    decoder = load_decoder(folder, dtype)
    add_lora(decoder, 4, 8, 0.0, 0)
    given = rows(3, 100)
    counted = kept_bytes(Writer(decoder), given)
    way = Way("adapters", "bfloat16" if dtype == "bfloat16" else "float32", rank=4)
    planned = planned_graph(folder, way, packed_pass(given))
    assert planned == pytest.approx(counted, rel=0.03)


@pytest.mark.parametrize("layers", [None, 1])
def test_a_decoder_that_learns_itself_keeps_the_planned_bytes(tmp_path: Path, layers: int | None) -> None:
    folder = save_decoder(tmp_path)
    decoder = load_decoder(folder, "float32")
    train_last(decoder.model, layers)
    given = rows(3, 100)
    counted = kept_bytes(Writer(decoder), given)
    way = Way("all", "float32", layers=layers)
    assert shape_of_folder(folder).learning(layers) == count_parameters(decoder.model)[0]
    planned = planned_graph(folder, way, packed_pass(given))
    logits = sum(len(row.answer) for row in given) * 400 * 4  # the log-softmax, which `graph` leaves out
    assert planned + logits == pytest.approx(counted, rel=0.03)


@pytest.mark.parametrize("computes", ["float32", "bfloat16"])
def test_an_encoder_keeps_the_planned_bytes(tmp_path: Path, computes: Precision) -> None:
    folder = save_embedder(tmp_path)
    encoder = load_headed(folder, "sequence", 3)
    encoder.model.train()
    given = [ReadRow(str(i), tuple(range(3, 103)), (0,)) for i in range(4)]
    counted = kept_bytes(Reader(encoder, "sequence", "encoder", computes), given)
    planned = planned_graph(folder, Way("all", "float32", computes), padded_pass([100] * 4))
    assert planned == pytest.approx(counted, rel=0.03)


def planned_graph(folder: Path, way: Way, one: Pass) -> float:
    """What `models.activations` says autograd keeps."""
    shape = shape_of_folder(folder)
    planned = graph(shape, way, one, "cpu")
    return way.depth(shape.layers) * planned.layer + planned.outside


def test_the_worked_examples_hold() -> None:
    for module in (memory, work):
        assert doctest.testmod(module).failed == 0


def test_eight_billion_in_four_bits_fit_a_card_of_16_gib_at_1024_tokens() -> None:
    split = peak(LLAMA_8B, QLORA, Pass(tokens=1024, supervised=16, pieces=8), "cuda")
    assert split.total < 0.95 * 16 * GIB


def test_eight_billion_in_16_bits_do_not_fit_a_card_of_16_gib() -> None:
    split = peak(LLAMA_8B, replace(QLORA, base="bfloat16"), Pass(tokens=1024, supervised=16), "cuda")
    assert split.weights > 14.9 * GIB
    assert split.total > 16 * GIB


def test_checkpointing_keeps_one_layer_and_the_others_inputs() -> None:
    one = Pass(tokens=1024, supervised=16, pieces=8)
    plain, recomputed = (
        peak(LLAMA_8B, replace(QLORA, checkpointing=again), one, "cuda").activations
        for again in (False, True)
    )
    inputs = 32 * 4096 * 2 * 1024
    assert inputs < recomputed < plain / 4


def test_a_moment_in_eight_bits_takes_a_quarter() -> None:
    one = Pass(tokens=64)
    whole, eight = (
        peak(LLAMA_8B, Way("all", "float32", "bfloat16", optimizer=optimizer), one, "cuda").optimiser
        for optimizer in ("adamw", "adamw_8bit")
    )
    assert whole == 8 * LLAMA_8B.parameters
    assert eight == pytest.approx(whole / 4, rel=0.02)


@pytest.mark.parametrize(("optimizer", "moments"), [("adamw", 8), ("adamw_8bit", 2 * (1 + 4 / 256))])
def test_beside_a_gpu_the_copies_are_in_the_hosts_memory(optimizer: Optimizer, moments: float) -> None:
    """The state to go back to, twice while it is replaced, and the best and the latest weights."""
    way = Way("all", "float32", "bfloat16", optimizer=optimizer)
    gpu, cpu = (peak(LLAMA_8B, way, Pass(tokens=64), device) for device in ("cuda", "cpu"))
    copies = (2 * (4 + moments) + 2 * 4) * LLAMA_8B.parameters
    assert (gpu.copies, gpu.beside) == (0, pytest.approx(copies))
    assert (cpu.copies, cpu.beside) == (pytest.approx(copies), 0)


def test_a_model_that_answers_in_float32_takes_the_place_of_the_trained_one() -> None:
    """Four bytes a weight, and none of the two that were trained."""
    split = peak(LLAMA_8B, Way("adapters", "bfloat16", rank=16, rescored=True), Pass(tokens=64), "cuda")
    assert split.moment == "scoring"
    assert split.weights == 4 * LLAMA_8B.parameters


def test_the_sizes_of_a_llama_are_read_from_its_configuration_alone(tmp_path: Path) -> None:
    LlamaConfig(
        vocab_size=128_256,
        hidden_size=4096,
        intermediate_size=14336,
        num_hidden_layers=32,
        num_attention_heads=32,
        num_key_value_heads=8,
        max_position_embeddings=8192,
    ).save_pretrained(tmp_path)
    assert shape_of_folder(tmp_path) == LLAMA_8B


def test_counting_what_is_kept_leaves_nothing_behind() -> None:
    """A node that keeps its own output (softmax does) must not come to hold itself."""
    trainee = _Softmax()
    kept_bytes(trainee, [])
    assert trainee.output() is None


class _Softmax:
    """A trainee of one softmax, which autograd keeps for its backward pass."""

    method = "softmax"
    device = torch.device("cpu")

    def __init__(self) -> None:
        self.model = torch.nn.Linear(4, 4)

    def loss(self, piece: Sequence[Any]) -> torch.Tensor:
        output = self.model.weight.softmax(-1)
        self.output = weakref.ref(output)
        return output.square().sum()


def test_of_a_split_model_a_process_holds_its_part_and_the_layers_that_are_together() -> None:
    one = Pass(tokens=1024, supervised=16, pieces=8)
    whole = peak(LLAMA_8B, Way("adapters", "bfloat16", rank=16), one, "cuda")
    part = peak(LLAMA_8B, Way("adapters", "bfloat16", rank=16, processes=8), one, "cuda")
    layers, outside = 6_979_321_856, 8_030_261_248 - 6_979_321_856  # 32 x (2 x 4096 x (4096 + 1024) + ...)
    assert whole.weights == 2 * (layers + outside)
    assert part.weights == 2 * (layers / 8 + 3 * layers / 32 + outside)
    assert part.adapters == whole.adapters and part.activations == whole.activations
