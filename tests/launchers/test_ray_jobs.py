"""A job on a Ray cluster, through its own job service, which runs here: sent, followed, fetched, ended."""

import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import launched
from launched import ONLY_THIS_PYTHON, Elsewhere, sent_to
from tuneworthy import launching
from tuneworthy.core.errors import LaunchError
from tuneworthy.launchers import LAUNCHERS, PACKING_S
from tuneworthy.launchers import ray as ray_jobs

ray = pytest.importorskip("ray", reason="ray is not installed: pip install 'tuneworthy[ray]'")
pytest.importorskip("aiohttp_cors", reason="the job service is not installed: pip install 'ray[default]'")

START_S, END_S = 180, 300  # on a machine with other work
SERVE = [sys.executable, "-m", "ray.scripts.scripts", "start", "--head", "--block", "--num-cpus", "1"]


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """A cluster of one node with its job service."""
    with socket.socket() as free, socket.socket() as other:
        free.bind(("127.0.0.1", 0))
        other.bind(("127.0.0.1", 0))
        port, jobs = free.getsockname()[1], other.getsockname()[1]
    environ = {**os.environ, **ONLY_THIS_PYTHON, "RAY_USAGE_STATS_ENABLED": "0"}
    with tempfile.TemporaryDirectory(prefix="tw-", ignore_cleanup_errors=True) as place:
        command = [*SERVE, "--port", str(port), "--dashboard-port", str(jobs), "--temp-dir", place]
        command += ["--object-store-memory", str(80 * 2**20)]
        process = subprocess.Popen(command, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        found, until = f"http://127.0.0.1:{jobs}", time.monotonic() + START_S
        while time.monotonic() < until:
            assert process.poll() is None, "the cluster has not started"
            try:
                urllib.request.urlopen(f"{found}/api/version", timeout=2)
                break
            except OSError:
                time.sleep(0.5)
        yield found
        process.terminate()
        process.wait(60)


@pytest.fixture
def cluster(address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Jobs go to that cluster."""
    where = (f"address={address}", f"storage={tmp_path}/shared", f"work={tmp_path}/work", "gpus=0")
    monkeypatch.setitem(launched.OPTIONS, "ray", where)


def test_a_job_comes_back_as_the_run_that_it_is_here(cluster: None, elsewhere: Elsewhere) -> None:
    launcher, sent = LAUNCHERS.get("ray"), sent_to("ray", elsewhere)
    assert launcher.submit(sent, Path(), Path()) == sent.service, "it was started twice"
    said: list[str] = []
    assert launching.follow(sent, said.append, every=0.5).phase == "finished", "\n".join(said)
    assert any(line.startswith("verdict: ") for line in said)
    fetched = launching.fetch(sent)
    assert fetched.manifest.state == "finished"
    for name in ("verdict.json", "estimates.json"):
        assert (Path(fetched.run) / name).read_bytes() == (elsewhere.here / name).read_bytes()


def test_a_job_that_is_ended_says_so(cluster: None, elsewhere: Elsewhere) -> None:
    again = elsewhere.handle.parcel.model_copy(update={"name": f"{elsewhere.handle.parcel.stem}-2"})
    handle = elsewhere.handle.model_copy(update={"parcel": again})
    sent = sent_to("ray", replace(elsewhere, handle=handle))
    launching.cancel(sent)
    until = time.monotonic() + END_S
    while (found := launching.status(sent)).phase in ("waiting", "running"):
        assert time.monotonic() < until
        time.sleep(0.5)
    assert found.phase == "stopped"


def test_a_job_that_is_ended_has_the_time_to_pack(
    elsewhere: Elsewhere, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ray.dashboard.modules.job import job_supervisor

    asked: list[dict[str, Any]] = []

    class Client:
        def get_job_info(self, name: str) -> None:
            raise RuntimeError("404")

        def submit_job(self, **request: Any) -> None:
            asked.append(request)

    monkeypatch.setattr(ray_jobs, "_client", lambda handle: Client())
    sent_to("ray", elsewhere)
    (environ,) = [request["runtime_env"]["env_vars"] for request in asked]
    assert int(environ["RAY_JOB_STOP_WAIT_TIME_S"]) > PACKING_S
    assert '"RAY_JOB_STOP_WAIT_TIME_S"' in Path(job_supervisor.__file__).read_text()


def test_a_cluster_out_of_reach_is_one_sentence(
    elsewhere: Elsewhere, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(launched.OPTIONS, "ray", ("address=http://127.0.0.1:9", "storage=/shared"))
    with pytest.raises(LaunchError, match=r"the Ray cluster at http://127.0.0.1:9 did not take the job"):
        sent_to("ray", elsewhere)
