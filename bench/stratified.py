"""Do folds that are stratified by label flatter an arm, and do folds dealt at random not?

    python bench/stratified.py --data FOLDER [--only SET ...] [--draws 20] [--counts 50 100]

The rows of every draw of `bench/cheap_draws.py` are crossfitted twice by tfidf and probe: by the main job's
stratified folds and by folds dealt at random, with equal texts together in both. A fold's model answers the
rows that no draw has, too, where a label of the draw is right. *Excess* is the crossfit score minus the mean
score of its models on those. Equal draws, so that the two are paired. About 20 minutes of one core for three
sets; each leaves `bench/results/stratified/<set>.json`: scores and no text.
"""

import argparse
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.model_selection import GroupKFold

from cheap_draws import answers, drawn_rows
from common import closing_line, figure, kept, parser_of
from tuneworthy.core.example import Example
from tuneworthy.data.repeats import group_keys
from tuneworthy.data.splits import folds_of
from tuneworthy.models.embedder import remembered_embeddings
from tuneworthy.models.resolve import resolve
from tuneworthy.tasks import TASKS

RESULTS = Path(__file__).parent / "results" / "stratified"
USED = ("trec", "tweet_sentiment", "tos_clause_type")
ARMS, FOLDS = ("tfidf", "probe"), 5
WAYS = ("stratified", "random")
Row = dict[str, Any]


def dealt(rows: Sequence[Example], way: str, seed: int) -> list[set[int]]:
    """Row numbers of each fold."""
    if way == "stratified":
        return folds_of(rows, FOLDS, seed)
    folds = GroupKFold(FOLDS, shuffle=True, random_state=seed)
    return [set(map(int, held)) for _, held in folds.split(np.zeros(len(rows)), groups=group_keys(rows))]


def crossfitted(arm: str, way: str, draw: int, rows: list[Example], others: list[Example]) -> list[float]:
    """The crossfit accuracy of a draw, and the mean accuracy of its folds' models on the other rows."""
    task, right, outside = TASKS.get("text-classification"), 0, []
    for number, held in enumerate(dealt(rows, way, draw)):
        learned = [row for i, row in enumerate(rows) if i not in held]
        asked = [*(rows[i] for i in sorted(held)), *others]
        told = answers(arm, "accuracy", task.labels(rows), draw + number, learned, asked)
        correct = [value == row.target for value, row in zip(told, asked, strict=True)]
        right += sum(correct[: len(held)])
        outside.append(np.mean(correct[len(held) :]))
    return [right / len(rows), float(np.mean(outside))]


def measure(name: str, options: argparse.Namespace) -> Row:
    """Both ways for every draw, arm and number of rows of a set."""
    cells, started = [], time.perf_counter()
    with remembered_embeddings(resolve("minilm", print)):
        for count in options.counts:
            for draw in range(options.draws):
                rows, others = drawn_rows(name, options.data, count, draw)
                known = {row.target for row in rows}
                others = [row for row in others if row.target in known]
                for arm in ARMS:
                    found = {way: crossfitted(arm, way, draw, rows, others) for way in WAYS}
                    cells.append({"rows": count, "draw": draw, "arm": arm, **found})
                print(name, count, draw, f"{time.perf_counter() - started:.0f} s", flush=True)
    return {"set": name, "cells": cells}


def figures_of(where: str, cells: list[Row]) -> Row:
    """Mean excess of either way and the difference, with intervals that resample a set's draws; spreads."""
    excess = {way: np.array([100 * (cell[way][0] - cell[way][1]) for cell in cells]) for way in WAYS}
    draws = np.unique(
        [f"{cell['set']} {cell['rows']} {cell['draw']}" for cell in cells], return_inverse=True
    )[1]
    weights = np.random.default_rng(7).multinomial(
        draws.max() + 1, np.full(draws.max() + 1, 1 / (draws.max() + 1)), 10_000
    )
    told: Row = {}
    for what, values in (
        *excess.items(),
        ("stratified less random", excess["stratified"] - excess["random"]),
    ):
        sums, counts = (np.bincount(draws, each) for each in (values, np.ones(len(values))))
        means = (weights @ sums) / (weights @ counts)
        told[f"excess {what}{where}"] = figure(values.mean(), "points", n=len(values)) | {
            "low": round(float(np.quantile(means, 0.025)), 2),
            "high": round(float(np.quantile(means, 0.975)), 2),
        }
    for way, values in excess.items():
        told[f"standard deviation of the excess {way}{where}"] = figure(
            values.std(ddof=1), "points", n=len(values)
        )
    return told


def main() -> None:
    """Measures the sets that are asked for; prints a line for each draw and the closing line."""
    parser = parser_of(__doc__, USED)
    parser.add_argument("--draws", type=int, default=20)
    parser.add_argument("--counts", type=int, nargs="+", default=[50, 100])
    options = parser.parse_args()
    results = [
        kept(RESULTS / f"{name}.json", options.again, partial(measure, name, options))
        for name in options.only
    ]
    cells = [cell | {"set": result["set"]} for result in results for cell in result["cells"]]
    told: Row = {}
    for count in sorted({cell["rows"] for cell in cells}):
        of_count = [cell for cell in cells if cell["rows"] == count]
        told |= figures_of(f", {count} rows", of_count)
        for arm in ARMS:
            told |= figures_of(f", {arm}, {count} rows", [cell for cell in of_count if cell["arm"] == arm])
    print(closing_line(told))


if __name__ == "__main__":
    main()
