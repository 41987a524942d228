"""Is the evidence right as often as it says? Intervals, the learning curve and the verdict, on public sets.

    python bench/calibration.py --data FOLDER [--only SET ...] [--draws 10]

For every set, N and draw, N rows are drawn from the training file and go through the main job's own split,
methods and statistics: the cheap arms are crossfitted, and refitted on all N and scored on the whole test
file, which gives the truth. Outcomes per row are kept in `.bench/calibration`, so that a run that was stopped
goes on; each set leaves `bench/results/calibration/<set>.json`, which holds scores and no text.

| question | how |
|---|---|
| learning curve | fitted on half of the rows and less, predicting the crossfit score on all |
| choice | score on the test file of the best arm there minus that of the arm with the best crossfit score |
"""

import argparse
import json
import time
from collections.abc import Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np

from common import closing_line, figure, kept, parser_of, setting_of
from tasks import SETS, read
from tuneworthy.core.example import Example
from tuneworthy.core.job import CurveSpec, DataSpec, Job
from tuneworthy.core.prediction import Prediction
from tuneworthy.data.splits import make_split
from tuneworthy.evaluation.assemble import ArmOutput
from tuneworthy.evaluation.learning_curve import learning_curve
from tuneworthy.methods import METHODS
from tuneworthy.metrics import METRICS
from tuneworthy.models.embedder import remembered_embeddings
from tuneworthy.models.resolve import resolve
from tuneworthy.tasks import TASKS
from tuneworthy.units.curve import draw_parts

PLACE = Path(__file__).parent.parent / ".bench" / "calibration"
RESULTS = Path(__file__).parent / "results" / "calibration"
ARMS = ("majority", "tfidf", "probe")
ROWS = (100, 200, 300)
USED = (
    "trec",
    "tweet_sentiment",
    "tos_unfair_binary",
    "tos_clause_type",
    "banking77",
)
Row = dict[str, Any]


@cache
def pool(name: str, data: Path) -> dict[str, list[Example]]:
    """A set's rows as examples, by part."""
    given = SETS[name]
    parts: dict[str, list[Example]] = {}
    for part in ("train", "test"):
        parts[part] = [
            Example(
                id=f"{part}-{i}",
                input=row[given.input[0]]
                if len(given.input) == 1
                else "\n".join(f"{column}: {row[column]}" for column in given.input),
                target=str(row[given.target]),
                row=i,
            )
            for i, row in enumerate(read(data / name, part))
        ]
    return parts


def answers(
    arm: str, metric: str, labels: tuple[str, ...], seed: int, fit: Sequence[Example], ask: Sequence[Example]
) -> list[str]:
    """What an arm fitted on some rows answers to others."""
    method = METHODS.get(arm)
    setting = setting_of("text-classification", labels, metric, seed, {"embedder": resolve("minilm", print)})
    fitted = method.fit(setting, method.Parameters(), fit, [])
    return [str(given.value) for given in fitted.predict([row.without_target() for row in ask])]


def outcomes(name: str, data: Path, count: int, draw: int) -> Row:
    """Answers of one draw: crossfitted on parts of the rows and on all, and on the test file."""
    file = PLACE / f"{name}-{count}-{draw}.json"
    if file.exists():
        stored: Row = json.loads(file.read_text(encoding="utf-8"))
        return stored
    parts = pool(name, data)
    order = np.random.default_rng(100 + draw).permutation(len(parts["train"]))
    rows = [parts["train"][int(i)] for i in sorted(order[:count])]
    task = TASKS.get("text-classification")
    metric, labels = task.primary_metric(rows), task.labels(rows)
    job = Job(data=DataSpec(path=""), seed=draw, curve=CurveSpec())
    split = make_split(rows, "crossfit", job.folds, job.test_fraction, job.validation_fraction, draw)
    found = draw_parts(job, split, rows)
    split, by_id = found.split, {row.id: row for row in rows}
    made: dict[str, dict[str, list[str]]] = {}
    for arm in ARMS:
        shares: dict[str, list[str]] = {}
        for number, fold in enumerate(split.folds):
            ask = [by_id[row] for row in split.rows(fold.predict)]
            whole = [(1.0, fold.fit, fold.validation)]
            own = [(p.share, p.fit, p.validation) for p in found.parts if p.fold == number]
            for share, fit, validation in [*whole, *(own if arm != "majority" else [])]:
                learned = [by_id[row] for row in (*split.rows(fit), *split.rows(validation))]
                few = len({row.target for row in learned}) < 2  # such a size is left out
                told = answers(arm, metric, labels, draw + number, learned, ask) if not few else []
                shares.setdefault(str(share), []).extend(told)
        shares = {share: told for share, told in shares.items() if len(told) == count}
        made[arm] = shares | {"test": answers(arm, metric, labels, draw, rows, parts["test"])}
    kept_here = {
        "metric": metric,
        "labels": labels,
        "order": list(split.test_ids),
        "sizes": {share: round(float(share) * 0.8 * count) for share in made[ARMS[1]] if share != "test"},
        "arms": made,
    }
    PLACE.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(kept_here))
    return kept_here


def foreseen(found: Row, arm: str, rows: list[Example], seed: int) -> Row | None:
    """The crossfit score on all rows as the curve on half of them and less foresees it; None where silent."""
    metric, by_id = METRICS.get(found["metric"]), {row.id: row for row in rows}
    examples = [by_id[row] for row in found["order"]]

    def output(share: str) -> ArmOutput:
        pairs = zip(found["order"], found["arms"][arm][share], strict=True)
        return ArmOutput(
            arm, "classifier", [Prediction(example_id=row, value=value) for row, value in pairs], []
        )

    known = [share for share in found["sizes"] if float(share) <= 0.5 and share in found["arms"][arm]]
    half = found["sizes"].get("0.5")
    if half is None:
        return {"arm": arm, "silent": "no fit on half of the rows"}
    curve = learning_curve(
        metric,
        [(found["sizes"][share], output(share)) for share in known],
        half,
        examples,
        found["labels"],
        method=arm,
        confidence=0.95,
        resamples=1000,
        seed=seed,
    )
    if curve.growth is None or curve.top is None or curve.loss is None:
        return {"arm": arm, "silent": curve.reason}
    now = curve.top - curve.loss * (half / (curve.unit or 1)) ** -(curve.exponent or 1)
    measured = score(metric.name, found["arms"][arm]["1.0"], examples, found["labels"])
    at_half = score(metric.name, found["arms"][arm]["0.5"], examples, found["labels"])
    return {
        "arm": arm,
        "foreseen": now + curve.growth.gain,
        "low": now + curve.growth.low,
        "high": now + curve.growth.high,
        "measured": measured,
        "at_half": at_half,
    }


def score(metric: str, values: Sequence[str], rows: Sequence[Example], labels: Sequence[str]) -> float:
    """The metric of answers to rows."""
    scorer = METRICS.get(metric)
    given = [Prediction(example_id=row.id, value=value) for row, value in zip(rows, values, strict=True)]
    return float(scorer.value(scorer.parts(given, [str(row.target) for row in rows], labels).sum(0)))


def measure(name: str, options: argparse.Namespace) -> Row:
    """Every draw of a set: what the curves foresaw, and each arm's crossfit and true score."""
    cells, started = [], time.perf_counter()
    with remembered_embeddings(resolve("minilm", print)):
        for count in options.counts:
            for draw in range(options.draws):
                parts = pool(name, options.data)
                if len(parts["train"]) < count:
                    continue
                found = outcomes(name, options.data, count, draw)
                by_id = {row.id: row for row in parts["train"]}
                rows = [by_id[row] for row in found["order"]]
                arms = {
                    arm: [
                        score(found["metric"], found["arms"][arm]["1.0"], rows, found["labels"]),
                        score(found["metric"], found["arms"][arm]["test"], parts["test"], found["labels"]),
                    ]
                    for arm in ARMS
                }
                curves = [
                    foreseen(found, arm, rows, draw)
                    for arm in ARMS
                    if len(found["sizes"]) > 1 and arm != "majority"
                ]
                cells.append(
                    {
                        "rows": count,
                        "draw": draw,
                        "metric": found["metric"],
                        "arms": arms,
                        "curves": [c for c in curves if c],
                    }
                )
                print(name, count, draw, f"{time.perf_counter() - started:.0f} s", flush=True)
    return {"set": name, "cells": cells}


def curve_figures(where: str, cells: list[Row]) -> Row:
    """How far the curves of these tables are off, and how often their bands hold what was measured."""
    curves = [curve for cell in cells for curve in cell["curves"]]
    told = [curve for curve in curves if "foreseen" in curve]
    errors = [abs(curve["foreseen"] - curve["measured"]) for curve in told]
    flat = [abs(curve["at_half"] - curve["measured"]) for curve in told]
    covered = [curve["low"] <= curve["measured"] <= curve["high"] for curve in told]
    return {
        f"curve error{where}": figure(100 * float(np.mean(errors)), "points", 2.0, True, len(told)),
        f"curve error if nothing grew{where}": figure(100 * float(np.mean(flat)), "points", n=len(told)),
        f"curve band covers{where}": figure(100 * float(np.mean(covered)), "%", 85.0, n=len(told)),
        f"curves that are silent{where}": figure(len(curves) - len(told), "curves", n=len(curves)),
    }


def main() -> None:
    """Measures the sets that are asked for; prints a line for each and the closing line."""
    parser = parser_of(__doc__, USED)
    parser.add_argument("--draws", type=int, default=10)
    parser.add_argument("--counts", type=int, nargs="+", default=list(ROWS))
    options = parser.parse_args()
    results = [
        kept(RESULTS / f"{name}.json", options.again, partial(measure, name, options))
        for name in options.only
    ]
    cells = [cell for result in results for cell in result["cells"]]
    figures = curve_figures("", cells)
    for count in sorted({cell["rows"] for cell in cells}):
        figures |= curve_figures(f", {count} rows", [cell for cell in cells if cell["rows"] == count])
    regrets = []
    for cell in cells:
        best = max(cell["arms"], key=lambda arm: cell["arms"][arm][0])
        regrets.append(max(pair[1] for pair in cell["arms"].values()) - cell["arms"][best][1])
    figures["regret of the best crossfit score"] = figure(
        100 * float(np.mean(regrets)), "points", 1.5, True, len(regrets)
    )
    print(closing_line(figures))


if __name__ == "__main__":
    main()
