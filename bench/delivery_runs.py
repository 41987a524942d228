"""`tuneworthy runs` where there are many: the wall time of the command, and the processor's.

The runs are copies of the small files of one real run of three arms, each with a name and a time of its own.
"""

import os
import shutil
import subprocess
import sys
import time
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

import tuneworthy as tw
from common import figure
from delivery_common import PLACE
from tuneworthy.runfolder.events import event_line, read_event

COUNT, QUICK_COUNT = 10_000, 1_000
REPEATS = 3
KEPT = (
    "events.jsonl",
    "dataset.json",
    "evidence.json",
    "plan.json",
    "verdict.json",
    "estimates.json",
    "model.json",
    "checksums.jsonl",
)
WORDS = {"refund": "money back for the broken lamp", "delivery": "my parcel is late", "account": "no login"}


def measured(quick: bool) -> dict[str, Any]:
    """Seconds of the listing, of one that is sorted and filtered, and of the JSON of all."""
    count = QUICK_COUNT if quick else COUNT
    place = many(count)
    figures = {}
    for name, more in (
        ("the latest 50", []),
        ("sorted by score, the finished", ["--sort", "score", "--where", "state=finished"]),
        ("all as JSON", ["--json"]),
    ):
        wall, processor = seconds(["runs", str(place), *more])
        print(f"tuneworthy runs, {count} runs, {name}: {wall:.2f} s, {processor:.2f} s of processor")
        figures[f"runs: {name}"] = figure(wall, "s", n=count)
        figures[f"runs: {name}, processor"] = figure(processor, "s", n=count)
    figures["runs: the program alone"] = figure(seconds(["--version"])[0], "s")
    return figures


def many(count: int) -> Path:
    """A folder of so many runs; made where it is missing."""
    place = PLACE / f"runs-{count}"
    if (place / "whole").exists():
        return place
    shutil.rmtree(place, ignore_errors=True)
    rng = np.random.default_rng(0)
    rows = [{"text": f"{words} {i}", "label": label} for i in range(30) for label, words in WORDS.items()]
    original = PLACE / "runs-original"
    made = tw.run(
        rows, target="label", input="text", output=original, arms=["majority", "tfidf"], curve={"arms": []}
    ).path
    events = [read_event(line) for line in (made / "events.jsonl").read_bytes().splitlines()]
    for number in range(count):
        folder = place / f"{rng.integers(36**6):06x}-{number}"
        folder.mkdir(parents=True)
        for name in KEPT[1:]:
            shutil.copyfile(made / name, folder / name)
        shift = timedelta(minutes=int(rng.integers(500_000)))
        lines = [{**one, "time": (datetime.fromisoformat(one["time"]) - shift).isoformat()} for one in events]
        (folder / KEPT[0]).write_bytes(b"".join(event_line(line) for line in lines))
    (place / "whole").touch()
    return place


def seconds(arguments: list[str]) -> tuple[float, float]:
    """Wall and processor time of the command, each the median of a few."""
    command = [sys.executable, "-m", "tuneworthy.cli.main", *arguments]
    taken = []
    for _ in range(REPEATS):
        before, started = os.times(), time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        wall, after = time.perf_counter() - started, os.times()
        spent = after.children_user + after.children_system - before.children_user - before.children_system
        taken.append((wall, spent))
    walls, processors = zip(*taken, strict=True)
    return float(np.median(walls)), float(np.median(processors))
