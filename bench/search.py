"""A search for an arm's settings against its default settings, both refitted on three seeds.

    python bench/search.py --data FOLDER [--arm encoder] [--only SET ...] [--rows 300] [--test-rows 300]

FOLDER holds the sets as `bench/tasks.py` describes them. Eight trials are made on each set's validation rows;
the defaults are one of them. The figure is the mean over sets of searched minus default on the test rows:
each set's interval is a bootstrap over rows and seeds, and the interval of their mean takes the sets as
independent. A bench that is stopped goes on; results go to bench/results/search/, scores and no text.
"""

import argparse
import os
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from common import closing_line, figure, kept, parser_of
from one_arm import drawn_job, one_arm, paired
from tuneworthy.core.job import SearchSpec

PLACE = Path(__file__).parent.parent / ".bench" / "search"
RESULTS = Path(__file__).parent / "results" / "search"
SHORT = ("trec", "tweet_sentiment", "banking77", "tos_unfair_binary")
NORMAL = 1.96
Row = dict[str, Any]


def measure(name: str, options: argparse.Namespace) -> Row:
    """One set: the defaults, then the search; what is kept of it."""
    place = PLACE / f"{name}-{options.rows}-{options.test_rows}-{options.seed}"
    os.environ["TUNEWORTHY_WORKSPACE"] = str(place)
    job, rows = drawn_job(name, options.data, place, options.rows, options.test_rows, options.seed)
    job = job.model_copy(update={"seeds": 3})
    default = one_arm(job, options.arm, place / f"{options.arm}-default")
    spec = SearchSpec(trials=options.trials)
    found = one_arm(job.model_copy(update={"search": spec}), options.arm, place / f"{options.arm}-search")
    [study] = found.studies
    gain = paired(found, default, ("searched", "default"))
    reported = ("difference", "low", "high", "p_two_sided", "n", "interval")
    return {
        "set": name,
        "arm": options.arm,
        "rows": rows,
        "default": default.score,
        "gain": {key: getattr(gain, key) for key in reported},
        "fits": study["fits"],
        "validation_rows": study["validation_rows"],
        "because": study["because"],
        "chosen": study["chosen"],
        "trials": [
            {key: trial[key] for key in ("number", "values", "score", "log_loss", "share")}
            for trial in study["trials"]
        ],
        "minutes": {"default": default.minutes, "search": found.minutes},
    }


def main() -> None:
    """Measures the sets asked for and prints a line for each and the figures."""
    parser = parser_of(__doc__, SHORT)
    parser.add_argument("--arm", default="encoder", help="an arm that has settings to search")
    parser.add_argument("--trials", type=int, default=8)
    options = parser.parse_args()
    found = []
    for name in options.only:
        file = RESULTS / f"{options.arm}-{name}.json"
        one = kept(file, options.again, partial(measure, name, options))
        found.append(one)
        gain = one["gain"]
        print(
            f"{name}: {options.arm} {100 * one['default']['value']:.1f}, search "
            f"{100 * gain['difference']:+.1f} ({ends(gain)}), {one['fits']} fits: {one['because']}",
            flush=True,
        )
    gains = np.array([one["gain"]["difference"] for one in found])
    error = float(np.sqrt((np.array([error_of(one) for one in found]) ** 2).sum()) / len(found))
    mean = float(gains.mean())
    worse = sum(one["gain"]["high"] is not None and one["gain"]["high"] < 0 for one in found)
    print(
        closing_line(
            {
                f"{options.arm}: mean gain of the search": figure(100 * mean, "points", n=len(found)),
                "its interval, low": figure(100 * (mean - NORMAL * error), "points"),
                "its interval, high": figure(100 * (mean + NORMAL * error), "points"),
                "sets on which it is significantly worse": figure(worse, "sets", 0, True, len(found)),
                "search, in fits of the default": figure(max(one["fits"] for one in found), "fits", 4, True),
            }
        )
    )


def error_of(one: Row) -> float:
    """Standard error of a set's gain: none where the defaults stayed, for then the same fits are compared.

    A set on which other settings answer nearly alike has no interval, and half a point stands in for it.
    """
    gain = one["gain"]
    if one["chosen"] == 0:
        return 0.0
    return 0.005 if gain["low"] is None else (gain["high"] - gain["low"]) / (2 * NORMAL)


def ends(gain: Row) -> str:
    """The interval in points, or that there is none: the arms answered alike."""
    if gain["low"] is None:
        return "no interval: too few rows differ"
    return f"{100 * gain['low']:.1f} to {100 * gain['high']:.1f}"


if __name__ == "__main__":
    main()
