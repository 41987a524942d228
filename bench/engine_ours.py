"""Our side of `engine.py`: one task file, one line of JSON, a process of its own."""

import json
import sys
import time
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator

from peers.peak import cap, peak_gib
from tuneworthy.engine.best_first import best_labels
from tuneworthy.engine.checkpoint import Progress
from tuneworthy.engine.encoding import EncodedRow
from tuneworthy.engine.memory_probe import fitting_tokens
from tuneworthy.engine.packing import pack
from tuneworthy.engine.recipe import Recipe
from tuneworthy.engine.scoring import score_labels
from tuneworthy.engine.trainee import Writer
from tuneworthy.engine.training import update
from tuneworthy.models.adapters import add_lora
from tuneworthy.models.decoder import Decoder, load_decoder, shared_decoder
from tuneworthy.models.hardware import device


def training(task: dict[str, Any]) -> dict[str, Any]:
    """Seconds and loss of every step; rows in the order given, constant rate, as the peer does it."""
    stock = task["settings"] == "float32"
    cap(task.get("cap_gb"))
    decoder = load_decoder(
        Path(task["model"]), "float32" if stock else "bfloat16", task.get("four_bits", False)
    )
    add_lora(decoder, rank=16, alpha=32, dropout=0.0, seed=0)
    if stock:  # packing alone, with the layers and the attention of transformers and PEFT
        decoder.model.set_attn_implementation("eager")
        for layer in decoder.model.modules():
            layer.__dict__.pop("forward", None)
    rows = [
        EncodedRow(str(i), tuple(decoder.encode(row["prompt"])), tuple(decoder.encode(row["completion"])))
        for i, row in enumerate(task["rows"])
    ]
    rate = task["learning_rate"]
    on_gpu = decoder.device.type == "cuda"
    tokens = fitting_tokens(Writer(decoder), rows, 16384) if on_gpu else 4096
    recipe = Recipe(steps=1, batch=task["batch"], learning_rate=rate, warmup_steps=1, tokens_per_batch=tokens)
    seconds, losses = [], []
    accelerator = Accelerator(cpu=not on_gpu)
    parameters = [p for p in decoder.model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=rate, weight_decay=0.0, fused=True)
    decoder.model.train()
    for step in range(task["steps"]):
        batch = rows[step * task["batch"] : (step + 1) * task["batch"]]
        started = time.perf_counter()
        facts = update(Writer(decoder), accelerator, optimizer, parameters, batch, recipe, Progress(step=1))
        _finish()
        seconds.append(time.perf_counter() - started)
        losses.append(facts["loss"])
    first = rows[: task["batch"]]
    return {
        "seconds": seconds,
        "losses": losses,
        "tokens_per_batch": sum(row.length for row in first),
        "products": products(decoder, first) / 1e9,
    }


def _finish() -> None:
    """A GPU is asked and not waited for; what is timed has to have happened."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def products(decoder: Decoder, batch: list[EncodedRow]) -> float:
    """Floating-point operations of the matrix products that one step cannot do without.

    Frozen weights: forward and into the activations. Adapters: those, and into their own weights. Attention:
    the pairs that the mask allows. Head: supervised positions. Each token of the packed batch once.
    """
    tree = pack(batch)
    config = decoder.model.config
    linear = [m for m in decoder.model.get_base_model().model.modules() if isinstance(m, torch.nn.Linear)]
    adapters = sum(m.in_features * m.out_features for m in linear if m.weight.requires_grad)
    frozen = sum(m.in_features * m.out_features for m in linear if not m.weight.requires_grad)
    heads: int = config.num_attention_heads * config.head_dim * config.num_hidden_layers
    head: int = decoder.model.get_output_embeddings().weight.numel()
    tokens, pairs = len(tree.tokens), int(tree.allowed.sum())
    return 4 * frozen * tokens + 6 * adapters * tokens + 12 * heads * pairs + 4 * head * len(tree.targets)


def scoring(task: dict[str, Any]) -> dict[str, Any]:
    """Seconds for every option's score, or for the best option alone."""
    decoder = shared_decoder(Path(task["model"]), task["dtype"])
    prompts = [decoder.encode(prompt) for prompt in task["prompts"]]
    options = [decoder.encode(option) for option in task["options"]]
    _warm(decoder, prompts, options)
    started = time.perf_counter()
    if task["search"]:
        best = best_labels(decoder, prompts, options)
        return {"seconds": time.perf_counter() - started, "best": best}
    scores = score_labels(decoder, prompts, options)
    return {
        "seconds": time.perf_counter() - started,
        "best": scores.argmax(1).tolist(),
        "scores": scores.tolist(),
    }


def _warm(decoder: Decoder, prompts: list[list[int]], options: list[list[int]]) -> None:
    """Kernels are generated once per process; that is not what is measured."""
    score_labels(decoder, prompts[:2], options[:4])


def matrix_peak(task: dict[str, Any]) -> dict[str, Any]:
    """The machine's own rate, GFLOP/s: the best of several shapes of this model's products."""
    dtype = getattr(torch, task["dtype"])
    where, best = device(), 0.0
    shapes = [(1024, 576, 1536), (1024, 1536, 576), (1024, 1024, 1024)]
    if where.type == "cuda":
        shapes += [(4096, 4096, 4096), (8192, 8192, 8192)]
    for rows, inner, outer in shapes:
        a = torch.randn(rows, inner, device=where).to(dtype)
        b = torch.randn(outer, inner, device=where).to(dtype)
        for _ in range(5):
            started = time.perf_counter()
            for _ in range(20):
                a @ b.T
            _finish()
            best = max(best, 20 * 2 * rows * inner * outer / (time.perf_counter() - started) / 1e9)
    return {"gflops": best}


KINDS = {"training": training, "scoring": scoring, "matrix_peak": matrix_peak}


if __name__ == "__main__":
    given = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    torch.set_num_threads(given["threads"])
    result = KINDS[given["kind"]](given)
    result["peak_gib"] = peak_gib()
    print(json.dumps(result))
