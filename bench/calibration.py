"""Is the evidence right as often as it says? Learning curves and verdicts of cheap arms, on public sets.

    python bench/calibration.py --data FOLDER [--only SET ...] [--draws 20] [--curves 4] [--counts 50 100]

For every set, N and draw, N rows of both of its files go through the main job's own split, methods,
statistics and rules. What is true of a draw is what its folds' models score, on average, on the rows of these
files that no size of it has: 496 to 702. zero_shot is asked every row of a set once. The first draws have
curves as well, whose fits are much of the work: one core takes about 15 minutes for a set of six labels, 20
draws of four sizes and two with curves. Answers are kept (`bench/cheap_draws.py`), so that a run that was
stopped goes on; each set leaves `bench/results/calibration/<set>.json`: scores and no text.

| question | how |
|---|---|
| learning curve | fitted on half of the rows and less, predicting the crossfit score on all |
| growth | what that curve foresees from half of the rows to all, against the growth on the other rows |
| verdict | true score of the best arm minus that of the recommended arm, and of what policies would take |
| interval | draws of training rows whose 95% interval of a crossfit score holds the true one |
"""

import argparse
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import norm

from cheap_draws import FITTED, MOST, ONCE, asked_once, drawn_rows, likeliest, outcomes, pool
from common import closing_line, figure, kept, parser_of
from job_rules import decided
from tuneworthy.core.example import Example
from tuneworthy.core.prediction import Prediction
from tuneworthy.evaluation.assemble import ArmOutput
from tuneworthy.evaluation.intervals import estimate
from tuneworthy.evaluation.learning_curve import learning_curve
from tuneworthy.metrics import METRICS
from tuneworthy.models.embedder import remembered_embeddings
from tuneworthy.models.resolve import resolve

RESULTS = Path(__file__).parent / "results" / "calibration"
ROWS = (50, 100, 200, 300)
USED = (
    "trec",
    "tweet_sentiment",
    "tos_unfair_binary",
    "tos_clause_type",
    "banking77",
)
MINUTES = {"majority": 0.0, "tfidf": 0.02, "probe": 0.1, ONCE: 1.0}  # which arm is the cheaper
Row = dict[str, Any]


def foreseen(found: Row, arm: str, rows: list[Example], others: list[Example], seed: int) -> Row:
    """The crossfit score on all rows as the curve on half and less foresees it, or why it does not."""
    metric, by_id = METRICS.get(found["metric"]), {row.id: row for row in rows}
    examples = [by_id[row] for row in found["order"]]

    def output(share: str) -> ArmOutput:
        pairs = zip(found["order"], found["arms"][arm][share], strict=True)
        return ArmOutput(
            arm, "classifier", [Prediction(example_id=row, value=value) for row, value in pairs], []
        )

    known = [share for share in found["sizes"] if float(share) <= 0.5 and share in found["arms"][arm]]
    half = found["sizes"].get("0.5")
    if half is None or "0.5" not in found["arms"][arm]:
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
        "gain": curve.growth.gain,
        "true_gain": truth_of(found, arm, "1.0", others) - truth_of(found, arm, "0.5", others),
    }


def score(metric: str, values: Sequence[str], rows: Sequence[Example], labels: Sequence[str]) -> float:
    """The metric of answers to rows."""
    scorer = METRICS.get(metric)
    given = [Prediction(example_id=row.id, value=value) for row, value in zip(rows, values, strict=True)]
    return float(scorer.value(scorer.parts(given, [str(row.target) for row in rows], labels).sum(0)))


def truth_of(found: Row, arm: str, share: str, others: Sequence[Example]) -> float:
    """Mean score on rows that are not in the draw of the models that the folds fitted on a share of theirs.

    Rows with a label that the draw has not are not asked, as in the main job.
    """
    labels = set(found["labels"])
    at = [i for i, row in enumerate(others) if row.target in labels]
    rows = [others[i] for i in at]
    told = found["test"][arm][share]
    return float(
        np.mean([score(found["metric"], [one[i] for i in at], rows, found["labels"]) for one in told])
    )


def judged(name: str, data: Path, found: Row, rows: list[Example], others: list[Example]) -> Row:
    """The verdict on a draw, what its arms truly score, and what following it or a policy costs."""
    labels, scores = found["labels"], asked_once(name, data)
    asked = [row for row in others if row.target in set(labels)]
    untrained = {
        part: [likeliest(scores[row.id], labels) for row in some]
        for part, some in (("in", rows), ("out", asked))
    }
    values = {arm: found["arms"][arm]["1.0"] for arm in FITTED} | {ONCE: untrained["in"]}
    truth = {arm: truth_of(found, arm, "1.0", others) for arm in FITTED}
    truth[ONCE] = score(found["metric"], untrained["out"], asked, labels)
    given = {
        arm: [Prediction(example_id=row.id, value=value) for row, value in zip(rows, told, strict=True)]
        for arm, told in values.items()
    }
    verdict = decided(found["metric"], rows, given, labels, MINUTES, len(rows), resamples=1000)
    measured = {arm: score(found["metric"], told, rows, labels) for arm, told in values.items()}
    metric = METRICS.get(found["metric"])
    estimates = {
        arm: estimate(metric, told, rows, labels, method=arm, constant=arm == "majority", resamples=1000)
        for arm, told in given.items()
    }
    followed = {
        "the verdict": verdict.recommended_method,
        "highest score": max(measured, key=lambda arm: measured[arm]),
        "always tfidf": "tfidf",
        "always probe": "probe",
    }
    return {
        "decision": verdict.decision,
        "recommended": verdict.recommended_method,
        "arms": {arm: [measured[arm], truth[arm]] for arm in values},
        "intervals": {arm: [one.low, one.high] for arm, one in estimates.items()},
        "regret": {policy: max(truth.values()) - truth[arm] for policy, arm in followed.items()},
    }


def measure(name: str, options: argparse.Namespace) -> Row:
    """Every draw of a set: what the curves foresaw, the verdict and what is true."""
    cells, started = [], time.perf_counter()
    with remembered_embeddings(resolve("minilm", print)):
        for count in options.counts:
            for draw in range(options.draws):
                found = outcomes(name, options.data, count, draw, draw < options.curves)
                drawn, others = drawn_rows(name, options.data, count, draw)
                by_id = {row.id: row for row in drawn}
                rows = [by_id[row] for row in found["order"]]
                curved = [arm for arm in FITTED if arm != "majority" and draw < options.curves]
                cells.append(
                    {
                        "rows": count,
                        "draw": draw,
                        "metric": found["metric"],
                        "curves": [foreseen(found, arm, rows, others, draw) for arm in curved],
                        **judged(name, options.data, found, rows, others),
                    }
                )
                print(name, count, draw, f"{time.perf_counter() - started:.0f} s", flush=True)
    return {"set": name, "cells": cells}


def curve_figures(where: str, cells: list[Row]) -> Row:
    """How far the curves of these tables are off, and how often their bands hold what was measured."""
    curves = [curve for cell in cells for curve in cell["curves"]]
    told = [curve for curve in curves if "foreseen" in curve]
    if not told:
        return {}
    errors = [abs(curve["foreseen"] - curve["measured"]) for curve in told]
    flat = [abs(curve["at_half"] - curve["measured"]) for curve in told]
    covered = [curve["low"] <= curve["measured"] <= curve["high"] for curve in told]
    grown = [one["foreseen"] - one["gain"] + one["true_gain"] for one in told]  # from where the curve stands
    held = [one["low"] <= at <= one["high"] for one, at in zip(told, grown, strict=True)]
    return {
        f"curve error{where}": figure(100 * float(np.mean(errors)), "points", 2.0, True, len(told)),
        f"curve error if nothing grew{where}": figure(100 * float(np.mean(flat)), "points", n=len(told)),
        f"curve band covers{where}": figure(100 * float(np.mean(covered)), "%", 85.0, n=len(told)),
        f"error of the growth on other rows{where}": figure(
            100 * float(np.mean([abs(one["gain"] - one["true_gain"]) for one in told])), "points", n=len(told)
        ),
        f"its band covers{where}": figure(100 * float(np.mean(held)), "%", 85.0, n=len(told)),
        f"curves that are silent{where}": figure(len(curves) - len(told), "curves", n=len(curves)),
    }


def interval_figures(where: str, cells: list[Row]) -> Row:
    """How often an interval of an arm holds the mean score of its folds' models, where one is given."""
    told: Row = {}
    for arm in FITTED:
        ends = [(*cell["intervals"][arm], cell["arms"][arm][1]) for cell in cells]
        given = [(low <= truth <= high, truth < low) for low, high, truth in ends if low is not None]
        if given:
            held, above = (100 * float(np.mean(side)) for side in zip(*given, strict=True))
            told[f"intervals of {arm} cover{where}"] = figure(held, "%", n=len(given))
            told[f"intervals of {arm} lie above the true score{where}"] = figure(above, "%", n=len(given))
    told[f"right intervals would cover{where}"] = figure(
        100 * float(np.mean([nominal(cell["rows"], cell["others"]) for cell in cells])), "%", n=len(cells)
    )
    return told


def nominal(rows: int, others: int) -> float:
    """How often an exact 95% interval from so many rows holds a score on so many others, itself a sample."""
    return float(2 * norm.cdf(norm.ppf(0.975) / np.sqrt(1 + rows / others)) - 1)


def verdict_figures(where: str, cells: list[Row]) -> Row:
    """Regret of the verdict and of the policies with intervals that resample whole sets' draws; decisions."""
    rng = np.random.default_rng(7)
    told: Row = {}
    for policy in cells[0]["regret"]:
        regrets = np.array([100 * cell["regret"][policy] for cell in cells])
        means = regrets[rng.integers(0, len(regrets), (10_000, len(regrets)))].mean(axis=1)
        goal = 1.5 if policy == "the verdict" else None
        told[f"mean regret of {policy}{where}"] = figure(
            regrets.mean(), "points", goal, True, len(regrets)
        ) | {
            "low": round(float(np.quantile(means, 0.025)), 2),
            "high": round(float(np.quantile(means, 0.975)), 2),
        }
    own = [100 * cell["regret"]["the verdict"] for cell in cells]
    told[f"90th percentile of the verdict's regret{where}"] = figure(
        float(np.quantile(own, 0.9)), "points", n=len(own)
    )
    for decision in sorted({cell["decision"] for cell in cells}):
        share = np.mean([cell["decision"] == decision for cell in cells])
        told[f"verdicts {decision}{where}"] = figure(100 * float(share), "%", n=len(cells))
    return told


def main() -> None:
    """Measures the sets that are asked for; prints a line for each and the closing line."""
    parser = parser_of(__doc__, USED)
    parser.add_argument("--draws", type=int, default=20)
    parser.add_argument("--curves", type=int, default=4, help="draws that have learning curves too")
    parser.add_argument("--counts", type=int, nargs="+", default=list(ROWS))
    options = parser.parse_args()
    results = [
        kept(RESULTS / f"{name}.json", options.again, partial(measure, name, options))
        for name in options.only
    ]
    cells = [
        cell | {"set": result["set"], "others": len(pool(result["set"], options.data)) - MOST}
        for result in results
        for cell in result["cells"]
    ]
    figures = curve_figures("", cells) | verdict_figures("", cells) | interval_figures("", cells)
    for result in results:
        own = [cell for cell in cells if cell["set"] == result["set"]]
        figures |= interval_figures(f", {result['set']}", own)
    for count in sorted({cell["rows"] for cell in cells}):
        some = [cell for cell in cells if cell["rows"] == count]
        where = f", {count} rows"
        figures |= curve_figures(where, some) | verdict_figures(where, some) | interval_figures(where, some)
    print(closing_line(figures))


if __name__ == "__main__":
    main()
