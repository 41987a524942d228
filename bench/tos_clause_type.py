"""The main job on 300 real clauses of terms of service, with the set's own test file.

    python bench/tos_clause_type.py --data FOLDER [--seed 0] [--output DIR]

FOLDER holds `tos_clause_type/train.csv` and `test.csv` (columns company, clause, clause_type): sentences
with exactly one clause tag of github.com/nlp-unibo/Multilingual-Unfair-Clause-Detection (English, official
fold 0 by company, CC BY 4.0). 300 training rows are drawn at random. Nothing is tuned on the test file: the
run's ledger shows one opening.
"""

import argparse
import csv
import os
import tempfile
import time
from pathlib import Path

import numpy as np

import tuneworthy as tw
from common import closing_line, estimates, figure, unit_costs

ROWS = 300
GOAL_ACCURACY = 0.85


def draw(source: Path, target: Path, seed: int) -> Path:
    """Writes `ROWS` rows drawn at random from `source`, in their order there."""
    with source.open(newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))
    chosen = sorted(np.random.default_rng(seed).permutation(len(rows) - 1)[:ROWS])
    with target.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([rows[0], *(rows[1 + i] for i in chosen)])
    return target


def main() -> None:
    """Runs the job once and prints every arm beside the goal for lora."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, default=None)
    arguments = parser.parse_args()
    folder = arguments.data / "tos_clause_type"
    place = (arguments.output or Path(tempfile.mkdtemp(prefix="tuneworthy-tos-"))).absolute()
    place.mkdir(parents=True, exist_ok=True)
    os.environ.setdefault("TUNEWORTHY_WORKSPACE", str(place))
    table = draw(folder / "train.csv", place / f"train-{arguments.seed}.csv", arguments.seed)
    started = time.perf_counter()
    run = tw.run(
        table,
        input="clause",
        target="clause_type",
        test=folder / "test.csv",
        output=place / f"run-{arguments.seed}",
        seed=arguments.seed,
    )
    minutes = (time.perf_counter() - started) / 60
    figures = {"minutes": figure(minutes, "min")}
    for name, item in sorted(estimates(run.path).items(), key=lambda pair: -pair[1]["value"]):
        goal = GOAL_ACCURACY if name == "lora" else None
        figures[f"{name} accuracy"] = figure(item["value"], "share", goal, n=item["n"])
        print(f"{name:12} {item['value']:.3f} [{item['low']:.3f}, {item['high']:.3f}] n={item['n']}")
    for cost in unit_costs(run.path):
        name = cost["method"] + (" (final)" if cost["purpose"] == "refit" else "")
        print(f"{name:20} fit {cost['fit_s']:7.1f} s, predict {cost['predict_s']:7.1f} s")
    openings = len((run.path / "lockbox.jsonl").read_text(encoding="utf-8").splitlines())
    figures["openings of the test file"] = figure(openings, "openings", 1, lower_is_better=True)
    print(f"verdict: {run.verdict.decision}, {run.verdict.recommended_method}: {run.verdict.headline}")
    print(closing_line(figures))


if __name__ == "__main__":
    main()
