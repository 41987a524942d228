"""Do 95% intervals hold the truth 95 times in 100, and how often is a win claimed where there is none?

    python bench/coverage.py --data FOLDER [--only PART ...] [--draws 1000]

Every arm is fitted on 300 training rows (entities: on all of them) and answers a whole test file once; only
`span` and `tagger` need a model, MiniLM, which takes 100 updates: intervals are measured, not fits. Its
outcomes per row are then frozen: the file's own score is the truth, exactly, and samples of n rows are drawn
from it with replacement.

| part | what is counted |
|---|---|
| a metric | samples of n = 50, 100, 300 whose interval holds the truth (macro-F1: five rows a label) |
| false_wins | samples whose verdict is "fine_tune" though none of eight tuned arms is better |
| power | the same where one of three is better by 3, 5 or 10 points, beside exact McNemar after Holm |
| speed | seconds to score 12 arms with 5 seeds each on 1,000 rows with 10,000 resamples |

Arms that are no better are fits of one method on different training rows, whose outcomes are dealt anew among
them in every row of a sample: equal by construction, and correlated as real fits are.
"""

import argparse
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from common import closing_line, figure, kept, parser_of, setting_of
from tasks import SETS, Set, read, written
from tuneworthy.core.evidence import Arm, Comparison, Cost, Evidence, Thresholds, holm
from tuneworthy.core.example import Example
from tuneworthy.core.job import DataSpec, Job
from tuneworthy.core.prediction import Prediction
from tuneworthy.core.unit import ArmKind, ModelRole
from tuneworthy.data.loading import load
from tuneworthy.evaluation.assemble import ArmOutput, score_arms
from tuneworthy.evaluation.intervals import estimate
from tuneworthy.evaluation.paired import compare
from tuneworthy.methods import METHODS
from tuneworthy.metrics import METRICS
from tuneworthy.models.resolve import resolve
from tuneworthy.tasks import TASKS, form_of
from tuneworthy.verdict.rules import decide

RESULTS = Path(__file__).parent / "results" / "coverage"
COUNTS = (50, 100, 300)
TRAINING, ALL = 300, 1_000_000
MEASURED: dict[str, tuple[tuple[str, str], ...]] = {
    "accuracy": (
        ("trec", "tfidf"),
        ("tweet_sentiment", "tfidf"),
        ("tos_clause_type", "tfidf"),
        ("banking77", "tfidf"),
    ),
    "macro_f1": (("trec", "tfidf"), ("tweet_sentiment", "tfidf"), ("tos_unfair_binary", "tfidf")),
    "exact_match": (("xquad_en", "span"), ("xquad_en", "sentence"), ("xquad_en", "nearest")),
    "answer_f1": (("xquad_en", "span"), ("xquad_en", "sentence"), ("xquad_en", "nearest")),
    "rouge_l": (("scitldr", "lead"), ("scitldr", "nearest")),
    "entity_f1": (("snips_slots", "tagger"), ("wnut17", "tagger"), ("wnut17", "dictionary")),
}
HEADS = {"span": {"max_steps": 100}, "tagger": {"max_steps": 100}}
PARTS = (*MEASURED, "false_wins", "power", "speed")
Row = dict[str, Any]


def as_entities(row: Row) -> Row:
    """A record of slots as a list of entities, one a slot."""
    found = [{"type": slot, "text": text} for slot, text in row["slots"].items()]
    return {**row, "slots": json.dumps(found, ensure_ascii=False)}


POOLS = {**SETS, "snips_slots": Set("token-classification", ("text",), "slots", convert=as_entities)}


@dataclass(frozen=True, eq=False)
class Frozen:
    """A metric whose parts per row are known: an answer is the number of a row of the pool."""

    of: Any
    table: NDArray[np.float64]

    def __getattr__(self, name: str) -> Any:
        return getattr(self.of, name)

    def parts(self, predictions: Sequence[Prediction], targets: Sequence[str], labels: Sequence[str]) -> Any:
        """Parts of the pool's rows that the answers number."""
        return self.table[[int(str(given.value)) for given in predictions]]


@cache
def parts_of(data: Path) -> dict[str, tuple[list[Example], list[Example]]]:
    """Training rows and the test file of every set, filled as they are asked for."""
    return {}


def rows_of(name: str, data: Path) -> tuple[list[Example], list[Example]]:
    """A set's training rows and its whole test file, as its task reads them."""
    known = parts_of(data)
    if name not in known:
        given = POOLS[name]
        with TemporaryDirectory() as place:
            files = [
                written(Path(place) / f"{name}-{part}.csv", read(data / name, part), given)
                for part in ("train", "test")
            ]
            spec = DataSpec(path=str(files[0]), input=given.input, target=given.target, test=str(files[1]))
            loaded = load(Job(data=spec, task=given.task), None, form_of(TASKS.get(given.task)))
        known[name] = list(loaded.trainable()), list(loaded.scorable_test())
    return known[name]


@cache
def answers(name: str, arm: str, data: Path, draw: int = 0, training: int = TRAINING) -> list[Prediction]:
    """What an arm fitted on some training rows answers to the test file."""
    train, test = rows_of(name, data)
    order = np.random.default_rng(draw).permutation(len(train))[:training]
    task = TASKS.get(POOLS[name].task)
    method = METHODS.get(arm)
    models: dict[ModelRole, Path] = {"embedder": resolve("minilm", print)} if arm in HEADS else {}
    setting = setting_of(task.name, task.labels(train), task.primary_metric(train), draw, models)
    fitted = method.fit(
        setting, method.Parameters(**HEADS.get(arm, {})), [train[int(i)] for i in sorted(order)], []
    )
    return fitted.predict([row.without_target() for row in test])


def coverage(metric_name: str, name: str, arm: str, options: argparse.Namespace) -> list[Row]:
    """The share of samples whose interval holds the pool's own score, by size of the sample."""
    _, test = rows_of(name, options.data)
    metric, targets = METRICS.get(metric_name), [str(row.target) for row in test]
    labels = TASKS.get(POOLS[name].task).labels(test)
    training = ALL if metric_name == "entity_f1" else TRAINING  # 300 tweets name few of the entities
    given = answers(name, arm, options.data, training=training)
    table = np.asarray(metric.parts(given, targets, labels), dtype=np.float64)
    truth = float(metric.value(table.sum(0)))
    frozen, rng, cells = Frozen(metric, table), np.random.default_rng(1), []
    rarest = (
        min(targets.count(label) for label in labels) / len(targets) if metric_name == "macro_f1" else 1.0
    )
    for count in COUNTS:
        if rarest * count < 5:
            continue
        held = absent = 0
        for sample in range(options.draws):
            drawn = rng.integers(0, len(test), count)
            rows = [Example(id=f"{i:04d}", input="", target=targets[at]) for i, at in enumerate(drawn)]
            some = [Prediction(example_id=f"{i:04d}", value=str(at)) for i, at in enumerate(drawn)]
            found = estimate(frozen, some, rows, labels, method=arm, resamples=1000, seed=sample)
            absent += found.low is None
            held += found.low is not None and found.low <= truth <= (found.high or 0)
        cells.append(
            {
                "set": name,
                "arm": arm,
                "n": count,
                "covered": held / max(1, options.draws - absent),
                "absent": absent / options.draws,
            }
        )
        print(metric_name, cells[-1], flush=True)
    return cells


def verdict_of(right: NDArray[np.bool_], untuned: int, gain: float) -> tuple[str, float]:
    """The decision on rows [n, arms] of right and wrong, and McNemar's least p after Holm's correction.

    The first arms are untuned, the others tuned; a baseline that is right on no row is added.
    """
    count, arms = right.shape
    rows = [Example(id=f"{i:04d}", input="", target="yes") for i in range(count)]
    kinds: list[ArmKind] = ["baseline"]
    kinds += ["classifier" if i < untuned else "tuned" for i in range(arms)]
    table = np.column_stack([np.zeros(count, dtype=bool), right])
    given = [
        [
            Prediction(example_id=row.id, value="yes" if known else "no")
            for row, known in zip(rows, column, strict=True)
        ]
        for column in table.T
    ]
    metric = METRICS.get("accuracy")
    made = tuple(
        Arm(
            method=f"arm{i}",
            kind=kind,
            estimate=estimate(metric, given[i], rows, ("no", "yes"), method=f"arm{i}", resamples=100),
            cost=Cost(
                method=f"arm{i}", fit_s=0, predict_s=0, rows_predicted=1, latency_s=0, seconds_per_1000=1
            ),
        )
        for i, kind in enumerate(kinds)
    )
    pairs: list[Comparison] = [
        compare(
            metric,
            given[i],
            given[j],
            rows,
            ("no", "yes"),
            method=f"arm{i}",
            against=f"arm{j}",
            resamples=100,
        )
        for i, one in enumerate(kinds)
        for j, other in enumerate(kinds)
        if one == "tuned" and other != "tuned"
    ]
    decision = decide(
        Evidence(
            metric="accuracy",
            arms=made,
            comparisons=tuple(pairs),
            thresholds=Thresholds(smallest_gain_worth_having=gain),
            rows=count,
            test_rows=count,
            protocol="crossfit",
        )
    ).decision
    against_first = [pair.p_greater for pair in pairs if pair.against == "arm1"]
    return decision, min(holm(against_first))


@cache
def fits(name: str, count: int, data: Path) -> NDArray[np.bool_]:
    """Right and wrong of so many fits of one method on different training rows, [test rows, fits]."""
    _, test = rows_of(name, data)
    return np.column_stack(
        [
            [
                given.value == row.target
                for given, row in zip(answers(name, "tfidf", data, draw, 200), test, strict=True)
            ]
            for draw in range(count)
        ]
    )


def dealt(pool: NDArray[np.bool_], count: int, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Rows of the pool, the outcomes of each dealt anew to the arms."""
    rows = pool[rng.integers(0, len(pool), count)]
    return rng.permuted(rows, axis=1)


def false_wins(options: argparse.Namespace) -> list[Row]:
    """How often one of eight arms that are no better is said to be."""
    cells = []
    for name in ("trec", "tweet_sentiment"):
        pool = fits(name, 9, options.data)
        for count in COUNTS:
            rng = np.random.default_rng(2)
            said = [
                verdict_of(dealt(pool, count, rng), 1, 0.0)[0] == "fine_tune"
                for _ in range(2 * options.draws)
            ]
            cells.append({"set": name, "n": count, "fine_tune": float(np.mean(said)), "samples": len(said)})
            print("false_wins", cells[-1], flush=True)
    return cells


def power(options: argparse.Namespace) -> list[Row]:
    """How often a true gain is found, beside exact McNemar under the same correction."""
    pool, cells = fits("trec", 9, options.data)[:, :4], []
    for points in (3, 5, 10):
        for count in COUNTS:
            rng, said, tested = np.random.default_rng(3), [], []
            wrong = 1 - pool.mean()
            for _ in range(options.draws):
                right = dealt(pool, count, rng)
                right[:, 1] |= rng.random(count) < points / 100 / wrong
                decision, p = verdict_of(right, 1, 0.0)
                said.append(decision == "fine_tune")
                tested.append(p <= 0.05)
            cells.append(
                {
                    "points": points,
                    "n": count,
                    "verdict": float(np.mean(said)),
                    "mcnemar": float(np.mean(tested)),
                }
            )
            print("power", cells[-1], flush=True)
    return cells


def speed(options: argparse.Namespace) -> list[Row]:
    """Seconds to score 12 arms, half of them tuned on five seeds, on 1,000 rows with 10,000 resamples."""
    rng, labels = np.random.default_rng(4), tuple("abcd")
    rows = {
        f"{i:04d}": Example(id=f"{i:04d}", input=f"{i} {'x' * rng.integers(10, 99)}", target=labels[i % 4])
        for i in range(1000)
    }

    def output(number: int) -> ArmOutput:
        def told() -> list[Prediction]:
            right = rng.random(1000) < 0.6 + 0.02 * number
            return [
                Prediction(example_id=row.id, value=row.target if known else labels[int(rng.integers(4))])
                for row, known in zip(rows.values(), right, strict=True)
            ]

        cost = {
            "fit_s": 1,
            "predict_s": 1,
            "rows_predicted": 1000,
            "latency_s": 1,
            "peak_memory_gib": 1,
            "threads": 1,
        }
        kind: ArmKind = "tuned" if number >= 6 else "classifier" if number else "baseline"
        return ArmOutput(f"arm{number}", kind, told(), [cost], tuple(told() for _ in range(4)))

    job = Job(data=DataSpec(path=""), resamples=10_000)
    outputs = [output(number) for number in range(12)]
    started = time.perf_counter()
    score_arms(outputs, rows, labels, "accuracy", ["accuracy", "macro_f1"], job, 1)
    return [{"seconds": time.perf_counter() - started}]


def measure(part: str, options: argparse.Namespace) -> Row:
    """One part's cells."""
    if part in MEASURED:
        return {
            "part": part,
            "cells": [cell for pair in MEASURED[part] for cell in coverage(part, *pair, options)],
        }
    parts = {"false_wins": false_wins, "power": power, "speed": speed}
    return {"part": part, "cells": parts[part](options)}


def main() -> None:
    """Measures the parts that are asked for and prints the closing line."""
    parser = parser_of(__doc__, PARTS)
    parser.add_argument("--draws", type=int, default=1000)
    options = parser.parse_args()
    found = {
        part: kept(RESULTS / f"{part}.json", options.again, partial(measure, part, options))["cells"]
        for part in options.only
    }
    figures = {}
    for part, cells in found.items():
        if part in MEASURED:
            shares = [100 * cell["covered"] for cell in cells if cell["absent"] < 0.5] or [0.0]
            figures[f"{part} covered, mean"] = figure(float(np.mean(shares)), "%", 93.0, n=len(shares))
            figures[f"{part} covered, least"] = figure(min(shares), "%", 91.0, n=len(shares))
        elif part == "false_wins":
            figures["false wins, most"] = figure(
                100 * max(cell["fine_tune"] for cell in cells), "%", 5.0, True
            )
        elif part == "power":
            lost = max(cell["mcnemar"] - cell["verdict"] for cell in cells)
            figures["power below McNemar's, most"] = figure(100 * lost, "points", 0.0, True)
        else:
            figures["scoring 12 arms"] = figure(cells[0]["seconds"], "s", 5.0, True)
    print(closing_line(figures))


if __name__ == "__main__":
    main()
