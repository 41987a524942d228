"""The demo job, timed: minutes in all and per arm, rows per second.

    python bench/demo.py [--output DIR]

A fresh run folder is used unless --output names one; the models are fetched before the clock starts.
"""

import argparse
import tempfile
import time
from pathlib import Path

import tuneworthy as tw
from common import closing_line, estimates, figure, unit_costs
from tuneworthy.models.resolve import resolve

JOB = Path(__file__).parent.parent / "examples" / "legal_clauses" / "job.yaml"
GOAL_MINUTES = 12.0


def main() -> None:
    """Runs the demo job once and prints its costs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=None)
    arguments = parser.parse_args()
    for name in ("smollm2-135m", "minilm"):
        resolve(name)
    output = arguments.output or Path(tempfile.mkdtemp(prefix="tuneworthy-demo-")) / "demo"
    started = time.perf_counter()
    run = tw.run(JOB, output=output)
    minutes = (time.perf_counter() - started) / 60
    figures = {"minutes": figure(minutes, "min", GOAL_MINUTES, lower_is_better=True)}
    print(f"{'unit':26} {'fit s':>8} {'predict s':>10} {'rows/s':>8} {'GiB':>6}")
    for cost in unit_costs(run.path):
        name = cost["method"] + (" (final)" if cost["purpose"] == "refit" else "")
        rate = cost["rows_predicted"] / cost["predict_s"] if cost["rows_predicted"] else 0.0
        print(
            f"{name:26} {cost['fit_s']:8.1f} {cost['predict_s']:10.1f} {rate:8.2f} "
            f"{cost['peak_memory_gib']:6.2f}"
        )
        figures[f"{name} minutes"] = figure((cost["fit_s"] + cost["predict_s"]) / 60, "min")
        if rate:
            figures[f"{name} rows per second"] = figure(rate, "rows/s")
    for name, item in estimates(run.path).items():
        figures[f"{name} accuracy"] = figure(item["value"], "share", n=item["n"])
    print(f"verdict: {run.verdict.decision}, {run.verdict.recommended_method}")
    print(closing_line(figures))


if __name__ == "__main__":
    main()
