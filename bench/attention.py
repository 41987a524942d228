"""An update of an encoder on a CPU: attention with our dropout, transformers' products, the fused kernel.

    python bench/attention.py [--tokens 16 40 128 350 512] [--texts 16] [--times 7]

MiniLM with a head for ten labels: forward and backward pass of random texts, in the 16 bits of a fit,
on one thread and on all. The three take turns, and the median of each is kept.
"""

import argparse
import random
import statistics
import time
from collections.abc import Sequence
from typing import Any

import torch

from common import closing_line, figure
from tuneworthy.engine import precision
from tuneworthy.engine.reader import Reader, ReadRow
from tuneworthy.models.dropped_attention import register_dropped_attention
from tuneworthy.models.hardware import cores
from tuneworthy.models.headed import load_headed
from tuneworthy.models.resolve import resolve

WAYS = {"ours": register_dropped_attention, "products": lambda: "eager", "fused": lambda: "sdpa"}


def seconds(reader: Reader, rows: Sequence[ReadRow], way: str) -> float:
    """Of one update's passes."""
    setattr(precision, "register_dropped_attention", WAYS[way])  # noqa: B010 - a name that is not exported
    started = time.perf_counter()
    for piece in reader.pieces(rows, 4096):
        torch.autograd.backward(reader.loss(piece))
    reader.model.zero_grad()
    return time.perf_counter() - started


def main() -> None:
    """Prints the table and the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tokens", nargs="+", type=int, default=[16, 40, 128, 350, 512])
    parser.add_argument("--texts", type=int, default=16)
    parser.add_argument("--times", type=int, default=7)
    options = parser.parse_args()
    folder = resolve("minilm")
    reader = Reader(load_headed(folder, "sequence", 10, 0), "sequence", "encoder", "bfloat16")
    reader.model.train()
    drawn = random.Random(0)
    figures: dict[str, Any] = {}
    for threads in sorted({1, cores()}):
        torch.set_num_threads(threads)
        for tokens in options.tokens:
            rows = [
                ReadRow(str(i), tuple(drawn.randrange(1000, 20000) for _ in range(tokens)), (i % 10,))
                for i in range(options.texts)
            ]
            taken: dict[str, list[float]] = {way: [] for way in WAYS}
            for turn in range(options.times + 1):
                for way in WAYS:
                    took = seconds(reader, rows, way)
                    if turn:  # the first warms up
                        taken[way].append(took)
            middle = {way: statistics.median(some) for way, some in taken.items()}
            print(
                f"{threads} threads, {options.texts} texts of {tokens} tokens: "
                + ", ".join(f"{way} {1000 * middle[way]:.0f} ms" for way in WAYS),
                flush=True,
            )
            for way in ("products", "fused"):
                name = f"{way} over ours, {threads} threads, {tokens} tokens"
                figures[name] = figure(middle[way] / middle["ours"], "times", n=options.times)
    print(closing_line(figures))


if __name__ == "__main__":
    main()
