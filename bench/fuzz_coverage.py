"""The coverage-guided half of `fuzz.py`: bytes that atheris turns until they reach new code of the readers.

    pip install atheris

It instruments this package's readers and the YAML parser. What is compiled (polars, calamine, Python's own
csv and json) it cannot see into. An input that fails is counted and not kept.
"""

import importlib
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from random import Random
from typing import Any

from fuzz import where

INSTRUMENTED = ["tuneworthy.data", "tuneworthy.tasks", "tuneworthy.metrics", "tuneworthy.core", "ruamel.yaml"]
READERS = ("csv", "jsonl", "txt", "job", "cell", "schema")
LONGEST = 4096  # bytes of an input
MEMORY_MIB = 4096
SEEDS = 40  # valid files to begin with


def guided(seconds: int, results: Path) -> None:
    """Runs each reader for so long, each in a process of its own, and keeps its counts."""
    try:
        importlib.import_module("atheris")
    except ImportError:
        sys.exit("coverage-guided inputs need atheris: pip install atheris")
    for name in READERS:
        with tempfile.TemporaryDirectory() as place:
            found = _one(name, seconds, Path(place))
        kept = results / f"coverage_{name}.json"
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_text(json.dumps({"0": found}, indent=1) + "\n", encoding="utf-8")
        print(f"coverage {name}: {found['cases']} cases, {found['failures']} failures", flush=True)


def _one(name: str, seconds: int, place: Path) -> dict[str, Any]:
    (place / "corpus").mkdir()
    command = [sys.executable, str(Path(__file__)), name, str(seconds), str(place)]
    ended = subprocess.run(command, capture_output=True, text=True, cwd=place, env=dict(os.environ))
    counted = re.search(r"stat::number_of_executed_units:\s*(\d+)", ended.stderr)
    reached = re.findall(r"cov: (\d+)", ended.stderr)
    told = place / "failed.jsonl"
    failed = (
        [json.loads(line) for line in told.read_text(encoding="utf-8").splitlines()] if told.exists() else []
    )
    if ended.returncode:
        failed.append({"what": f"the process ended with {ended.returncode}"})
        print(ended.stderr[-3000:], file=sys.stderr)
    return {
        "cases": int(counted.group(1)) if counted else 0,
        "reached": int(reached[-1]) if reached else 0,
        "refused": 0,
        "seconds": float(seconds),
        "failures": len(failed),
        "failed": failed[:20],
    }


def _child(name: str, seconds: int, place: Path) -> None:
    """Fuzzes one reader; libFuzzer ends the process."""
    atheris: Any = importlib.import_module("atheris")

    sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
    with atheris.instrument_imports(include=INSTRUMENTED):
        files: Any = importlib.import_module("properties.files")
        promise: Any = importlib.import_module("properties.promise")
        reading: Any = importlib.import_module("properties.reading")
        jobs: Any = importlib.import_module("properties.jobs")
        prompting: Any = importlib.import_module("properties.prompting") if name == "schema" else None
    (place / "room").mkdir()
    for number in range(SEEDS):
        made = jobs.job_of(Random(number)) if name == "job" else files.file_of(Random(number))
        if name not in ("csv", "jsonl") or made.name.endswith(name):
            (place / "corpus" / str(number)).write_bytes(made.content[:LONGEST])

    def one(data: bytes) -> None:
        if name in ("csv", "jsonl", "txt"):
            target = promise.Target(
                name, None, reading.read_text if name == "txt" else reading.read_file, len
            )
            case: Any = files.File(f"rows.{name}", data)
        elif name == "job":
            target, case = promise.Target(name, None, jobs.read_job), files.File("job.yaml", data)
        else:
            text = data.decode("utf-8", "replace").replace("\0", "") or "a"
            if name == "schema":
                target, case = promise.Target(name, None, prompting.use_schema), text
            else:
                task = reading.TASKS.names()[len(text) % len(reading.TASKS.names())]
                target, case = promise.Target(name, None, reading.read_cell), reading.Cell(task, text, text)
        try:
            promise.hold(promise.Target(name, None, target.run, lambda _: len(data)), case, place / "room")
        except Exception as error:
            with (place / "failed.jsonl").open("a", encoding="utf-8") as file:
                file.write(json.dumps({"what": where(error), "bytes": len(data)}) + "\n")

    limits = [
        f"-max_total_time={seconds}",
        f"-max_len={LONGEST}",
        f"-rss_limit_mb={MEMORY_MIB}",
        "-timeout=60",
    ]
    atheris.Setup([sys.argv[0], *limits, "-seed=1", "-print_final_stats=1", str(place / "corpus")], one)
    atheris.Fuzz()


if __name__ == "__main__":
    _child(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]))
