"""Would a rule that knows how alike fine-tunes are find more than Holm's, at the same error?

    python bench/multiplicity.py --data FOLDER [--draws 1000]

Rows are drawn from frozen outcomes as in `bench/coverage.py`: fits of one method on different training rows,
dealt anew in every row, equal by construction; one tuned arm then gains. The claim is "better than every
untuned arm" of some tuned arm. Three corrections for several tuned arms:

- holm: exact McNemar, the largest p over untuned arms, Holm over tuned arms; what the verdict does.
- max_t: 499 random signs, the same for all pairs of a row; the largest over tuned arms of the studentised
  difference to the rival that each is least ahead of (Westfall & Young 1993; Romano & Wolf 2005).
- bound: the p values of holm; the least is compared with the least of as many normal variables, equally
  correlated at the lower 95% end of the least correlation of two tuned arms' differences (Dunnett & Tamhane
  1991; Slepian 1962).
"""

import argparse
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri
from scipy.stats import binom

from common import closing_line, figure, kept, parser_of
from coverage import dealt, fits

RESULTS = Path(__file__).parent / "results" / "multiplicity"
RULES = ("holm", "max_t", "bound")
COUNTS = (50, 100, 300)
ARMS = ((2, 1), (3, 1), (8, 1), (3, 3))  # tuned, untuned
SIGNS = 499
NODES, WEIGHTS = np.polynomial.hermite_e.hermegauss(64)
Matrix = NDArray[np.float64]
Row = dict[str, Any]


def exact(difference: Matrix) -> Matrix:
    """One-sided exact McNemar's p of every pair, from differences [rows, tuned, untuned]."""
    wins, discordant = (difference > 0).sum(0), (difference != 0).sum(0)
    return np.where(discordant > 0, binom.sf(wins - 1, discordant, 0.5), 1.0)


def max_t(difference: Matrix, rng: np.random.Generator) -> float:
    """p of the largest studentised difference, by random signs."""
    width = np.sqrt((difference**2).sum(0))
    z = difference.sum(0) / np.where(width > 0, width, np.inf)
    rival = z.argmin(1)
    tuned = np.arange(len(z))
    least, scale = difference[:, tuned, rival], width[tuned, rival]
    drawn = (
        rng.choice([-1.0, 1.0], size=(SIGNS, len(difference))) @ least / np.where(scale > 0, scale, np.inf)
    )
    beaten = int(np.count_nonzero(drawn.max(1) >= z.min(1).max() - 1e-9))
    return (1 + beaten) / (1 + SIGNS)


def bound(difference: Matrix) -> float:
    """The least p after correction for as many tuned arms, as alike as they are at least."""
    rows, tuned, untuned = difference.shape
    p = float(exact(difference).max(1).min())
    with np.errstate(invalid="ignore", divide="ignore"):
        alike = np.nan_to_num(np.corrcoef(difference.reshape(rows, -1).T))
    blocks = alike.reshape(tuned, untuned, tuned, untuned)
    least = min(float(blocks[a, :, b, :].min()) for a in range(tuned) for b in range(a))
    low = float(np.tanh(np.arctanh(np.clip(least, -0.99, 0.99)) - 1.645 / np.sqrt(rows - 3)))
    if low <= 0:
        return float(min(1.0, tuned * p))
    inside = ndtr((-ndtri(p) - np.sqrt(low) * NODES) / np.sqrt(1 - low)) ** tuned
    return 1 - float((WEIGHTS * inside).sum() / WEIGHTS.sum())


def shares(
    name: str, tuned: int, untuned: int, count: int, points: int, options: argparse.Namespace
) -> dict[str, float]:
    """How often each rule claims that a tuned arm is better than every untuned one."""
    pool, rng = fits(name, 9, options.data)[:, : tuned + untuned], np.random.default_rng(5)
    said = dict.fromkeys(RULES, 0)
    for _ in range(options.draws):
        right = dealt(pool, count, rng)
        if points:
            right[:, untuned] |= rng.random(count) < points / 100 / (1 - pool.mean())
        value = right.astype(float)
        difference = value[:, untuned:, None] - value[:, None, :untuned]
        said["holm"] += tuned * exact(difference).max(1).min() <= 0.05
        said["max_t"] += max_t(difference, rng) <= 0.05
        said["bound"] += bound(difference) <= 0.05
    return {rule: float(number) / options.draws for rule, number in said.items()}


def measure(name: str, options: argparse.Namespace) -> Row:
    """All cells of a set."""
    cells: list[Row] = []
    for tuned, untuned in ARMS:
        for count in COUNTS:
            for points in (0, 5, 10):
                found = shares(name, tuned, untuned, count, points, options)
                cells.append({"tuned": tuned, "untuned": untuned, "n": count, "points": points, **found})
                print(name, cells[-1], flush=True)
    return {"set": name, "draws": options.draws, "cells": cells}


def main() -> None:
    """Measures the sets that are asked for and prints the closing line."""
    parser = parser_of(__doc__, ("trec", "tweet_sentiment"))
    parser.add_argument("--draws", type=int, default=1000)
    options = parser.parse_args()
    cells = [
        cell
        for name in options.only
        for cell in kept(RESULTS / f"{name}.json", options.again, partial(measure, name, options))["cells"]
    ]
    equal = [cell for cell in cells if not cell["points"]]
    gain = [cell for cell in cells if cell["points"]]
    figures = {
        f"{rule}, said of equal arms at most": figure(
            100 * max(cell[rule] for cell in equal), "%", 5.0, True, len(equal)
        )
        for rule in RULES
    }
    for rule in RULES[1:]:
        more = [100 * (cell[rule] - cell["holm"]) for cell in gain]
        figures[f"{rule}, power above Holm, mean"] = figure(float(np.mean(more)), "points", n=len(gain))
        figures[f"{rule}, power above Holm, most"] = figure(max(more), "points", n=len(gain))
    print(closing_line(figures))


if __name__ == "__main__":
    main()
