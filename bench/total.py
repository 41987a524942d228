"""How long is a cross-fitted verdict on 300 short rows, whole and within a budget?

    python bench/total.py --data FOLDER [--budget 10m] [--seeds 1]

300 rows of trec (Li & Roth 2002, cogcomp.seas.upenn.edu), seven arms, SmolLM2-135M, five folds. Without
--budget nothing is left out. Models are fetched before the clock starts; the run folder is fresh.
"""

import json
import os
import tempfile
import time
from pathlib import Path
from typing import Any

import tuneworthy as tw
from common import closing_line, estimates, figure, parser_of
from tasks import SETS, drawn, read, written
from tuneworthy.core.duration import seconds_of
from tuneworthy.models.resolve import resolve

ARMS = ("majority", "tfidf", "probe", "zero_shot", "few_shot", "knn_shot", "lora")
GOAL_MINUTES = 30.0


def main() -> None:
    """Runs the job once and prints its minutes, what was left out, and the closing line."""
    parser = parser_of(__doc__, ["trec"])
    parser.add_argument("--budget", default=None, metavar="TIME")
    parser.add_argument("--seeds", type=int, default=1)
    options = parser.parse_args()
    given = SETS["trec"]
    for name in ("smollm2-135m", "minilm"):
        resolve(name)
    place = Path(tempfile.mkdtemp(prefix="tuneworthy-total-"))
    os.environ["TUNEWORTHY_WORKSPACE"] = str(place)
    rows = drawn(read(options.data / "trec", "train"), options.rows, options.seed)
    table = written(place / "trec.csv", rows, given)
    settings: dict[str, Any] = {"arms": ARMS, "protocol": "crossfit", "seeds": options.seeds}
    if options.budget:
        settings["budget"] = options.budget
    started = time.perf_counter()
    run = tw.run(table, target=given.target, input=given.input, output=place / "run", **settings)
    minutes = (time.perf_counter() - started) / 60
    goal = seconds_of(options.budget) / 60 if options.budget else GOAL_MINUTES if options.seeds == 1 else None
    figures = {"minutes": figure(minutes, "min", goal, lower_is_better=True)}
    for name, item in estimates(run.path).items():
        figures[f"{name} accuracy"] = figure(item["value"], "share", n=item["n"])
    for text in json.loads((run.path / "evidence.json").read_text(encoding="utf-8"))["left_out"]:
        print(text)
    print(f"verdict: {run.verdict.decision}, {run.verdict.recommended_method}; {run.path}")
    print(closing_line(figures))


if __name__ == "__main__":
    main()
