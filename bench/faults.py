"""kill -9 at random moments of the main job: the same command goes on, and ends in the same bits.

    python bench/faults.py [--only tiny smollm2] [--points 100] [--seed 0] [--again]

| job | what is killed | points |
|---|---|---|
| tiny | probe, encoder, lora with a search for its settings, on random models of two layers: seconds | 100 |
| smollm2 | lora on the embedded SmolLM2-135M: about three minutes on two cores | 10 |

A run of the job that nobody kills comes first. A kill waits for a random one of its events, then for a random
part of a second, and sends SIGKILL; a third of them wait for no part, so as to hit writes. Then the same job
runs again in the same folder. It must end, do no finished unit again, leave nothing half-written, and have
every prediction, every file of every model, estimates, comparisons and the verdict equal to the bit.

A process of the tiny job is forked from one that has the libraries loaded, which changes no result and saves
most of the time; every tenth point, and every point of smollm2, is the command line with two workers.
A study that was stopped goes on: each point leaves `bench/results/faults/<job>-<point>.json`.
"""

import argparse
import importlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from common import closing_line, figure, kept
from tuneworthy.core.hashing import address, file_digest
from tuneworthy.runfolder.events import Event, read_event
from tuneworthy.runfolder.unit_output import is_finished

ROOT = Path(__file__).resolve().parent.parent
PLACE = ROOT / ".bench" / "faults"
RESULTS = ROOT / "bench" / "results" / "faults"
RUN = Path("runs/a")
BOTH = ("predictions.jsonl", "unit.json")  # with the model's files: what a unit's result is; seconds are not
SAME = ("verdict.json", "estimates.json", "comparisons.json", "split.json", "rows.jsonl")
COMMAND_EVERY = 10  # points, of which one is the command line with two workers
LONGEST_S = 3600.0  # a start that takes longer hangs
Process = Callable[[Path, Path], int]  # folder of the job, log: the process id


@dataclass(frozen=True)
class Target:
    """A job that is killed: its arms, its settings, how many kills it gets by default."""

    settings: dict[str, Any]
    rows: int
    points: int
    forked: bool


TARGETS = {
    "tiny": Target(
        {
            "arms": ["majority", "tfidf", "probe", "encoder", "lora"],
            "lora": {"max_steps": 12, "learning_rate": 0.01},
            "encoder": {"max_steps": 8},
            "search": {"trials": 3, "arms": ["lora"], "fewest_rows": 20},
        },
        rows=60,
        points=100,
        forked=True,
    ),
    "smollm2": Target(
        {
            "arms": ["majority", "tfidf", "lora"],
            "base_model": "smollm2-135m",
            "lora": {"max_steps": 40, "batch": 8},
        },
        rows=90,
        points=10,
        forked=False,
    ),
}
COMMON = {
    "protocol": "crossfit",
    "folds": 2,
    "threads": 1,
    "workers": 1,
    "resamples": 200,
    "train_anyway": True,
    "seeds": 1,
    "forgetting": False,
    "curve": {"arms": []},
}


def main() -> None:
    """Runs what is missing of the study, and tells what it found."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="+", choices=list(TARGETS), default=list(TARGETS), metavar="JOB")
    parser.add_argument("--points", type=int, help="kills of each job; default: see above")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--again", action="store_true", help="kill anew where bench/results has a point")
    parser.add_argument("--place", type=Path, default=PLACE, help="where the jobs run")
    parser.add_argument("--results", type=Path, default=RESULTS, help="where each point leaves its file")
    options = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    figures: dict[str, Any] = {}
    for name in options.only:
        points = options.points or TARGETS[name].points
        places = options.place.resolve(), options.results
        found = study(name, points, options.seed, options.again, *places)
        figures |= told(name, found)
    print(closing_line(figures))


def study(name: str, points: int, seed: int, again: bool, place: Path, results: Path) -> list[dict[str, Any]]:
    """What each kill of a job came to."""
    target = TARGETS[name]
    place = place / name
    models = make_inputs(place, target)
    start = forked if target.forked else commanded
    if target.forked:
        load_libraries()
    whole = place / "whole"
    if not (whole / RUN / "verdict.json").exists() or again:
        shutil.rmtree(whole, ignore_errors=True)
        write_job(whole, target, models)
        print(f"{name}: the run that nobody kills", flush=True)
        finish(start, whole)
    reference = events_of(whole)
    found = []
    for point in range(points):
        file = results / f"{name}-{point:03d}.json"
        one = kept(file, again, partial(killed, place, target, models, reference, point, seed))
        print(f"{name} {point}: {json.dumps(one)}", flush=True)
        found.append(one)
    return found


def told(name: str, found: list[dict[str, Any]]) -> dict[str, Any]:
    """The study's figures, by name."""
    count = len(found)
    faults = ("redone", "different", "left")
    return {
        f"{name}: kills survived": figure(
            sum(one["survived"] for one in found), "kills", goal=count, n=count
        ),
        **{
            f"{name}: {what}": figure(
                sum(len(one[what]) for one in found), "files or units", goal=0, lower_is_better=True, n=count
            )
            for what in faults
        },
    }


def killed(
    place: Path, target: Target, models: dict[str, str], reference: list[Event], point: int, seed: int
) -> dict[str, Any]:
    """One kill, and the same job again."""
    rng = random.Random(f"{seed} {point}")
    folder = place / f"point-{point:03d}"
    shutil.rmtree(folder, ignore_errors=True)
    write_job(folder, target, models)
    by_command = not target.forked or point % COMMAND_EVERY == COMMAND_EVERY - 1
    start: Process = commanded if by_command else forked
    after = rng.randrange(len(reference))
    delay_s = 0.0 if rng.random() < 1 / 3 else rng.random() * gap_s(reference, after)
    struck = kill_after(start, folder, after, delay_s)
    seen = events_of(folder)
    before = finished_units(folder)
    began = time.monotonic()
    finish(start, folder)
    seconds = time.monotonic() - began
    later = events_of(folder)[len(seen) :]
    started = [event["unit"] for event in later if event["event"] == "unit_started"]
    now = finished_units(folder)
    redone = sorted({unit for unit in started if unit in before} | {u for u in before if now[u] != before[u]})
    different, left = compared(place / "whole", folder)
    fault = bool(redone or different or left)
    if not fault:
        shutil.rmtree(folder)
    return {
        "point": point,
        "seed": seed,
        "command": "command line, two workers" if by_command else "fork, one worker",
        "killed": struck,
        "after_events": len(seen),
        "after_event": seen[-1]["event"] if seen else None,
        "delay_ms": round(delay_s * 1000),
        "units_finished_before": len(before),
        "units_started_after": len(started),
        "units": len(now),
        "seconds_to_the_end": round(seconds, 1),
        "survived": not fault,
        "redone": redone,
        "different": different,
        "left": left,
    }


def gap_s(events: list[Event], after: int) -> float:
    """Seconds from this event of the run that nobody killed to the next one, at most one."""
    if after + 1 >= len(events):
        return 0.0
    first, second = (datetime.fromisoformat(one["time"]) for one in events[after : after + 2])
    return min(1.0, (second - first).total_seconds())


def kill_after(start: Process, folder: Path, events: int, delay_s: float) -> bool:
    """Starts the job and kills it after so many events; whether it lived still."""
    process = start(folder, folder / "killed.log")
    file = folder / RUN / "events.jsonl"
    size, began = -1, time.monotonic()
    while time.monotonic() - began < LONGEST_S:
        if os.waitpid(process, os.WNOHANG)[0]:
            return False
        now = file.stat().st_size if file.exists() else 0
        if now != size:
            size = now
            if file.exists() and file.read_bytes().count(b"\n") >= events:
                break
        time.sleep(0.002)
    time.sleep(delay_s)
    os.kill(process, signal.SIGKILL)
    os.waitpid(process, 0)
    return True


def finish(start: Process, folder: Path) -> None:
    """Runs the job to its end; raises RuntimeError when it fails or hangs."""
    log = folder / "finished.log"
    process, began = start(folder, log), time.monotonic()
    while time.monotonic() - began < LONGEST_S:
        done, status = os.waitpid(process, os.WNOHANG)
        if done:
            if os.waitstatus_to_exitcode(status):
                raise RuntimeError(f"the job failed in {folder}:\n{log.read_text(encoding='utf-8')[-3000:]}")
            return
        time.sleep(0.05)
    os.kill(process, signal.SIGKILL)
    raise RuntimeError(f"the job in {folder} hangs; see {log}")


def forked(folder: Path, log: Path) -> int:
    """The job in a child of this process, which has the libraries loaded."""
    process = os.fork()
    if process:
        return process
    try:  # the child: nothing of it may return
        os.chdir(folder)
        descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        os.dup2(descriptor, 1)
        os.dup2(descriptor, 2)
        import tuneworthy as tw

        tw.run(folder / "job.yaml", output=RUN)
        os._exit(0)
    except BaseException:
        import traceback

        traceback.print_exc()
        os._exit(1)


def commanded(folder: Path, log: Path) -> int:
    """The job by its command line, with two workers."""
    command = [sys.executable, "-m", "tuneworthy.cli.main", "run", "job.yaml", "--output", str(RUN)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    with log.open("wb") as file:
        return subprocess.Popen(
            [*command, "--workers", "2"], cwd=folder, stdout=file, stderr=file, env=environment
        ).pid


def load_libraries() -> None:
    """Imports what a run imports; no tensor is made, so that children may be forked."""
    import peft  # noqa: F401
    import sklearn.ensemble  # noqa: F401
    import torch
    import transformers.models.bert.modeling_bert
    import transformers.models.llama.modeling_llama  # noqa: F401

    import tuneworthy.pipeline  # noqa: F401
    from tuneworthy.checks import CHECKS
    from tuneworthy.methods import METHODS

    torch.set_num_threads(1)
    for name in TARGETS["tiny"].settings["arms"]:
        METHODS.get(name)
    for name in CHECKS.names():
        CHECKS.get(name)


def make_inputs(place: Path, target: Target) -> dict[str, str]:
    """The base models of a job: random ones, as the tests make them, where it names none."""
    if "base_model" in target.settings:
        return {}
    sys.path.append(str(ROOT / "tests"))
    tiny = importlib.import_module("tiny_models")
    made = {"base_model": place / "decoder", "embedding_model": place / "embedder"}
    if not (made["embedding_model"] / "config.json").exists():
        # In a process of its own: this one must not have made a tensor.
        process = os.fork()
        if not process:
            tiny.save_decoder(made["base_model"])
            tiny.save_embedder(made["embedding_model"])
            os._exit(0)
        os.waitpid(process, 0)
    return {name: str(folder) for name, folder in made.items()}


def write_job(folder: Path, target: Target, models: dict[str, str]) -> None:
    """A folder with the table and the job."""
    sys.path.append(str(ROOT / "tests"))
    toy = importlib.import_module("toy")
    folder.mkdir(parents=True)
    toy.write_csv(folder / "toy.csv", toy.toy_rows(target.rows))
    data = {"path": "toy.csv", "input": ["text"], "target": "label"}
    text = json.dumps({"data": data, **COMMON, **target.settings, **models}, indent=1)  # JSON is YAML
    (folder / "job.yaml").write_text(text, encoding="utf-8")


def events_of(folder: Path) -> list[Event]:
    """The events of a run, those that are whole."""
    file = folder / RUN / "events.jsonl"
    found = []
    for line in file.read_bytes().split(b"\n") if file.exists() else ():
        try:
            found.append(read_event(line))
        except ValueError:
            continue
    return found


def finished_units(folder: Path) -> dict[str, tuple[int, str]]:
    """The finished units: when they were written, and the sums of their files."""
    units = folder / RUN / "units"
    return {
        unit.name: ((sums := unit / "checksums.json").stat().st_mtime_ns, file_digest(sums))
        for unit in (units.iterdir() if units.exists() else ())
        if not unit.name.startswith(".") and is_finished(unit)
    }


def compared(whole: Path, folder: Path) -> tuple[list[str], list[str]]:
    """Files that differ from those of the run that nobody killed, and what the kill has left behind."""
    ours, theirs = results_of(whole / RUN), results_of(folder / RUN)
    different = sorted(name for name in ours.keys() | theirs.keys() if ours.get(name) != theirs.get(name))
    openings = (folder / "runs" / "ledger.jsonl").read_text(encoding="utf-8").splitlines()
    if len(openings) != 1:
        different.append(f"ledger.jsonl has {len(openings)} openings")
    run = folder / RUN
    left = [
        str(path.relative_to(run)) for path in run.rglob("*") if path.name.endswith((".partial", ".adopting"))
    ]
    return different, sorted(left + (["checkpoints"] if (run / "checkpoints").exists() else []))


def results_of(run: Path) -> dict[str, str]:
    """What must be equal, by file: units without what they took, and the results."""
    found = {name: file_digest(run / name) for name in SAME}
    for file in sorted((run / "units").rglob("*")):
        inside = file.relative_to(run / "units")
        if file.is_file() and (file.name in BOTH or "model" in inside.parts):
            found[f"units/{inside.as_posix()}"] = digest_of(file)
    return found


def digest_of(file: Path) -> str:
    """A file's sha256; of a skops archive, which has the time of day in it, the sums of its arrays."""
    if file.suffix != ".skops":
        return file_digest(file)
    with zipfile.ZipFile(file) as archive:
        return address(sorted(one.CRC for one in archive.infolist() if one.filename.endswith(".npy")))


if __name__ == "__main__":
    main()
