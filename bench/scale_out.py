"""What a Ray cluster and a very long file cost, and what survives when a machine is lost.

    python bench/scale_out.py [--only jobs losses units predict] [--quick]

jobs     one job in process, on a Ray cluster of this machine, and on a test cluster of three nodes: the same
         predictions, estimates and verdict; and the time it takes once the cluster has started
losses   the driver killed with -9, or a node removed, in the middle, by turns: every run finishes with the
         same predictions, and no unit that was finished runs twice
units    simulated units that sleep half a second, on 2, 4 and 8 nodes of one CPU: the share of the ideal
         speed-up, the overhead of a unit, the projection to 10,000 units, and a plot in docs/images/
predict  a million short rows by the probe arm, and 200,000 by one that computes nothing (majority, so that
         reading and writing are all there is): memory, and a kill -9 half way

Nodes are processes of this machine (Ray's own test cluster): units that compute share its cores, so `jobs`
shows overhead and not speed-up; units that sleep share nothing, so `units` shows scheduling alone.
"""

import argparse
import csv
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from common import closing_line, figure
from scale_out_units import measured_units
from tuneworthy.runfolder.unit_output import is_finished

Row = dict[str, Any]
Figures = dict[str, Row]
PARTS = ("jobs", "losses", "units", "predict")
STORE = 80 * 2**20  # bytes of a test node's object store
TOPICS = {
    "refund": "refund money back reimburse payment charged twice",
    "delivery": "late parcel courier shipping delivered doorstep",
    "account": "password login profile email locked reset",
    "product": "broken screen scratch battery button noise",
}
FILLER = (
    "please",
    "today",
    "I",
    "need",
    "help",
    "with",
    "my",
    "the",
    "order",
    "again",
    "you",
    "since",
    "now",
)
SCRIPT = "import sys, json, tuneworthy as tw; tw.run(sys.argv[1], target='label', input='text', "
SCRIPT += "output=sys.argv[2], **json.loads(sys.argv[3]))"


def drawn_rows(count: int, seed: int) -> Iterator[Row]:
    """Rows of four topics: a few words of a topic among filler; every tenth has the words of another one."""
    rng = np.random.default_rng(seed)
    names = list(TOPICS)
    for number in range(count):
        label = names[number % len(names)]
        told = label if rng.random() > 0.1 else str(rng.choice(names))
        words = [*rng.choice(FILLER, 5), *rng.choice(TOPICS[told].split(), 2)]
        rng.shuffle(words)
        yield {"id": str(number), "text": " ".join(words), "label": label}


def table_of(path: Path, count: int, seed: int = 0, columns: Sequence[str] = ("id", "text", "label")) -> Path:
    """A CSV of such rows, written row by row."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(drawn_rows(count, seed))
    return path


@contextmanager
def cluster_of(nodes: int) -> Iterator[Any]:
    """A test cluster: the driver's node has no CPU, the others one each."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    from ray.cluster_utils import Cluster

    head = {"num_cpus": 0, "object_store_memory": STORE, "include_dashboard": False}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    try:
        for _ in range(nodes):
            cluster.add_node(num_cpus=1, object_store_memory=STORE)
        yield cluster
    finally:
        cluster.shutdown()


def begin(table: Path, output: Path, settings: Row) -> "subprocess.Popen[bytes]":
    """A job in a process of its own."""
    command = [sys.executable, "-c", SCRIPT, str(table), str(output), json.dumps(settings)]
    return subprocess.Popen(command, stderr=subprocess.DEVNULL)


def finish(process: "subprocess.Popen[bytes]") -> None:
    """Waits for it; an error is the bench's error."""
    if process.wait():
        raise RuntimeError("a job of the bench failed: run it by hand to see why")


def events_of(run: Path) -> list[Row]:
    """What the run has told so far, without a line that is just being written."""
    file = run / "events.jsonl"
    lines = file.read_text(encoding="utf-8").split("\n")[:-1] if file.exists() else []
    return [json.loads(line) for line in lines]


def outputs(run: Path) -> dict[str, str]:
    """Predictions by unit."""
    files = run.glob("units/*/predictions.jsonl")
    return {file.parent.name: file.read_text(encoding="utf-8") for file in files}


def seconds_once_started(run: Path) -> float:
    """From where units can run (the first stage, or the cluster's note) to the end of the run."""
    events = events_of(run)
    told = [event for event in events if str(event.get("text", "")).startswith("Units run on Ray")]
    first = told[0] if told else next(event for event in events if event["event"] == "stage_started")
    start, end = (datetime.fromisoformat(event["time"]) for event in (first, events[-1]))
    return (end - start).total_seconds()


def measured_jobs(place: Path, options: argparse.Namespace) -> Figures:
    """The same job in three places."""
    table = table_of(place / "rows.csv", options.rows)
    settings = settings_of(options)
    times: dict[str, list[float]] = {"process": [], "ray": [], "nodes": []}
    same = []
    for turn in range(options.turns):
        runs = {name: place / f"{name}-{turn}" / "run" for name in times}
        finish(begin(table, runs["process"], settings))
        finish(begin(table, runs["ray"], {**settings, "workers": "ray"}))
        with cluster_of(3) as cluster:
            finish(begin(table, runs["nodes"], {**settings, "workers": cluster.address}))
        for name, run in runs.items():
            times[name].append(seconds_once_started(run))
            same.append(same_results(run, runs["process"]))
            print(f"jobs, turn {turn + 1}: {name} {times[name][-1]:.1f} s")
    here = statistics.median(times["process"])
    return {
        "jobs: results that are the same": figure(sum(same) / len(same), "share", 1.0, n=len(same)),
        "jobs: in process": figure(here, "s", n=options.turns),
        "jobs: overhead of local Ray": figure(
            statistics.median(times["ray"]) / here - 1, "share", 0.15, True, options.turns
        ),
        "jobs: overhead of three nodes": figure(
            statistics.median(times["nodes"]) / here - 1, "share", 0.15, True, options.turns
        ),
    }


def same_results(run: Path, reference: Path) -> bool:
    """Whether predictions, estimates, comparisons and verdict are equal to the byte."""
    names = ("estimates.json", "comparisons.json", "verdict.json")
    files = all((run / name).read_bytes() == (reference / name).read_bytes() for name in names)
    return files and outputs(run) == outputs(reference)


def settings_of(options: argparse.Namespace) -> Row:
    """The job that is run: cross-fitted, one thread a unit."""
    return {
        "arms": options.arms.split(","),
        "base_model": options.base_model,
        "embedding_model": options.embedding_model,
        "protocol": "crossfit",
        "threads": 1,
        "resamples": 2000,
        "train_anyway": True,
        "forgetting": False,
        "curve": {"arms": []},
        **({"lora": {"max_steps": options.steps}} if options.steps else {}),
    }


def measured_losses(place: Path, options: argparse.Namespace) -> Figures:
    """Kills and removals by turns, each at a moment of its own."""
    table = table_of(place / "rows.csv", options.rows)
    settings = settings_of(options)
    finish(begin(table, place / "whole" / "run", settings))
    whole = place / "whole" / "run"
    rng = np.random.default_rng(options.seed)
    finished, twice = 0, 0
    with cluster_of(2) as cluster:
        for turn in range(options.times):
            run = place / f"lost-{turn}" / "run"
            asked = {**settings, "workers": cluster.address}
            process = begin(table, run, asked)
            wanted = int(rng.integers(1, len(outputs(whole)) - 1))
            while process.poll() is None and len(outputs(run)) < wanted:
                time.sleep(0.1)
            time.sleep(float(rng.uniform(0, 1)))
            if turn % 2 == 0:
                process.send_signal(signal.SIGKILL)
                process.wait()
            else:
                cluster.remove_node(next(iter(cluster.worker_nodes)), allow_graceful=False)
            there = {folder.name for folder in (run / "units").iterdir() if is_finished(folder)}
            told = len(events_of(run))
            if turn % 2 == 0:
                process = begin(table, run, asked)
            finish(process)
            if turn % 2:
                cluster.add_node(num_cpus=1, object_store_memory=STORE)
            starts = [event["unit"] if event["event"] == "unit_started" else "" for event in events_of(run)]
            before, again = set(starts[:told]), set(starts[told:]) - {""}
            twice += len(there & before & again)  # a first start may be told after the output is there
            finished += same_results(run, whole)
            what = "driver killed" if turn % 2 == 0 else "node removed"
            print(f"losses, {turn + 1}: {what} with {len(there)} units finished, {len(again)} run afterwards")
    return {
        "losses: runs that finish with the same results": figure(
            finished, f"of {options.times}", options.times, n=options.times
        ),
        "losses: finished units that ran twice": figure(twice, "units", 0, True, options.times),
    }


def measured_predict(place: Path, options: argparse.Namespace, arm: str, many: int) -> Figures:
    """A long file in a process of its own, killed half way, and its memory."""
    place.mkdir()
    settings = {**settings_of(options), "arms": [arm], "tune": False, "protocol": "holdout"}
    run = place / "run"
    finish(begin(table_of(place / "train.csv", 240), run, settings))
    data, output = table_of(place / "new.csv", many, 1, ("id", "text")), place / "out.csv"
    command = [sys.executable, "-m", "tuneworthy.cli.main", "predict", str(run), str(data), "-o", str(output)]
    started = time.perf_counter()
    first = followed(command, output, until=many // 2)
    kept = progress_of(output)
    second = followed(command, output, until=None)
    seconds = time.perf_counter() - started
    with output.open(newline="", encoding="utf-8") as file:
        ids = [row["id"] for row in csv.DictReader(file)]
    right = ids == [str(number) for number in range(many)]
    memory = {share: first[rows] for share, rows in near(first, many).items()}
    print(
        f"predict, {arm}: killed at {kept} rows; resident GiB by share of the rows: {memory}; whole {right}"
    )
    tail = max(second.values(), default=0.0)
    early = min(memory.values())
    return {
        f"predict, {arm}: every row once, in order, after a kill": figure(float(right), "share", 1.0, n=many),
        f"predict, {arm}: peak memory at the end": figure(tail, "GiB"),
        f"predict, {arm}: growth of peak memory": figure(tail / early - 1, "share", 0.1, True),
        f"predict, {arm}: rows a second": figure(many / seconds, "rows/s"),
    }


def near(seen: dict[int, float], rows: int) -> dict[float, int]:
    """For a tenth, a quarter and two fifths of the rows, the first moment that is past it."""
    found = {share: [done for done in seen if done >= share * rows] for share in (0.1, 0.25, 0.4)}
    return {share: min(later) for share, later in found.items() if later}


def followed(command: list[str], output: Path, until: int | None) -> dict[int, float]:
    """Runs it, killed with -9 at `until` rows; its peak resident GiB by the rows it had written."""
    process = psutil.Popen(command)
    seen: dict[int, float] = {}
    peak = 0.0
    while process.poll() is None:
        try:
            peak = max(peak, process.memory_info().rss / 2**30)
        except psutil.NoSuchProcess:
            break
        done = progress_of(output)
        if done:
            seen[done] = round(peak, 3)
        if until is not None and done >= until:
            process.send_signal(signal.SIGKILL)
            process.wait()
            return seen
        time.sleep(0.2)
    if process.wait():
        raise RuntimeError("predict failed")
    return seen


def progress_of(output: Path) -> int:
    """Rows that are written for good."""
    try:
        stored = json.loads(output.with_name(f".{output.name}.progress").read_text(encoding="utf-8"))
        return int(stored["counts"]["rows"])
    except (OSError, ValueError):
        return 0


def options_of() -> argparse.Namespace:
    """What to measure, and how much of it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--quick", action="store_true", help="3 losses, 300 units, 50,000 rows")
    parser.add_argument("--rows", type=int, default=300, help="of the table of jobs and losses")
    parser.add_argument("--arms", default="majority,tfidf,probe,lora")
    parser.add_argument("--steps", type=int, help="of a LoRA fit; default: its own rule")
    parser.add_argument("--base-model", default="smollm2-135m")
    parser.add_argument("--embedding-model", default="minilm")
    parser.add_argument("--turns", type=int, default=1, help="of jobs")
    parser.add_argument("--times", type=int, default=20, help="losses")
    parser.add_argument("--units", type=int, default=1000)
    parser.add_argument("--nodes", type=int, nargs="+", default=[2, 4, 8])
    parser.add_argument(
        "--many", type=int, default=1_000_000, help="rows to predict by probe; a fifth of them by majority"
    )
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    if options.quick:
        options.times, options.units, options.many = 3, 300, 50_000
    return options


def main() -> None:
    """Measures the parts that are asked for; the last line is JSON."""
    options = options_of()
    figures: Figures = {}
    for part in options.only:
        with tempfile.TemporaryDirectory(prefix="tuneworthy-scale-") as place:
            os.environ["TUNEWORTHY_WORKSPACE"] = place
            match part:
                case "jobs":
                    figures |= measured_jobs(Path(place), options)
                case "losses":
                    figures |= measured_losses(Path(place), options)
                case "units":
                    for nodes in options.nodes:
                        with cluster_of(nodes) as cluster:
                            figures |= measured_units(Path(place), cluster.address, nodes, options.units)
                case "predict":
                    figures |= measured_predict(Path(place) / "probe", options, "probe", options.many)
                    figures |= measured_predict(Path(place) / "stub", options, "majority", options.many // 5)
    if "units" in options.only:
        from scale_out_units import drawn

        print(f"plot: {drawn(figures)}")
    print(f"load of the machine, mean of the last minute: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    print(closing_line(figures))


if __name__ == "__main__":
    main()
