"""Inputs of every kind, by the ten thousand, to whatever reads what strangers write.

    python bench/fuzz.py --cases 100000                    # every target, its share of so many cases
    python bench/fuzz.py --cases 20000 --only readers job
    python bench/fuzz.py --coverage 300                    # coverage-guided (atheris), seconds a reader
    python bench/fuzz.py --replay cells 3 417              # case 417 of block 3 again, with its traceback

The promise of a case is the one of tests/properties: a result, or a `TuneworthyError` with a readable
sentence; five seconds of processor time; ten times its size and 64 MiB of memory; nothing left behind. A run
that was stopped goes on at its next block. `bench/results/fuzz/<target>.json` holds counts and the numbers of
failing cases, and no input: block and number make the case again.
"""

import argparse
import faulthandler
import importlib
import json
import os
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from common import closing_line, figure

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "bench" / "results" / "fuzz"
BLOCK = 1000  # cases of one process
HANG_S = 300  # by the clock, after which a case is taken for endless
FAILURES_KEPT = 20  # of a block
sys.path.insert(0, str(ROOT / "tests"))


def main() -> None:
    """Runs what is asked for, and says how it went."""
    targets: Any = importlib.import_module("properties.targets")
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cases", type=int, default=100_000)
    parser.add_argument("--only", nargs="+", choices=[*targets.GROUPS, *targets.SHARES], metavar="NAME")
    parser.add_argument("--coverage", type=int, default=0, metavar="SECONDS")
    parser.add_argument("--replay", nargs=3, metavar=("TARGET", "BLOCK", "CASE"))
    parser.add_argument("--block", nargs=3, help=argparse.SUPPRESS)
    parser.add_argument("--results", type=Path, default=RESULTS)
    asked = parser.parse_args()
    if asked.replay:
        name, block, case = asked.replay
        kept = json.loads((asked.results / f"{name}.json").read_text(encoding="utf-8"))
        run_block(name, int(block), kept[block]["asked"], only=int(case))
    elif asked.block:
        name, block, cases = asked.block
        run_block(name, int(block), int(cases))
    elif asked.coverage:
        from fuzz_coverage import guided

        guided(asked.coverage, asked.results)
    else:
        wanted = asked.only or list(targets.SHARES)
        names = [name for one in wanted for name in targets.GROUPS.get(one, (one,))]
        whole = sum(targets.SHARES.values())
        for name in names:
            run_target(name, max(1, asked.cases * targets.SHARES[name] // whole), asked.results)
    if not asked.block and not asked.replay:
        summary(asked.results)


def run_target(name: str, cases: int, results: Path) -> None:
    """Runs the blocks of a target that are not done yet, each in a process of its own."""
    kept = results / f"{name}.json"
    done: dict[str, Any] = json.loads(kept.read_text(encoding="utf-8")) if kept.exists() else {}
    for block in range(-(-cases // BLOCK)):
        size = min(BLOCK, cases - block * BLOCK)
        if done.get(str(block), {}).get("asked", 0) >= size:
            continue
        done[str(block)] = outcome_of(name, block, size)
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_text(json.dumps(done, indent=1) + "\n", encoding="utf-8")
        found = done[str(block)]
        print(f"{name} block {block}: {found['cases']} cases, {found['failures']} failures", flush=True)


def outcome_of(name: str, block: int, cases: int) -> dict[str, Any]:
    """One block in a process: its counts, or where it ended when it did not end by itself."""
    with tempfile.TemporaryDirectory() as folder:
        progress = Path(folder) / "progress"
        command = [sys.executable, str(Path(__file__)), "--block", name, str(block), str(cases)]
        ended = subprocess.run(
            command, env={**os.environ, "FUZZ_PROGRESS": str(progress)}, capture_output=True, text=True
        )
        if ended.returncode == 0:
            found: dict[str, Any] = json.loads(ended.stdout.strip().splitlines()[-1])
            return {"asked": cases, **found}
        at = int(progress.read_text(encoding="ascii") or 0) if progress.exists() else 0
        last = ended.stderr.strip().splitlines()[-1:] or [""]
        print(ended.stderr[-3000:], file=sys.stderr)
        failed = {"case": at, "what": f"the process ended with {ended.returncode}: {last[0][:200]}"}
        return {
            "asked": cases,
            "cases": at + 1,
            "refused": 0,
            "seconds": 0.0,
            "failures": 1,
            "failed": [failed],
        }


def run_block(name: str, block: int, cases: int, only: int | None = None) -> None:
    """Holds a target to its promise in so many cases and prints the counts; one case alone, loudly."""
    from hypothesis import HealthCheck, Phase, given, seed, settings

    importlib.import_module("properties.profile")
    promise: Any = importlib.import_module("properties.promise")
    counts: dict[str, Any] = {"cases": 0, "refused": 0, "seconds": 0.0, "failures": 0}
    counts |= {"worst_s": 0.0, "worst_mib": 0.0, "failed": []}
    progress = os.environ.get("FUZZ_PROGRESS")

    with promise.room() as folder, cases_of(name, block) as target:

        @seed(block)
        @settings(
            max_examples=cases,
            database=None,
            deadline=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(target.cases)
        def case_by_case(case: Any) -> None:
            number = counts["cases"]
            counts["cases"] += 1
            if only is not None and number >= only:
                if number == only:
                    print(repr(case)[:5000])
                    promise.hold(target, case, Path(folder))
                return
            if progress:
                Path(progress).write_text(str(number), encoding="ascii")
            faulthandler.dump_traceback_later(HANG_S, exit=True)
            try:
                found = promise.hold(target, case, Path(folder))
            except Exception as error:
                counts["failures"] += 1
                if len(counts["failed"]) < FAILURES_KEPT:
                    counts["failed"].append({"case": number, "what": where(error)})
                return
            finally:
                faulthandler.cancel_dump_traceback_later()
            counts["refused"] += found.refused
            counts["seconds"] += found.seconds
            counts["worst_s"] = max(counts["worst_s"], round(found.seconds, 2))
            counts["worst_mib"] = max(counts["worst_mib"], round(found.mebibytes, 1))

        case_by_case()
    counts["seconds"] = round(counts["seconds"], 2)
    if only is None:
        print(json.dumps(counts))


def where(error: Exception) -> str:
    """What was raised and where, without what it says: that may hold the input."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__} in {Path(last.filename).name}, line {last.lineno}"


@contextmanager
def cases_of(name: str, block: int) -> Iterator[Any]:
    """A target by name; those of the server with a server, its operations in turn, one a block."""
    if not name.startswith("http"):
        yield importlib.import_module("properties.targets").target_of(name)
        return
    import logging

    logging.disable(logging.CRITICAL)
    api: Any = importlib.import_module("properties.serving_api")
    with tempfile.TemporaryDirectory() as place, api.served(Path(place)) as running:
        operations = api.documented(running)
        yield api.bodies(running) if name == "http_bodies" else operations[block % len(operations)]


def summary(results: Path) -> None:
    """A line for each target, and the closing line of JSON."""
    figures: dict[str, Any] = {}
    totals = {"cases": 0, "failures": 0}
    for file in sorted(results.glob("*.json")):
        blocks = list(json.loads(file.read_text(encoding="utf-8")).values())
        cases, failures = (sum(block[key] for block in blocks) for key in ("cases", "failures"))
        refused, seconds = (sum(block[key] for block in blocks) for key in ("refused", "seconds"))
        worst_s, worst_mib = (
            max(block.get(key, 0.0) for block in blocks) for key in ("worst_s", "worst_mib")
        )
        print(
            f"{file.stem:<18}{cases:>8} cases {refused:>7} refused {failures:>4} failures {seconds:>8.1f} s  "
            f"worst {worst_s:.2f} s, {worst_mib:.0f} MiB"
        )
        totals = {"cases": totals["cases"] + cases, "failures": totals["failures"] + failures}
    figures["cases"] = figure(totals["cases"], "cases", goal=100_000)
    figures["failures"] = figure(totals["failures"], "cases", goal=0, lower_is_better=True, n=totals["cases"])
    print(closing_line(figures))


if __name__ == "__main__":
    main()
