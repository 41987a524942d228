"""A bank of fits: which test rows each arm has right after learning from N rows, for `bench/verdicts.py`.

    python bench/bank.py --data FOLDER [--only SET ...] [--counts 50 100 300] [--draws 2]

Every cell of set, N and draw takes N training rows by seed and scores `lora` and the cheap arms on the
set's whole test file, through the main job's own units; `zero_shot`, which learns next to nothing from
rows, is scored once a set. 24 fits, by arithmetic about 90 minutes on two cores. A bench that was stopped
goes on; each cell leaves `bench/results/bank/<set>-<N>-<draw>.json`: hashes of the rows, numbers of the
test rows, and for each arm a 1 or a 0 per test row for right or wrong. Test rows whose label no training
row has are not asked, as in the main job. All four sets are scored by accuracy; nothing of a text or label
is kept.
"""

import argparse
import os
from functools import partial
from pathlib import Path
from typing import Any

from common import kept, parser_of
from one_arm import Measured, drawn_job, one_arm

PLACE = Path(__file__).parent.parent / ".bench" / "bank"
RESULTS = Path(__file__).parent / "results" / "bank"
SETS = ("trec", "tos_clause_type", "tweet_sentiment", "banking77")
COUNTS, DRAWS = (50, 100, 300), 2
WHOLE = 1_000_000  # test rows: all of the file
ONCE = ("zero_shot", 300, 0)  # the arm that is scored once a set, and the cell it is scored in
ARMS = ("majority", "tfidf", "probe", "lora")
Row = dict[str, Any]


def cell_file(name: str, count: int, draw: int) -> Path:
    """Where a cell's result is kept."""
    return RESULTS / f"{name}-{count}-{draw}.json"


def measure(name: str, count: int, draw: int, options: argparse.Namespace) -> Row:
    """One cell: every arm fitted on the same rows and asked the whole test file."""
    place = PLACE / f"{name}-{count}-{draw}"
    os.environ["TUNEWORTHY_WORKSPACE"] = str(place)
    job, rows = drawn_job(name, options.data, place, count, WHOLE, draw)
    arms = (*ARMS, ONCE[0]) if (count, draw) == ONCE[1:] else ARMS
    found = {arm: one_arm(job, arm, place / arm) for arm in arms}
    metrics = {one.question.metric for one in found.values()}
    if metrics != {"accuracy"}:
        raise ValueError(f"{name} is scored by {metrics}, whose parts would tell the targets")
    return {
        "set": name,
        "count": count,
        "draw": draw,
        "rows": rows,
        "asked": [row.row for row in found["lora"].rows],
        "arms": {arm: {"right": right(one), "minutes": one.minutes} for arm, one in found.items()},
    }


def right(one: Measured) -> str:
    """A 1 or a 0 per test row."""
    pairs = zip(one.output.predictions, one.rows, strict=True)
    return "".join("1" if given.value == row.target else "0" for given, row in pairs)


def main() -> None:
    """Makes the cells that are missing and prints a line for each."""
    parser = parser_of(__doc__, SETS)
    parser.add_argument("--counts", type=int, nargs="+", default=list(COUNTS))
    parser.add_argument("--draws", type=int, default=DRAWS)
    options = parser.parse_args()
    for name in options.only:
        for count in sorted(options.counts, reverse=True):
            for draw in range(options.draws):
                file = cell_file(name, count, draw)
                one = kept(file, options.again, partial(measure, name, count, draw, options))
                scores = {
                    arm: f"{100 * told['right'].count('1') / len(told['right']):.1f}"
                    for arm, told in one["arms"].items()
                }
                print(name, count, draw, scores, flush=True)


if __name__ == "__main__":
    main()
