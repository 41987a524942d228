"""What the delivery benches share: runs of a public set, environments of other programs, servers to ask."""

import json
import os
import re
import subprocess
import sys
import time
import urllib.request
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil

import tuneworthy as tw
from tasks import SETS, drawn, read, written
from tuneworthy.core.unit import Unit
from tuneworthy.models.resolve import resolve
from tuneworthy.runfolder.folder import RunFolder
from tuneworthy.units.refit import read_unit

PLACE = Path(__file__).parents[1] / ".bench" / "delivery"
SET = "tos_clause_type"
START_S = 1800  # an export may come first
OURS = r"serving on http://[^:]+:(\d+)"


def run_of_set(data: Path, name: str, rows: int, arms: Sequence[str], settings: Mapping[str, Any]) -> Path:
    """A run of these arms on rows of the set's training file, in a workspace of its own.

    One that is finished is taken again; another number of rows or other settings make another one.
    """
    given, place = SETS[SET], PLACE / name
    place.mkdir(parents=True, exist_ok=True)
    os.environ["TUNEWORTHY_WORKSPACE"] = str(place)
    table = written(place / "rows.csv", drawn(read(data / SET, "train"), rows, 0, given.target, 2), given)
    common: dict[str, Any] = {
        "resamples": 500,
        "curve": {"arms": []},
        "accept": ["TW002", "TW005"],
        "forgetting": False,
    }
    return tw.run(
        table, input=given.input, target=given.target, output=place / "run", arms=arms, **common, **settings
    ).path


def measured_fit(run: Path, arm: str) -> Unit:
    """The one fit that was measured, of a run without folds."""
    units = [entry for stage in RunFolder(run).read("plan.json")["stages"] for entry in stage["units"]]
    [address] = [entry["address"] for entry in units if entry["method"] == arm]
    return read_unit(run, address)


def keep_as_final(run: Path, unit: Unit) -> None:
    """Makes this fit the one that the run exports and serves, whatever its verdict recommends."""
    folders = {role: str(resolve(ref.name)) for role, ref in unit.models.items()}
    final = {"unit": unit.address, "method": unit.method, "folders": folders}
    RunFolder(run).write("model.json", final)


def unseen_texts(data: Path, count: int) -> list[str]:
    """Texts of the set's test file, each once, in its order."""
    return list(dict.fromkeys(str(row["clause"]) for row in read(data / SET, "test")))[:count]


def environment(name: str, packages: Sequence[str]) -> Path:
    """The interpreter of an environment with these packages and without this one; made if missing."""
    folder = PLACE / "environments" / name
    python, stamp = folder / "bin" / "python", folder / "packages.txt"
    wanted = "\n".join(packages)
    if not stamp.exists() or stamp.read_text(encoding="utf-8") != wanted:
        print(f"making an environment with {', '.join(packages)}", flush=True)
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
        pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        for package in packages:
            subprocess.run([*pip, package], check=True)
        stamp.write_text(wanted, encoding="utf-8")
    found = subprocess.run([str(python), "-P", "-c", "import tuneworthy"], env=alone(), capture_output=True)
    assert found.returncode != 0, f"{folder} has tuneworthy in it"
    return python


def alone(**more: str) -> dict[str, str]:
    """This process's environment without its import path, offline."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return {**kept, "HF_HUB_OFFLINE": "1", **more}


def as_here(*names: str) -> list[str]:
    """Requirements of the versions that are installed here; torch first, so that pip takes its CPU build."""
    return [f"{name}=={version(name.partition('[')[0]).partition('+')[0]}" for name in names]


class Server:
    """A server in a process of its own, ready once its log names its port."""

    def __init__(
        self, command: Sequence[str], log: Path, ready: str = OURS, environ: Mapping[str, str] | None = None
    ) -> None:
        kept = dict(os.environ if environ is None else environ)
        with log.open("w") as out:
            self._process = subprocess.Popen(
                list(command), stdout=out, stderr=out, env={**kept, "PYTHONUNBUFFERED": "1"}
            )
        until = time.monotonic() + START_S
        while time.monotonic() < until and self._process.poll() is None:
            if found := re.search(ready, log.read_text()):
                self.port = int(found[1])
                return
            time.sleep(0.2)
        self._process.kill()
        raise RuntimeError(log.read_text())

    def __enter__(self) -> "Server":
        return self

    def __exit__(self, *raised: object) -> None:
        self.stop()

    @property
    def memory_mib(self) -> float:
        """Resident memory of the process and those that it has started."""
        process = psutil.Process(self._process.pid)
        return sum(one.memory_info().rss for one in [process, *process.children(recursive=True)]) / 2**20

    @property
    def pid(self) -> int:
        """The process."""
        return self._process.pid

    def text(self, path: str) -> str:
        """A page, as text."""
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(f"http://127.0.0.1:{self.port}{path}") as reply:
            return str(reply.read(), "utf-8")

    def ask(self, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """A route's answer."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{path}", data, {"Content-Type": "application/json"}
        )
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request) as reply:
            return json.loads(reply.read())

    def stop(self) -> int:
        """SIGTERM; the exit status."""
        self._process.terminate()
        return self._process.wait(60)


def serve(run: Path, log: Path, *more: str) -> Server:
    """`tuneworthy serve` of a run."""
    return Server([sys.executable, "-m", "tuneworthy.cli.main", "serve", str(run), "--port", "0", *more], log)
