"""How the engine's time grows: with rows, with labels, with the length of what all prompts share.

    python bench/engine_growth.py --data FOLDER [--plot docs/images/engine_growth.svg]

FOLDER as in `engine.py`. Nothing is compared here; a slope of one on the plots is linear growth.
"""

import argparse
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import torch
from accelerate import Accelerator

from common import closing_line, figure
from engine import BATCH, STOP, Texts
from tuneworthy.engine.best_first import best_labels
from tuneworthy.engine.checkpoint import Progress
from tuneworthy.engine.encoding import EncodedRow
from tuneworthy.engine.recipe import Recipe
from tuneworthy.engine.scoring import score_labels
from tuneworthy.engine.trainee import Writer
from tuneworthy.engine.training import update
from tuneworthy.models.adapters import add_lora
from tuneworthy.models.decoder import Decoder, load_decoder, shared_decoder

ROWS = (100, 300, 1000, 2000)
LABELS = (2, 8, 30, 150)
SHARED = (0, 250, 500, 1000, 2000)
Points = list[tuple[float, float]]


def seconds(call: Callable[[], Any], repeats: int = 3) -> float:
    """Median wall seconds of a call, after one that is not counted."""
    call()
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        call()
        times.append(time.perf_counter() - started)
    return median(times)


def filler(texts: Texts, tokens: int) -> str:
    """About this many tokens of reviews, to stand before every text."""
    ids = [token for review in texts.reviews[:40] for token in texts.decoder.encode(review)]
    return texts.decoder.tokenizer.decode(ids[:tokens]) if tokens else ""


def by_shared_prompt(texts: Texts) -> Points:
    """Seconds of a training step of 8 short texts, by tokens of the instruction they share."""
    decoder = load_decoder(texts.model, "bfloat16")
    add_lora(decoder, rank=16, alpha=32, dropout=0.0, seed=0)
    decoder.model.train()
    parameters = [p for p in decoder.model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=1e-4)
    recipe = Recipe(steps=1, batch=BATCH, learning_rate=1e-4, warmup_steps=1, tokens_per_batch=4096)
    accelerator = Accelerator(cpu=True)
    points: Points = []
    for tokens in SHARED:
        instruction = filler(texts, tokens)
        rows = [
            EncodedRow(
                str(i),
                tuple(decoder.encode(texts.prompt(instruction, text))),
                tuple(decoder.encode(label + STOP)),
            )
            for i, (text, label) in enumerate(texts.banking[:BATCH])
        ]
        step = partial(
            update, Writer(decoder), accelerator, optimizer, parameters, rows, recipe, Progress(step=1)
        )
        points.append((tokens, seconds(step)))
    return points


def by_cached_prompt(texts: Texts, decoder: Decoder) -> Points:
    """Seconds per text for 3 labels' scores, by tokens of the instruction, which is computed once for all."""
    points: Points = []
    labels = [decoder.encode(name + STOP) for name in texts.labels[:3]]
    for tokens in SHARED:
        instruction = filler(texts, tokens)
        prompts = [decoder.encode(texts.prompt(instruction, text)) for text, _ in texts.banking[:64]]
        once = seconds(partial(score_labels, decoder, prompts[:2], labels), repeats=1)
        whole = seconds(partial(score_labels, decoder, prompts, labels), repeats=1)
        points.append((tokens, (whole - once) / (len(prompts) - 2)))
    return points


def by_labels(texts: Texts, decoder: Decoder) -> Points:
    """Seconds per text for every label's score, by the number of labels."""
    names = [*texts.labels, *(f"{label} abroad" for label in texts.labels)]
    points: Points = []
    for count in LABELS:
        instruction = texts.task.instruction(names[:count])
        prompts = [decoder.encode(texts.prompt(instruction, text)) for text, _ in texts.banking[:16]]
        labels = [decoder.encode(name + STOP) for name in names[:count]]
        score = partial(score_labels, decoder, prompts, labels)
        points.append((count, seconds(score, repeats=1) / len(prompts)))
    return points


def by_rows(texts: Texts, decoder: Decoder) -> Points:
    """Seconds for the best of 3 labels, by the number of texts."""
    instruction = texts.task.instruction(texts.labels[:3])
    known = [text for text, _ in texts.banking]
    every = [f"{text} {i}" for i, text in enumerate(known * (max(ROWS) // len(known) + 1))]
    prompts = [decoder.encode(texts.prompt(instruction, text)) for text in every[: max(ROWS)]]
    labels = [decoder.encode(name + STOP) for name in texts.labels[:3]]
    points: Points = []
    for count in ROWS:
        started = time.perf_counter()
        best_labels(decoder, prompts[:count], labels)
        points.append((count, time.perf_counter() - started))
    return points


def draw(path: Path, curves: dict[str, tuple[str, str, Points]]) -> None:
    """One panel per curve."""
    from matplotlib.figure import Figure

    page = Figure(figsize=(13, 3.2), layout="constrained")
    for axes, (title, (across, up, points)) in zip(
        page.subplots(1, len(curves)), curves.items(), strict=True
    ):
        axes.plot(*zip(*points, strict=True), marker="o", color="#1f5fbf")
        axes.set(title=title, xlabel=across, ylabel=up, ylim=(0, None), xlim=(0, None))
        axes.grid(color="#e5e5e5")
    path.parent.mkdir(parents=True, exist_ok=True)
    page.savefig(path)


def main() -> None:
    """Measures the curves, prints their figures and draws them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--plot", type=Path, default=None)
    options = parser.parse_args()
    texts = Texts(options.data)
    shared = by_shared_prompt(texts)
    reader = shared_decoder(texts.model, "float32")
    cached = by_cached_prompt(texts, reader)
    labels, rows = by_labels(texts, reader), by_rows(texts, reader)
    curves = {
        "A training step, batch 8": ("tokens of the shared instruction", "seconds", shared),
        "One more text, 3 labels": ("tokens of the shared instruction", "seconds", cached),
        "Every label's score": ("labels", "seconds per text", labels),
        "The best of 3 labels": ("texts", "seconds", rows),
    }
    for title, (across, up, points) in curves.items():
        print(f"{title}: " + ", ".join(f"{x:g} {across}: {y:.2f} {up}" for x, y in points))
    if options.plot:
        draw(options.plot, curves)
    per_token = (shared[-1][1] - shared[0][1]) / SHARED[-1]
    linear = (rows[-1][1] / rows[0][1]) / (ROWS[-1] / ROWS[0])
    print(
        closing_line(
            {
                "training step: seconds per 1,000 shared tokens": figure(1000 * per_token, "s"),
                "scoring: 2,000 shared tokens over none": figure(cached[-1][1] / cached[0][1], "x"),
                "rows: growth over linear": figure(linear, "x", 1.0, lower_is_better=True),
                "labels: 150 over 2": figure(labels[-1][1] / labels[0][1], "x"),
            }
        )
    )


if __name__ == "__main__":
    main()
