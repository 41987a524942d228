"""What another busy process costs a fine-tune whose threads work in step, and what a short spin saves.

    python bench/busy.py [--seconds 30] [--repeats 2]

A LoRA update of SmolLM2-135M on 8 rows of 64 tokens, on all cores, each time in a process of its own: alone,
and beside a loop that keeps one core busy; with the spin of GNU OpenMP (300,000 loops) and with tuneworthy's
(`core/spinning.py`), in turn. Medians of the updates of all repeats; where none ends in time, the time.
"""

import argparse
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from common import closing_line, figure
from tuneworthy.core.spinning import SPINS

SPUN = {"libgomp's spin": "300000", "ours": SPINS}
LOOP = "import os; os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})\nwhile True: pass"


def updates(seconds: float) -> None:
    """Prints the seconds of each update, the first left out, until the time is over."""
    from accelerate import Accelerator
    from torch.optim import AdamW

    from tuneworthy.engine.checkpoint import Progress
    from tuneworthy.engine.encoding import EncodedRow
    from tuneworthy.engine.recipe import Recipe
    from tuneworthy.engine.trainee import Writer
    from tuneworthy.engine.training import update
    from tuneworthy.models.adapters import add_lora
    from tuneworthy.models.decoder import load_decoder
    from tuneworthy.models.hardware import training_dtype
    from tuneworthy.models.resolve import resolve

    decoder = load_decoder(resolve("smollm2-135m", lambda text: None), training_dtype())
    add_lora(decoder, rank=16, alpha=32, dropout=0.0, seed=0)
    tokens = decoder.encode("A notice of termination takes effect on the day after it was received. " * 8)
    rows = [EncodedRow(str(row), tuple(tokens[row : row + 63]), (tokens[0],)) for row in range(8)]
    recipe = Recipe(steps=1, batch=8, learning_rate=1e-4, warmup_steps=1, tokens_per_batch=4096)
    parameters = [p for p in decoder.model.parameters() if p.requires_grad]
    optimizer, accelerator = AdamW(parameters, lr=1e-4), Accelerator(cpu=True)
    decoder.model.train()
    began, place = time.perf_counter(), 0
    while time.perf_counter() - began < seconds:
        started = time.perf_counter()
        update(Writer(decoder), accelerator, optimizer, parameters, rows, recipe, Progress(step=1))
        if place:
            print(time.perf_counter() - started, flush=True)
        place += 1


@contextmanager
def company(busy: bool) -> Iterator[None]:
    """A loop on one core, or none."""
    process = subprocess.Popen([sys.executable, "-c", LOOP]) if busy else None
    try:
        yield
    finally:
        if process is not None:
            process.kill()
            process.wait()


def measured(spins: str, busy: bool, seconds: float) -> list[float]:
    """Seconds of the updates of one process."""
    command = [sys.executable, __file__, "--updates", str(seconds)]
    with company(busy):
        found = subprocess.run(
            command, env={**os.environ, "GOMP_SPINCOUNT": spins}, capture_output=True, text=True, check=True
        )
    return [float(line) for line in found.stdout.split()] or [seconds]


def main() -> None:
    """Measures all four and prints the closing line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--updates", type=float, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.updates is not None:
        updates(options.updates)
        return
    times: dict[tuple[str, bool], list[float]] = {}
    for _ in range(options.repeats):
        for busy in (False, True):
            for name, spins in SPUN.items():
                times.setdefault((name, busy), []).extend(measured(spins, busy, options.seconds))
    medians = {case: statistics.median(own) for case, own in times.items()}
    figures = {
        f"{name}, {'beside a busy process' if busy else 'alone'}": figure(
            value, "s", n=len(times[name, busy])
        )
        for (name, busy), value in medians.items()
    }
    for busy in (False, True):
        ratio = medians["libgomp's spin", busy] / medians["ours", busy]
        figures[f"times faster {'beside a busy process' if busy else 'alone'}"] = figure(ratio, "x")
    print(closing_line(figures))


if __name__ == "__main__":
    main()
