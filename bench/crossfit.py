"""One real crossfit with a fine-tuned arm: what its verdict costs where the truth is known.

    python bench/crossfit.py --data FOLDER [--only trec] [--rows 100] [--seed 0]

The arms of `bench/bank.py` are fitted by five folds on N rows, as the main job does, and every fold's models
are asked the whole test file besides: their mean score there is what is true of the arm. The verdict is that
of the N crossfitted answers. About 20 minutes of one Zen 4 core for 100 short rows, most of them five fits of
lora; a bench that was stopped goes on. Leaves `bench/results/crossfit/<set>-<N>-<seed>.json`: hashes of the
rows, a 1 or a 0 per row and fold for right or wrong.
"""

import argparse
import os
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from bank import ARMS, ONCE, SETS, WHOLE
from common import closing_line, figure, kept, parser_of
from job_rules import decided_on
from one_arm import Measured, drawn_job, one_arm
from tuneworthy.core.example import RowSet
from tuneworthy.core.job import Job
from tuneworthy.data.loading import load
from tuneworthy.data.splits import Split, make_split

PLACE = Path(__file__).parent.parent / ".bench" / "crossfit"
RESULTS = Path(__file__).parent / "results" / "crossfit"
Row = dict[str, Any]


def splits(job: Job) -> tuple[Split, Split]:
    """The job's crossfit, and the same with every fold asked the test file too."""
    data = load(job)
    rows, test = data.trainable(), [row.id for row in data.scorable_test()]
    plain = make_split(rows, "crossfit", job.folds, job.test_fraction, job.validation_fraction, job.seed)
    row_sets, folds = dict(plain.row_sets), []
    for fold in plain.folds:
        asked = RowSet.of([*plain.rows(fold.predict), *test])
        row_sets[asked.address] = asked.ids
        folds.append(fold.model_copy(update={"predict": asked.address}))
    return plain, plain.model_copy(update={"folds": tuple(folds), "row_sets": row_sets})


def by_fold(found: Measured, split: Split, targets: dict[str, str]) -> list[dict[str, bool]]:
    """Right or wrong by row, one table a fold."""
    answers, told = iter(found.output.predictions), []
    for fold in split.folds:
        given = [next(answers) for _ in split.rows(fold.predict)]
        told.append({one.example_id: one.value == targets[one.example_id] for one in given})
    return told


def measure(name: str, options: argparse.Namespace) -> Row:
    """Every arm crossfitted, with its models' answers to the test file, and the verdict."""
    place = PLACE / f"{name}-{options.rows}-{options.seed}"
    os.environ["TUNEWORTHY_WORKSPACE"] = str(place)
    job, hashes = drawn_job(name, options.data, place, options.rows, WHOLE, options.seed)
    data = load(job)
    rows, test = data.trainable(), data.scorable_test()
    targets = {row.id: str(row.target) for row in (*rows, *test)}
    plain, widened = splits(job)
    arms: Row = {}
    for arm in (*ARMS, ONCE[0]):
        folds = len(plain.folds)
        asked_once = (
            arm == ONCE[0]
        )  # it learns next to nothing from a fold: the last one's answers are enough
        split = widened
        if asked_once:
            split = widened.model_copy(update={"folds": (*plain.folds[: folds - 1], widened.folds[-1])})
        found = one_arm(job, arm, place / arm, split)
        told = by_fold(found, split, targets)
        inside = {row: known for table in told for row, known in table.items()}
        models = told[-1:] if asked_once else told
        arms[arm] = {
            "inside": bits(inside[row.id] for row in rows),
            "outside": [bits(table[row.id] for row in test) for table in models],
            "minutes": found.minutes,
        }
    return {"set": name, "count": len(rows), "seed": options.seed, "rows": hashes, "arms": arms}


def bits(known: Any) -> str:
    """A 1 or a 0 per row."""
    return "".join("1" if one else "0" for one in known)


def ruled(one: Row) -> Row:
    """The verdict on the crossfitted answers, the true scores and the regret, in points."""
    names = list(one["arms"])
    right = {arm: [bit == "1" for bit in one["arms"][arm]["inside"]] for arm in names}
    minutes = {arm: one["arms"][arm]["minutes"] for arm in names}
    verdict = decided_on(right, minutes, one["count"])
    truth = {
        arm: float(np.mean([[bit == "1" for bit in fold] for fold in one["arms"][arm]["outside"]]))
        for arm in names
    }
    measured = {arm: float(np.mean(right[arm])) for arm in names}
    return {
        "decision": verdict.decision,
        "recommended": verdict.recommended_method,
        "measured": measured,
        "truth": truth,
        "regret": 100 * (max(truth.values()) - truth[verdict.recommended_method]),
    }


def main() -> None:
    """Measures what is missing, and prints for each set the scores, the verdict and its regret."""
    parser = parser_of(__doc__, SETS, rows=100)
    parser.set_defaults(only=["trec"])
    options = parser.parse_args()
    figures: Row = {}
    for name in options.only:
        file = RESULTS / f"{name}-{options.rows}-{options.seed}.json"
        told = ruled(kept(file, options.again, partial(measure, name, options)))
        scores = ", ".join(
            f"{arm} {100 * told['measured'][arm]:.1f} (truly {100 * value:.1f})"
            for arm, value in told["truth"].items()
        )
        print(f"{name}, {options.rows} rows: {scores}; {told['decision']}, {told['recommended']}", flush=True)
        figures[f"regret on {name}"] = figure(told["regret"], "points", 1.5, True)
    print(closing_line(figures))


if __name__ == "__main__":
    main()
