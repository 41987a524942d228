"""Load that does not end: mixed traffic on a server whose model is killed, ten thousand runs, a million rows.

    python bench/soak.py [--only traffic runs rows] [--minutes 30] [--clients 24] [--pause 0]
                         [--count 10000] [--rows 1000000]

traffic  `tuneworthy serve` of a probe under clients that ask one text or several, take part of an answer and
         hang up, send rubbish, and come too fast for the queue; the process that computes is killed every
         minute. Every answer is compared with the run's own: none may be lost, and none may be another
         client's. Memory of the server and of the process that computes; the longest queue
runs     `tuneworthy runs` and the page of runs where there are ten thousand
rows     `tuneworthy check` of a tenth of the rows and of all: seconds, and the most memory

Models are the small encoder by name; texts are drawn from a seed. What is measured lies in `.bench/soak/`.
"""

import argparse
import asyncio
import csv
import json
import random
import re
import subprocess
import sys
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

import tuneworthy as tw
from common import closing_line, figure
from delivery_common import Server, serve
from scale_out import drawn_rows
from tuneworthy.refitting import final_fit
from tuneworthy.serving.served import load_served
from tuneworthy.units.predictor import Predictor

PLACE = Path(__file__).parents[1] / ".bench" / "soak"
PARTS = ("traffic", "runs", "rows")
TEXTS = 400
QUEUE = 64  # rows that may wait: fewer than all clients ask for at once
KILL_S, LOOK_S = 60.0, 2.0
TRIES, PATIENCE_S = 60, 120.0
NEAR = 1e-3  # of two probabilities: a batch adds numbers in another order
RUBBISH = (
    b"",
    b"{",
    b"[1]",
    b'{"input": 7}',
    b'{"inputs": []}',
    b"\xff\xfe",
    b'{"input": "a", "model": "no"}',
)
Figures = dict[str, dict[str, Any]]
Answers = dict[str, dict[str, float]]


@dataclass
class Seen:
    """What clients and watchers found."""

    good: Counter[str] = field(default_factory=Counter)  # answers by sort of request
    lost: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    refused: int = 0  # with 429, and asked again
    hung_up: int = 0
    rubbish: Counter[int] = field(default_factory=Counter)  # by status
    kills: int = 0
    server_mib: list[float] = field(default_factory=list)
    worker_mib: list[float] = field(default_factory=list)
    waiting: int = 0
    slowest: float = 0.0


def run_of_probe() -> Path:
    """A probe on drawn rows; a finished run is taken again."""
    PLACE.mkdir(parents=True, exist_ok=True)
    return tw.run(
        list(drawn_rows(200, 0)),
        target="label",
        input="text",
        output=PLACE / "run",
        arms=["majority", "probe"],
        curve={"arms": []},
        forgetting=False,
        resamples=500,
        accept=["TW002", "TW005"],
    ).path


def own_answers(run: Path, texts: list[str]) -> Answers:
    """The run's calibrated probabilities by text."""
    fit = final_fit(run, "probe")
    served = load_served(fit, "own", 8192, False)
    found = Predictor(run, refit=fit).predict(texts)
    return {text: served.probabilities(one) or {} for text, one in zip(texts, found, strict=True)}


async def exchanged(port: int, route: str, body: bytes, hang_up: bool = False) -> tuple[int, dict[str, Any]]:
    """Status and answer of a request on a connection of its own; (0, {}) where the client hung up."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        head = f"POST {route} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n"
        head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        writer.write(head.encode() + body)
        await writer.drain()
        if hang_up:
            await asyncio.sleep(random.random() * 0.05)
            return 0, {}
        raw = await reader.read()
        top, _, rest = raw.partition(b"\r\n\r\n")
        return int(top.split()[1]), json.loads(rest)
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()


async def client(port: int, number: int, own: Answers, until: float, pause: float, seen: Seen) -> None:
    """Asks until the time is up, pausing so many seconds in the mean; what is refused is asked again."""
    draw, pool = random.Random(number), list(own)
    while time.monotonic() < until:
        if pause:
            await asyncio.sleep(draw.expovariate(1 / pause))
        sort = draw.choices(("one", "several", "hang up", "rubbish", "pause"), (60, 20, 8, 8, 4))[0]
        if sort == "pause":
            await asyncio.sleep(draw.random())
            continue
        if sort == "rubbish":
            status, _ = await exchanged(port, draw.choice(("/predict", "/no/such")), draw.choice(RUBBISH))
            seen.rubbish[status] += 1
            continue
        texts = draw.sample(pool, 1 if sort != "several" else draw.randint(2, 12))
        route = "/predict/batch" if sort == "several" else "/predict"
        asked = {"inputs": texts} if sort == "several" else {"input": texts[0]}
        if sort == "hang up":
            await exchanged(port, route, json.dumps(asked).encode(), hang_up=True)
            seen.hung_up += 1
            continue
        await ask(port, route, asked, texts, own, seen, sort)


async def ask(
    port: int, route: str, asked: dict[str, Any], texts: list[str], own: Answers, seen: Seen, sort: str
) -> None:
    """One request until it is answered, and whether the answer is this client's own."""
    started = time.monotonic()
    for _ in range(TRIES):
        try:
            status, answer = await asyncio.wait_for(
                exchanged(port, route, json.dumps(asked).encode()), PATIENCE_S
            )
        except (OSError, ValueError, IndexError, TimeoutError) as error:
            seen.lost.append(f"{type(error).__name__}: {error}")
            return
        if status != 429:
            break
        seen.refused += 1
        await asyncio.sleep(0.2 + random.random())
    seen.slowest = max(seen.slowest, time.monotonic() - started)
    if status != 200:
        seen.lost.append(f"{status}: {str(answer)[:200]}")
        return
    found = answer["predictions"] if sort == "several" else [answer]
    for text, one in zip(texts, found, strict=True):
        shares = own[text]
        if any(abs(one["probabilities"][label] - shares[label]) > NEAR for label in shares):
            seen.wrong.append(text)
    seen.good[sort] += 1


def computing(server: psutil.Process) -> psutil.Process | None:
    """The process that computes."""
    for child in server.children(recursive=True):
        with suppress(psutil.Error):
            if "tuneworthy.serving.worker" in child.cmdline():
                return child
    return None


async def watch(server: Server, until: float, seen: Seen) -> None:
    """Memory and the queue every few seconds; a kill every minute."""
    process = psutil.Process(server.pid)
    killed = time.monotonic()
    while time.monotonic() < until:
        worker = computing(process)
        with suppress(psutil.Error):
            seen.server_mib.append(process.memory_info().rss / 2**20)
            if worker is not None:
                seen.worker_mib.append(worker.memory_info().rss / 2**20)
        page = await asyncio.to_thread(server.text, "/metrics")
        found = re.search(r"^tuneworthy_waiting_rows (\S+)", page, re.MULTILINE)
        seen.waiting = max(seen.waiting, int(float(found[1])) if found else 0)
        if (
            worker is not None
            and time.monotonic() - killed > KILL_S
            and time.monotonic() < until - KILL_S / 2
        ):
            with suppress(psutil.Error):
                worker.kill()
                seen.kills += 1
            killed = time.monotonic()
        await asyncio.sleep(LOOK_S)


def traffic(options: argparse.Namespace) -> Figures:
    """Clients of all sorts until the time is up."""
    run = run_of_probe()
    texts = sorted({row["text"] for row in drawn_rows(TEXTS, 1)})
    own, seen = own_answers(run, texts), Seen()
    with serve(run, PLACE / "serve.log", "--queue-rows", str(QUEUE), "--threads", "1") as server:
        until = time.monotonic() + options.minutes * 60

        async def everybody() -> None:
            asking = (
                client(server.port, number, own, until, options.pause, seen)
                for number in range(options.clients)
            )
            await asyncio.gather(watch(server, until, seen), *asking)

        asyncio.run(everybody())
    third = max(1, len(seen.server_mib) // 3)
    early, late = max(seen.server_mib[third : 2 * third]), max(seen.server_mib[-third:])
    for line in (*seen.lost[:5], *seen.wrong[:5]):
        print(f"  {line}")
    total = sum(seen.good.values())
    print(
        f"{total} answers in {options.minutes:g} min ({dict(seen.good)}), {seen.kills} kills, {seen.refused} "
        f"refused with 429 and asked again, {seen.hung_up} hung up, rubbish by status {dict(seen.rubbish)}"
    )
    server_errors = sum(count for status, count in seen.rubbish.items() if status >= 500)
    return {
        "answers lost": figure(len(seen.lost), "answers", 0, lower_is_better=True, n=total),
        "answers of another text": figure(len(seen.wrong), "answers", 0, lower_is_better=True, n=total),
        "rubbish answered with 5xx": figure(
            server_errors, "answers", 0, lower_is_better=True, n=sum(seen.rubbish.values())
        ),
        "kills of the process that computes": figure(seen.kills, "kills"),
        "server's memory, last third over the one before": figure(
            100 * (late / early - 1), "%", 5.0, lower_is_better=True, n=len(seen.server_mib)
        ),
        "server's memory": figure(late, "MiB"),
        "memory of the process that computes": figure(max(seen.worker_mib), "MiB", n=len(seen.worker_mib)),
        "longest queue": figure(seen.waiting, "rows", QUEUE, lower_is_better=True),
        "slowest answer": figure(seen.slowest, "s", n=total),
    }


def runs(options: argparse.Namespace) -> Figures:
    """The command and the page where there are many runs."""
    from delivery_runs import many, seconds
    from soak_page import page_seconds

    place = many(options.count)
    wall, processor = seconds(["runs", str(place)])
    figures = {
        "tuneworthy runs": figure(wall, "s", 2.0, lower_is_better=True, n=options.count),
        "tuneworthy runs, processor": figure(processor, "s", n=options.count),
    }
    first, again = page_seconds(place)
    figures["the page of runs, first time"] = figure(first, "s", 2.0, lower_is_better=True, n=options.count)
    figures["the page of runs, again"] = figure(again, "s", 2.0, lower_is_better=True, n=options.count)
    return figures


def rows(options: argparse.Namespace) -> Figures:
    """`tuneworthy check` of tables of two lengths."""
    figures, peaks = {}, []
    for count in (options.rows // 10, options.rows):
        table = PLACE / f"rows-{count}.csv"
        PLACE.mkdir(parents=True, exist_ok=True)
        if not table.exists():
            with table.open("w", newline="", encoding="utf-8") as file:
                writer = csv.DictWriter(file, ("id", "text", "label"))
                writer.writeheader()
                writer.writerows(drawn_rows(count, 0))
        command = ["check", str(table), "--input", "text", "--target", "label"]
        started = time.monotonic()
        child = subprocess.Popen(
            [sys.executable, "-m", "tuneworthy.cli.main", *command], stdout=subprocess.DEVNULL
        )
        peak, process = 0.0, psutil.Process(child.pid)
        while child.poll() is None:
            with suppress(psutil.Error):
                peak = max(peak, process.memory_info().rss / 2**20)
            time.sleep(0.1)
        assert child.returncode in (0, 1), f"check ended with {child.returncode}"
        peaks.append(peak)
        figures[f"check of {count:,} rows"] = figure(time.monotonic() - started, "s", n=count)
        figures[f"check of {count:,} rows, memory"] = figure(peak, "MiB", n=count)
    figures["check, memory of ten times the rows"] = figure(
        100 * (peaks[1] / peaks[0] - 1), "%", 5.0, lower_is_better=True
    )
    return figures


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS, metavar="PART")
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--clients", type=int, default=24)
    parser.add_argument("--pause", type=float, default=0.0, help="of a client between requests, in seconds")
    parser.add_argument("--count", type=int, default=10_000, help="runs")
    parser.add_argument("--rows", type=int, default=1_000_000)
    options = parser.parse_args()
    figures: Figures = {}
    for part in options.only:
        found = {"traffic": traffic, "runs": runs, "rows": rows}[part](options)
        print(json.dumps(found, indent=1), flush=True)
        figures |= found
    print(closing_line(figures))


if __name__ == "__main__":
    main()
