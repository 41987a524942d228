"""Planned peak memory against the measured one: fine-tunes, each in a process of its own.

    python bench/memory.py [--device cuda] [--only NAME ...] [--as-installed]

On a CPU the measure is the high-water mark of the resident size (VmHWM, set back by /proc/self/clear_refs)
minus the resident size before the model is loaded; by then the libraries are imported and a tiny model of the
same kind has been trained, so that kernels and caches are there. glibc keeps freed blocks below a threshold
that grows by itself, and they stay resident: a process would measure its history. The bench pins it
(MALLOC_MMAP_THRESHOLD_), so that every tensor has pages of its own and gives them back; --as-installed leaves
it alone and shows what the allocator keeps on top. On a GPU the measure is what torch has allocated at most.
`runtime`, the plan's share for libraries, is left out on both sides. Eight billion weights in four bits are a
case for a GPU with bitsandbytes alone.
"""

import argparse
import ctypes
import gc
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from common import closing_line, figure
from peers.peak import peak_gib
from tuneworthy.engine.encoding import EncodedRow
from tuneworthy.engine.masking import with_gaps
from tuneworthy.engine.passes import packed_pass, padded_pass
from tuneworthy.engine.reader import Reader, ReadRow
from tuneworthy.engine.recipe import Recipe
from tuneworthy.engine.scoring import score_labels
from tuneworthy.engine.trainee import Writer
from tuneworthy.engine.training import ValidationScore, train
from tuneworthy.methods import METHODS
from tuneworthy.methods.lora import Lora
from tuneworthy.models.adapters import add_lora
from tuneworthy.models.decoder import Decoder, load_decoder
from tuneworthy.models.embedder import load_embedder
from tuneworthy.models.four_bits import has_four_bits
from tuneworthy.models.hardware import device
from tuneworthy.models.headed import Head, load_headed
from tuneworthy.models.memory import GIB, Split, peak
from tuneworthy.models.padded import TOKENS_PER_BATCH
from tuneworthy.models.resolve import resolve
from tuneworthy.models.rms_norm import quicken_norms
from tuneworthy.models.shape import shape_of_folder
from tuneworthy.models.states import kind_of
from tuneworthy.models.tree_attention import register_tree_attention
from tuneworthy.models.way import Method, Pass, Way, way_of

HERE = Path(__file__).parent
RESULTS = HERE / "results" / "memory"
RANK, READING_RANK = 16, 64
ANSWER = 16
PINNED = {"MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_ARENA_MAX": "1"}
LLAMA = {
    "hidden_size": 512,
    "intermediate_size": 1408,
    "num_hidden_layers": 10,
    "num_attention_heads": 8,
    "num_key_value_heads": 4,
}
LLAMA_8B = {
    "hidden_size": 4096,
    "intermediate_size": 14336,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "vocab_size": 128_256,
    "max_position_embeddings": 8192,
}
TINY = {
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
}
Case = dict[str, Any]


def case(
    model: str,
    method: str,
    dtype: str,
    length: int,
    rows: int,
    checkpointing: bool = False,
    rescored: bool = False,
    steps: int = 4,
) -> Case:
    """One fine-tune: `rows` rows of `length` tokens in one forward pass; `rescored` in float32 after it."""
    return {
        "model": model,
        "method": method,
        "dtype": dtype,
        "length": length,
        "rows": rows,
        "checkpointing": checkpointing,
        "rescored": rescored,
        "steps": steps,
    }


QLORA = case("llama-8b", "qlora", "bfloat16", 1024, 1, steps=50)
CASES = [
    case("smollm2-135m", "lora", "bfloat16", 256, 2),
    case("smollm2-135m", "lora", "bfloat16", 1024, 1),
    case("smollm2-135m", "lora", "float32", 256, 4),
    case("smollm2-135m", "lora", "bfloat16", 1024, 2, checkpointing=True),
    case("smollm2-135m", "lora", "bfloat16", 64, 1, rescored=True),
    case("smollm2-135m", "full", "float32", 256, 2),
    case("llama-50m", "lora", "bfloat16", 512, 8),
    case("llama-50m", "lora", "float32", 512, 4),
    case("llama-50m", "full", "float32", 256, 8),
    case("minilm", "encoder", "float32", 128, 32),
    case("minilm", "encoder", "float32", 256, 16),
    case("minilm", "encoder", "bfloat16", 256, 16),
    case("minilm", "adapt", "bfloat16", 128, 16),
    case("smollm2-135m", "adapt", "bfloat16", 512, 4),
    case("minilm", "probe", "float32", 128, 256),
    case("minilm", "probe", "float32", 256, 256),
]


def name_of(one: Case) -> str:
    """What the case is called in results."""
    recomputed = " checkpointing" if one["checkpointing"] else ""
    rescored = " rescored" if one["rescored"] else ""
    return (
        f"{one['model']} {one['method']} {one['dtype']} {one['rows']}x{one['length']}{recomputed}{rescored}"
    )


def write_llama(folder: Path, sizes: dict[str, int], dtype: str | None, like: Path) -> Path:
    """A Llama-shaped model with the tokenizer of `like`; random weights, or none without a `dtype`."""
    import shutil

    from transformers import LlamaConfig, LlamaForCausalLM

    usual = {"vocab_size": 49152, "max_position_embeddings": 2048}
    config = LlamaConfig(**{**usual, **sizes}, tie_word_embeddings=False, dtype=dtype or "bfloat16")
    config.save_pretrained(folder)
    if dtype is not None:
        LlamaForCausalLM(config).to(getattr(torch, dtype)).save_pretrained(folder)
    for file in like.glob("*token*"):
        shutil.copyfile(file, folder / file.name)
    return folder


def prepare(one: Case, folder: Path, sizes: dict[str, int] | None) -> Path:
    """Where the case's model is; a random one is written in its precision."""
    if sizes is None:
        return resolve(one["model"])
    weights = None if one["method"] == "qlora" else one["dtype"]
    return write_llama(folder, sizes, weights, resolve("smollm2-135m"))


def fit(one: Case, model: Path, rows: int, length: int) -> Pass:
    """Runs the case's fit on random tokens and returns its largest forward pass."""
    generator = torch.Generator().manual_seed(0)
    if one["method"] == "probe":
        return _embed(model, rows, length)
    recipe = Recipe(
        steps=one["steps"],
        batch=rows,
        learning_rate=1e-5,
        warmup_steps=1,
        evaluate_every=one["steps"] // 2,
        tokens_per_batch=1_000_000,
    )
    scores = iter((1.0, 0.5))  # the first validation stays the best one: both states are kept
    settings: dict[str, Any] = {"evaluate": lambda: ValidationScore(next(scores), 0.0)}
    if one["method"] == "encoder" or (one["method"] == "adapt" and kind_of(model) == "encoder"):
        head: Head = "sequence" if one["method"] == "encoder" else "masked"
        encoder = load_headed(model, head, 10)
        reader = Reader(encoder, head, one["method"], one["dtype"])
        drawn = torch.randint(
            1000, encoder.model.config.vocab_size, (rows, length), generator=generator
        ).tolist()
        read = [ReadRow(str(i), tuple(tokens), (i % 10,)) for i, tokens in enumerate(drawn)]
        if head == "masked":
            read = with_gaps(encoder, read, 1, np.random.default_rng(0))
        bound = train(reader, read, recipe, **settings).tokens_per_batch
        pieces = reader.pieces(read, bound)
        largest = max(pieces, key=len)
        guesses = reader.supervised(largest) // len(largest) if head == "masked" else 0
        return padded_pass([row.length for row in largest], guesses, pieces=len(pieces))
    decoder = random_in_four_bits(model) if one["method"] == "qlora" else load_decoder(model, one["dtype"])
    if one["method"] == "full":
        decoder.model.requires_grad_(True)
    else:
        add_lora(decoder, rank_of(one), 2 * rank_of(one), 0.0, 0)
    if one["checkpointing"]:
        decoder.model.gradient_checkpointing_enable()
    drawn = torch.randint(
        3, decoder.model.config.vocab_size, (rows, length + 1), generator=generator
    ).tolist()
    answer = length if one["method"] == "adapt" else ANSWER
    write = [EncodedRow(str(i), tuple(t[:-answer]), tuple(t[-answer:])) for i, t in enumerate(drawn)]
    writer = Writer(decoder)
    bound = train(writer, write, recipe, **settings).tokens_per_batch
    cut = writer.pieces(write, bound)
    largest_cut = max(cut, key=lambda piece: sum(row.length for row in piece))
    if one["rescored"]:
        _rescore(decoder)
    return packed_pass(largest_cut, len(cut), blocks=decoder.device.type == "cpu")


def rank_of(one: Case) -> int:
    """Of the case's adapters."""
    return READING_RANK if one["method"] == "adapt" else RANK


def random_in_four_bits(folder: Path) -> Decoder:
    """A folder's model with random weights, made and packed layer by layer where it computes.

    Never whole in 16 bits, so that a card of 16 GB can make what it can train.
    """
    from bitsandbytes.nn.modules import Linear4bit, Params4bit
    from transformers import AutoConfig, AutoTokenizer, LlamaForCausalLM
    from transformers.models.llama.modeling_llama import LlamaDecoderLayer

    where = device()
    config = AutoConfig.from_pretrained(folder)
    layers, config.num_hidden_layers = config.num_hidden_layers, 0
    config._attn_implementation = register_tree_attention()
    with where:
        model = LlamaForCausalLM(config).to(torch.bfloat16)
        for number in range(layers):
            block = LlamaDecoderLayer(config, number).to(torch.bfloat16)
            for name, layer in list(block.named_modules()):
                if isinstance(layer, torch.nn.Linear):
                    size = layer.in_features, layer.out_features
                    packed = Linear4bit(*size, False, torch.bfloat16, quant_type="nf4")  # type: ignore[no-untyped-call]
                    weight = torch.randn_like(layer.weight) / layer.in_features**0.5
                    packed.weight = Params4bit(weight, False, quant_type="nf4").to(where)  # type: ignore[misc]
                    block.set_submodule(name, packed)
            model.model.layers.append(block)
    config.num_hidden_layers = layers
    model.is_loaded_in_4bit = True  # by which PEFT knows
    model.requires_grad_(False).eval()
    quicken_norms(model)
    return Decoder(model, AutoTokenizer.from_pretrained(folder), folder, where)


def _rescore(decoder: Decoder) -> None:
    """What the arm does after a fit in 16 bits: its adapter on a float32 base, and a full batch of scores."""
    lora = METHODS.get("lora")
    assert isinstance(lora, Lora)
    lora.rebase(decoder)
    drawn = torch.randint(3, 1000, (8, 120), generator=torch.Generator().manual_seed(1)).tolist()
    score_labels(decoder, drawn, [(5, 2), (6, 2), (7, 2)])


def _embed(model: Path, rows: int, length: int) -> Pass:
    embedder = load_embedder(model)
    embedder.max_length = length
    vocabulary = len(embedder.tokenizer)
    drawn = torch.randint(1000, vocabulary, (rows, length), generator=torch.Generator().manual_seed(0))
    embedder.embed(embedder.tokenizer.batch_decode(drawn))
    return Pass(tokens=TOKENS_PER_BATCH // length * length)


def measure(one: Case) -> dict[str, Any]:
    """Bytes at most, over those before the model; run in a process of its own."""
    torch.set_num_threads(1)
    sizes = {"llama-50m": LLAMA, "llama-8b": LLAMA_8B}.get(one["model"])
    with tempfile.TemporaryDirectory() as place:
        tiny = {**one, "length": 40, "rows": 2}
        small = None if one["model"] == "minilm" else TINY
        fit(tiny, prepare(tiny, Path(place) / "tiny", small), 2, 40)
        model = prepare(one, Path(place) / "model", sizes)
        idle = _idle()
        largest = fit(one, model, one["rows"], one["length"])
        measured = peak_gib() * GIB - idle
        split = planned(one, model, largest)
    return {
        "measured": measured,
        "planned": split.total - split.runtime,
        "moment": split.moment,
        **_gib(split),
    }


def _idle() -> float:
    """Bytes in use now; the high-water mark starts anew from here."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
        return float(torch.cuda.memory_allocated())
    ctypes.CDLL("libc.so.6").malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    return peak_gib() * GIB


def planned(one: Case, model: Path, largest: Pass) -> Split:
    """What the planner says of the case."""
    half = one["dtype"] == "bfloat16"
    decoder = kind_of(model) == "decoder"
    if decoder:
        method: Method = "lora" if one["method"] == "adapt" else one["method"]
        way = way_of(method, half, rank_of(one))
        way = replace(way, checkpointing=one["checkpointing"], rescored=one["rescored"])
    else:
        way = Way("nothing" if one["method"] == "probe" else "all", "float32", "bfloat16" if half else None)
    return peak(shape_of_folder(model), way, largest, "cuda" if torch.cuda.is_available() else "cpu")


def _gib(split: Split) -> dict[str, float]:
    return {name: round(size / GIB, 3) for name, size in split.parts().items()}


def measure_apart(one: Case, where: str, pinned: bool) -> dict[str, Any]:
    """`measure` in a new process."""
    hidden = {} if where == "cuda" else {"CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(
        [sys.executable, __file__, "--one", json.dumps(one)],
        capture_output=True,
        text=True,
        env={**os.environ, **hidden, **(PINNED if pinned else {})},
    )
    if done.returncode:
        raise RuntimeError(f"{name_of(one)} failed:\n{done.stderr[-3000:]}")
    found: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return found


def main(arguments: Sequence[str] | None = None) -> None:
    """Measures the cases, keeps them beside those of earlier calls, and ends with the figures of all."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--only", nargs="*", default=[], help="cases whose name contains one of these")
    parser.add_argument("--as-installed", action="store_true", help="leave the allocator alone")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    if given.one:
        print(json.dumps(measure(json.loads(given.one))))
        return
    if given.device == "cuda" and not (torch.cuda.is_available() and has_four_bits()):
        sys.exit(
            "--device cuda needs a GPU that torch sees and bitsandbytes (pip install 'tuneworthy[qlora]')."
        )
    cases = [*CASES, QLORA] if given.device == "cuda" else CASES
    if QLORA not in cases:
        print(f"left out: {name_of(QLORA)}, which needs CUDA and bitsandbytes (--device cuda)")
    chosen = [one for one in cases if not given.only or any(part in name_of(one) for part in given.only)]
    kept = RESULTS / f"{given.device}{'_as_installed' if given.as_installed else ''}.json"
    results = json.loads(kept.read_text(encoding="utf-8"))["cases"] if kept.exists() else {}
    for one in chosen:
        found = measure_apart(one, given.device, pinned=not given.as_installed)
        off = found["planned"] / found["measured"] - 1
        results[name_of(one)] = {**found, "off": round(off, 4)}
        print(
            f"{name_of(one):58} planned {found['planned'] / GIB:6.3f}  measured "
            f"{found['measured'] / GIB:6.3f} GiB  {off:+6.1%}  {found['moment']}",
            flush=True,
        )
    figures = summary([result["off"] for result in results.values()], given.device)
    RESULTS.mkdir(parents=True, exist_ok=True)
    kept.write_text(json.dumps({"cases": results, "figures": figures}, indent=1) + "\n", encoding="utf-8")
    print(closing_line(figures))


def summary(off: Sequence[float], where: str) -> dict[str, Any]:
    """How many cases are within the goal: 10% on a CPU; 5% on a GPU, and never under by more than 2%."""
    over, under = (0.10, 0.10) if where == "cpu" else (0.05, 0.02)
    within = sum(-under <= one <= over for one in off)
    return {
        "cases_within_goal": figure(within, "cases", len(off), n=len(off)),
        "largest_deviation": figure(max(map(abs, off)), "share", over, lower_is_better=True, n=len(off)),
    }


if __name__ == "__main__":
    main()
