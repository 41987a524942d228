"""Every job in examples/, run as it stands: its verdict and scores beside what its header expects.

    python bench/examples.py [--only NAME ...] [--output DIR]

A run that was stopped goes on when DIR is the same.
"""

import argparse
import time
from pathlib import Path

import tuneworthy as tw
from common import closing_line, figure

EXAMPLES = Path(__file__).parent.parent / "examples"


def expected(job: Path) -> str:
    """The sentences of a job's header from "Expected:" on, or that there are none."""
    header = [line.removeprefix("#").strip() for line in job.read_text(encoding="utf-8").splitlines()]
    text = " ".join(header[: next(i for i, line in enumerate(header) if line.startswith("data:"))])
    return text[text.index("Expected:") :] if "Expected:" in text else "Expected: not said"


def main() -> None:
    """Runs the examples one after the other and prints what came of each."""
    names = sorted(folder.name for folder in EXAMPLES.iterdir() if (folder / "job.yaml").exists())
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="+", choices=names, default=names)
    parser.add_argument("--output", type=Path, default=Path(__file__).parent.parent / ".bench" / "examples")
    options = parser.parse_args()
    figures = {}
    for name in options.only:
        job = EXAMPLES / name / "job.yaml"
        started = time.perf_counter()
        run = tw.run(job, output=options.output / name)
        minutes = (time.perf_counter() - started) / 60
        metric = run.estimates[0].metric
        scores = {e.method: e for e in run.estimates if e.metric == metric and e.label is None}
        shown = ", ".join(
            f"{arm} {score.value:.3f}"
            + (f" ({score.low:.3f} to {score.high:.3f})" if score.low is not None else "")
            for arm, score in sorted(scores.items(), key=lambda item: -item[1].value)
        )
        print(f"{name}: {run.verdict.decision}, {run.verdict.recommended_method}; {metric} {shown}")
        print(f"  {expected(job)}")
        figures[f"{name}: {run.verdict.decision}"] = figure(
            minutes, "minutes", n=next(iter(scores.values())).n
        )
    print(closing_line(figures))


if __name__ == "__main__":
    main()
