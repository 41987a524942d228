"""50 clients at once against `tuneworthy serve`, and one request after the other.

Each arm is fitted on rows of the training file, lora for a few steps only: a server's speed does not depend
on what was learned. The server is a process of its own; clients are coroutines on kept connections in this
one, on the same cores. Every answer is compared with the run's own prediction of that text in this process:
label and calibrated probabilities. One by one is measured before and after, so that other work weighs alike.
"""

import asyncio
import json
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from common import figure
from delivery_common import PLACE, keep_as_final, measured_fit, run_of_set, serve, unseen_texts
from tuneworthy.refitting import final_fit
from tuneworthy.serving.served import load_served
from tuneworthy.units.predictor import Predictor
from tuneworthy.units.refit import Refit

CLIENTS = 50
MOST_TEXTS = 1000  # different ones
GOAL = 5.0  # times one-by-one requests
LOOK_S = 1.0
NEAR_TIE = 1e-3  # of two probabilities: a batch adds numbers in another order
HEAD = "POST /predict HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
Look = Callable[[], float]


@dataclass(frozen=True)
class Load:
    """What an arm is asked.

    Attributes:
        rows: labelled rows that it is fitted on.
        settings: of its job.
        alone: requests one by one.
        refit: whether the arm is fitted on all rows once more; else the measured fit is served.
    """

    rows: int
    settings: dict[str, Any]
    alone: int
    refit: bool


LOADS = {
    "probe": Load(300, {"protocol": "crossfit"}, 200, True),
    "lora": Load(60, {"protocol": "holdout", "lora": {"max_steps": 4}, "train_anyway": True}, 12, False),
}


@dataclass
class Asked:
    """One request and its answer."""

    text: str
    status: int
    body: dict[str, Any]
    seconds: float


@dataclass
class Answers:
    """All answers, how long they took, and the server's memory meanwhile in MiB."""

    found: list[Asked]
    seconds: float
    memory: list[float]

    @property
    def late_growth(self) -> float:
        """By how much the most memory of the second half is above that of the first, in MiB."""
        half = len(self.memory) // 2
        return max(self.memory[half:]) - max(self.memory[: max(1, half)])


def made(arm: str, data: Path) -> Path:
    """A run of an arm on rows of the set; a finished one is taken again."""
    load = LOADS[arm]
    run = run_of_set(data, arm, load.rows, ["majority", arm], load.settings)
    keep_as_final(run, final_fit(run, arm, print).unit if load.refit else measured_fit(run, arm))
    return run


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


def asked(port: int, texts: Sequence[str], clients: int, look: Look = lambda: 0.0) -> Answers:
    """All texts, dealt out to so many clients.

    Args:
        port: of the server.
        texts: one a request.
        clients: how many ask at a time.
        look: the server's memory, looked up every second.
    """
    found: list[Asked] = []
    memory: list[float] = []

    async def watch() -> None:
        while True:
            memory.append(look())
            await asyncio.sleep(LOOK_S)

    async def all_clients() -> None:
        watching = asyncio.create_task(watch())
        await asyncio.gather(*(client(port, texts[i::clients], found) for i in range(clients)))
        watching.cancel()

    started = time.perf_counter()
    asyncio.run(all_clients())
    return Answers(found, time.perf_counter() - started, [*memory, look()])


def expected(fit: Refit, texts: Sequence[str]) -> dict[str, dict[str, float]]:
    """The run's own calibrated probabilities, by text, best first."""
    found = {}
    run, answers = load_served(fit, "own", 8192, False), Predictor(fit.run, refit=fit).predict(texts)
    for text, one in zip(texts, answers, strict=True):
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
    count = max(CLIENTS, requests)
    rng = np.random.default_rng(0)
    pool = unseen_texts(data, min(count, MOST_TEXTS))
    texts = [pool[i] for i in rng.integers(len(pool), size=count)]
    own = expected(final_fit(run), pool)
    server = serve(run, PLACE / arm / "log", *(["--threads", str(threads)] if threads else []))
    try:
        asked(server.port, texts[: load.alone], load.alone)  # warm
        before = asked(server.port, texts[: load.alone], 1)
        together = asked(server.port, texts, CLIENTS, lambda: server.memory_mib)
        after = asked(server.port, texts[: load.alone], 1)
    finally:
        status = server.stop()
    alone = [*before.found, *after.found]
    single = len(alone) / (before.seconds + after.seconds)
    rate = len(together.found) / together.seconds
    p99 = float(np.quantile([one.seconds for one in together.found], 0.99))
    bad = sum(wrong(one, own[one.text]) for one in [*alone, *together.found])
    lost = count - len(together.found)
    print(
        f"{arm}: {count} requests by {CLIENTS} clients in {together.seconds:.1f} s ({rate:.1f}/s), "
        f"one by one {single:.1f}/s, p99 {p99:.2f} s, {lost} lost, {bad} wrong, exit {status}, memory "
        f"{together.memory[0]:.0f} to {together.memory[-1]:.0f} MiB, second half {together.late_growth:+.0f}"
    )
    return {
        f"{arm}: 50 clients against one by one": figure(rate / single, "x", GOAL, n=count),
        f"{arm}: requests per second, 50 clients": figure(rate, "1/s", n=count),
        f"{arm}: requests per second, one by one": figure(single, "1/s", n=len(alone)),
        f"{arm}: p99": figure(p99, "s", n=count),
        f"{arm}: lost or wrong": figure(lost + bad, "answers", 0, lower_is_better=True, n=count),
        f"{arm}: memory growth in the second half": figure(together.late_growth, "MiB", n=count),
        f"{arm}: memory": figure(together.memory[-1], "MiB", n=count),
    }
