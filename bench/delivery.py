"""What `tuneworthy serve` does for many clients: 50 at a time against one request after the other.

    python bench/delivery.py --data FOLDER [--requests 10000] [--arms probe lora] [--threads N] [--quick]

FOLDER holds `tos_clause_type/train.csv` and `test.csv` (columns company, clause, clause_type): clauses of
github.com/nlp-unibo/Multilingual-Unfair-Clause-Detection (English, CC BY 4.0). Each arm is fitted on
rows of the training file, lora for a few steps only: a server's speed does not depend on what was learned.
The server is `tuneworthy serve` in a process of its own; clients are coroutines on kept connections in this
one, on the same cores. Every answer is compared with the run's own prediction of that text in this process:
label and calibrated probabilities. One by one is measured before and after, so that other work weighs alike.
"""

import argparse
import asyncio
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil

import tuneworthy as tw
from common import closing_line, figure
from tasks import SETS, drawn, read, written
from tuneworthy.models.resolve import resolve
from tuneworthy.refitting import final_fit
from tuneworthy.runfolder.folder import RunFolder
from tuneworthy.serving.served import ServedRun, load_served
from tuneworthy.units.refit import read_unit

PLACE = Path(__file__).parents[1] / ".bench" / "delivery"
SET = "tos_clause_type"
CLIENTS = 50
GOAL = 5.0  # times one-by-one requests
GOAL_CALIBRATION = 0.05
NEAR_TIE = 1e-3  # of two probabilities: a batch adds numbers in another order
START_S = 600
HEAD = "POST /predict HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"


@dataclass(frozen=True)
class Load:
    """What an arm is asked.

    Attributes:
        rows: labelled rows that it is fitted on.
        settings: of its job.
        share: of the requests that 50 clients send.
        alone: requests one by one.
        refit: whether the arm is fitted on all rows once more; else the measured fit is served.
    """

    rows: int
    settings: dict[str, Any]
    share: float
    alone: int
    refit: bool


LOADS = {
    "probe": Load(300, {"protocol": "crossfit"}, 1.0, 200, True),
    "lora": Load(60, {"protocol": "holdout", "lora": {"max_steps": 4}, "train_anyway": True}, 0.3, 12, False),
}


@dataclass
class Asked:
    """One request and its answer."""

    text: str
    status: int
    body: dict[str, Any]
    seconds: float


def made(arm: str, data: Path) -> Path:
    """A run of an arm on rows of the set; a finished one is taken again."""
    load, given, place = LOADS[arm], SETS[SET], PLACE / arm
    place.mkdir(parents=True, exist_ok=True)
    os.environ["TUNEWORTHY_WORKSPACE"] = str(place)
    rows = drawn(read(data / SET, "train"), load.rows, 0, given.target, 2)
    table = written(place / "rows.csv", rows, given)
    settings = {**load.settings, "resamples": 500, "curve": {"arms": []}, "accept": ["TW002", "TW005"]}
    run = tw.run(
        table,
        input=given.input,
        target=given.target,
        output=place / "run",
        arms=["majority", arm],
        **settings,
    )
    folder = RunFolder(run.path)
    if load.refit:
        unit = final_fit(run.path, arm, print).unit
    else:
        units = [entry for stage in folder.read("plan.json")["stages"] for entry in stage["units"]]
        [fit] = [entry["address"] for entry in units if entry["method"] == arm]
        unit = read_unit(run.path, fit)
    folders = {role: str(resolve(ref.name)) for role, ref in unit.models.items()}
    folder.write("model.json", {"unit": unit.address, "method": arm, "folders": folders})
    return run.path


class Server:
    """`tuneworthy serve` of one arm, in a process of its own."""

    def __init__(self, run: Path, log: Path, threads: int) -> None:
        command = [sys.executable, "-m", "tuneworthy.cli.main", "serve", str(run), "--port", "0"]
        command += ["--threads", str(threads)] if threads else []
        with log.open("w") as out:
            self._process = subprocess.Popen(
                command, stdout=out, stderr=out, env={**os.environ, "PYTHONUNBUFFERED": "1"}
            )
        until = time.monotonic() + START_S
        while time.monotonic() < until and self._process.poll() is None:
            if found := re.search(r"serving on http://[^:]+:(\d+)", log.read_text()):
                self.port = int(found[1])
                return
            time.sleep(0.2)
        raise RuntimeError(log.read_text())

    @property
    def memory_mib(self) -> float:
        """Resident memory."""
        return float(psutil.Process(self._process.pid).memory_info().rss / 2**20)

    def stop(self) -> int:
        """SIGTERM; the exit status."""
        self._process.terminate()
        return self._process.wait(60)


async def client(port: int, texts: Sequence[str], found: list[Asked]) -> None:
    """One client on one kept connection: the next text once the last one is answered."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for text in texts:
        body = json.dumps({"input": text}).encode()
        head = f"{HEAD}Content-Length: {len(body)}\r\n\r\n"
        started = time.perf_counter()
        writer.write(head.encode() + body)
        status_line, _, rest = (await reader.readuntil(b"\r\n\r\n")).partition(b"\r\n")
        [length] = re.findall(rb"content-length: (\d+)", rest.lower())
        answer = json.loads(await reader.readexactly(int(length)))
        seconds = time.perf_counter() - started
        found.append(Asked(text, int(status_line.split()[1]), answer, seconds))
    writer.close()


def asked(port: int, texts: Sequence[str], clients: int) -> tuple[list[Asked], float]:
    """All texts, dealt out to so many clients; answers and seconds."""

    async def all_clients() -> list[Asked]:
        found: list[Asked] = []
        await asyncio.gather(*(client(port, texts[i::clients], found) for i in range(clients)))
        return found

    started = time.perf_counter()
    found = asyncio.run(all_clients())
    return found, time.perf_counter() - started


def expected(run: ServedRun, texts: Sequence[str]) -> dict[str, dict[str, float]]:
    """The run's own calibrated probabilities, by text, best first."""
    found = {}
    for text, one in zip(texts, run.predict(texts), strict=True):
        shares = run.probabilities(one) or {}
        found[text] = dict(sorted(shares.items(), key=lambda item: (item[0] != one.value, -item[1])))
    return found


def wrong(one: Asked, own: dict[str, float]) -> bool:
    """Whether an answer is not the run's: another label where it is no near-tie, or other probabilities."""
    if one.status != 200:
        return True
    shares: dict[str, float] = one.body["probabilities"]
    apart = max(abs(shares[label] - own[label]) for label in own)
    best = next(iter(own))
    return apart > NEAR_TIE or (one.body["label"] != best and own[best] - own[one.body["label"]] > NEAR_TIE)


def measured(arm: str, data: Path, requests: int, threads: int) -> dict[str, Any]:
    """Figures of one arm."""
    run, load = made(arm, data), LOADS[arm]
    served = load_served(final_fit(run), arm, 8192, False)
    count = max(CLIENTS, round(requests * load.share))
    rng = np.random.default_rng(0)
    pool = [str(row["clause"]) for row in read(data / SET, "test")]
    pool = list(dict.fromkeys(pool))[: min(count, 1000)]
    texts = [pool[i] for i in rng.integers(len(pool), size=count)]
    own = expected(served, pool)
    del served
    server = Server(run, PLACE / arm / "log", threads)
    try:
        asked(server.port, texts[: load.alone], load.alone)  # warm
        alone, alone_s = asked(server.port, texts[: load.alone], 1)
        before = server.memory_mib
        together, together_s = asked(server.port, texts, CLIENTS)
        after = server.memory_mib
        again, again_s = asked(server.port, texts[: load.alone], 1)
    finally:
        status = server.stop()
    single = (len(alone) + len(again)) / (alone_s + again_s)
    rate = len(together) / together_s
    times = np.array([one.seconds for one in together])
    bad = sum(wrong(one, own[one.text]) for one in [*alone, *together, *again])
    lost = count - len(together)
    print(
        f"{arm}: {count} requests by {CLIENTS} clients in {together_s:.1f} s ({rate:.1f}/s), one by one "
        f"{single:.1f}/s, p99 {np.quantile(times, 0.99):.2f} s, memory {before:.0f} to {after:.0f} MiB, "
        f"{lost} lost, {bad} wrong, exit {status}"
    )
    return {
        f"{arm}: 50 clients against one by one": figure(rate / single, "x", GOAL, n=count),
        f"{arm}: requests per second, 50 clients": figure(rate, "1/s", n=count),
        f"{arm}: requests per second, one by one": figure(single, "1/s", n=len(alone) + len(again)),
        f"{arm}: p99": figure(float(np.quantile(times, 0.99)), "s", n=count),
        f"{arm}: lost or wrong": figure(lost + bad, "answers", 0, lower_is_better=True, n=count),
        f"{arm}: memory growth": figure(after - before, "MiB", n=count),
        f"{arm}: memory": figure(after, "MiB", n=count),
    }


def calibration(run: Path, arm: str) -> dict[str, Any]:
    """What the temperature does to probabilities of rows that neither fit nor temperature have seen."""
    served = load_served(final_fit(run), arm, 8192, False)
    figures = {}
    for one in served.calibration.estimates:
        ends = f"[{one.low or 0:.3f}, {one.high or 0:.3f}]"
        print(f"{arm}, {one.method}: {one.metric} {one.value:.3f} {ends} n={one.n}")
        last = one.method == "calibrated" and one.metric == "debiased_calibration_error"
        goal = GOAL_CALIBRATION if last else None
        figures[f"{arm}: {one.metric}, {one.method}"] = figure(one.value, "", goal, True, one.n)
    return {
        **figures,
        f"{arm}: temperature": figure(served.calibration.temperature, "", n=served.calibration.rows),
    }


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--arms", nargs="+", choices=list(LOADS), default=list(LOADS))
    parser.add_argument("--threads", type=int, default=0, help="of the model; 0: all cores")
    parser.add_argument("--quick", action="store_true", help="1,000 requests in place of 10,000")
    options = parser.parse_args()
    requests = min(options.requests, 1000) if options.quick else options.requests
    figures: dict[str, Any] = {}
    for arm in options.arms:
        figures |= measured(arm, options.data.resolve(), requests, options.threads)
    if "probe" in options.arms:
        figures |= calibration(PLACE / "probe" / "run", "probe")
    print(closing_line(figures))


if __name__ == "__main__":
    main()
