"""The worker ends as a run here ends, and a stop costs unfinished units only."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from launched import Elsewhere, toy_job
from tuneworthy.launchers import worker
from tuneworthy.launchers.archive import read_manifest
from tuneworthy.launchers.bundle import _script, write_bundle


def test_the_worker_says_whether_it_is_the_package_that_was_sent(elsewhere: Elsewhere) -> None:
    script = (elsewhere.opt_ml / "input/data/bundle/start.sh").read_text()
    source = script.partition("--is ")[2].split()[0]
    assert worker.main(["--is", source]) == 0
    assert worker.main(["--is", "0" * 16]) == 1


def test_the_log_shows_how_far_it_is_and_the_verdict(elsewhere: Elsewhere) -> None:
    assert "[2/2] " in elsewhere.printed and "verdict: " in elsewhere.printed
    manifest = read_manifest(elsewhere.archive)
    assert manifest.state == "finished" and manifest.bundle == elsewhere.handle.parcel.digest
    assert (elsewhere.opt_ml / "checkpoints" / "run.tar.gz").exists()
    assert not (elsewhere.opt_ml / "output" / "failure").exists()


def test_the_time_that_installing_takes_is_part_of_the_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "start.sh").write_text(_script("tuneworthy.whl"))
    (tmp_path / "python").write_text(
        '#!/bin/sh\ncase "$*" in *" --is "*) exit 1;; *" pip "*) sleep 1.5;; *) echo "$@";; esac\n'
    )
    (tmp_path / "python").chmod(0o755)
    command = ["sh", str(tmp_path / "start.sh"), "--work", "work", "--out", "out", "--limit", "600"]
    environ = {**os.environ, "PYTHON": str(tmp_path / "python")}
    done = subprocess.run(command, capture_output=True, text=True, env=environ, check=True)
    limits: list[float | None] = []
    monkeypatch.setattr(worker, "run_bundle", lambda *given: limits.append(given[3]) or 0)
    assert worker.main(done.stdout.split()[2:]) == 0
    assert limits[0] is not None and limits[0] < 598  # it has installed twice


def test_a_limit_without_a_beginning_is_whole_and_one_that_is_over_ends_at_once() -> None:
    now = time.time()
    assert worker.time_left(600, None) == 600 and worker.time_left(None, now) is None
    assert worker.time_left(600, now - 5000) == 1
    assert worker.time_left(600, now + 5000) == 600  # a clock that was set back


def test_a_job_that_cannot_be_run_says_why_and_leaves_an_archive(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_bundle(tmp_path / "opt/input/data/bundle", toy_job("metric=nonsense"), (), Path("runs/toy"), ())
    monkeypatch.setenv("TUNEWORTHY_WORKSPACE", "x")  # the worker sets it; undone after the test
    monkeypatch.setattr(worker, "_listen_for_the_end", lambda limit: None)
    monkeypatch.setattr(worker, "_end_listening", lambda: None)
    assert worker.run_container(tmp_path / "opt") == 2
    assert "nonsense" in (tmp_path / "opt/output/failure").read_text()
    assert "failed after" in capsys.readouterr().out
    assert read_manifest(tmp_path / "opt/model/run.tar.gz").state == "failed"


@pytest.fixture
def crashing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A place with a bundle whose run has done something, then meets a bug."""

    def crash(job: Path, run: Path, tell: worker.Tell) -> None:
        run.mkdir(parents=True)
        (run / "job.yaml").write_text("done so far")
        raise ZeroDivisionError("a bug")

    write_bundle(tmp_path / "opt/input/data/bundle", toy_job(), (), Path("runs/toy"), ())
    monkeypatch.setattr(worker, "_execute", crash)
    monkeypatch.setattr(worker, "_listen_for_the_end", lambda limit: None)
    monkeypatch.setattr(worker, "_end_listening", lambda: None)
    return tmp_path / "opt"


def test_what_a_run_has_done_is_kept_among_the_checkpoints_where_it_crashes(crashing: Path) -> None:
    with pytest.raises(ZeroDivisionError):
        worker.main(["--opt-ml", str(crashing), "--attempt", "tw-toy-2"])
    manifest = read_manifest(crashing / "checkpoints" / "tw-toy-2-run.tar.gz")
    assert manifest.state == "failed" and "job.yaml" in manifest.files


def test_what_a_run_has_done_is_put_on_shared_storage_where_it_crashes(
    crashing: Path, tmp_path: Path
) -> None:
    words = ["--bundle", str(crashing / "input/data/bundle"), "--work", "work", "--out", "out"]
    with pytest.raises(ZeroDivisionError):
        worker.main([*words, "--put", str(tmp_path / "shared" / "run.tar.gz")])
    assert "job.yaml" in read_manifest(tmp_path / "shared" / "run.tar.gz").files


@pytest.mark.slow
def test_a_stopped_run_is_packed_and_goes_on_where_it_was(tmp_path: Path) -> None:
    write_bundle(tmp_path / "bundle", toy_job("resamples=2000"), (), Path("runs/toy"), ())
    command = [sys.executable, "-m", "tuneworthy.launchers.worker", "--bundle", "bundle", "--work", "work"]
    command += ["--out", "out", "--limit", "600"]
    first = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert first.stdout is not None
    for line in first.stdout:
        if line.startswith("[1/2]"):
            break
    os.kill(first.pid, signal.SIGTERM)
    rest = first.communicate(timeout=60)[0]
    assert first.returncode == worker.STOPPED, rest
    manifest = read_manifest(tmp_path / "out" / "run.tar.gz")
    assert manifest.state == "stopped" and "verdict.json" not in manifest.files
    units = {name for name in manifest.files if name.endswith("checksums.json")}
    assert len(units) >= 1
    before = {name: (tmp_path / "work/place/runs/toy" / name).stat().st_mtime_ns for name in units}
    time.sleep(0.01)
    second = subprocess.run(command, capture_output=True, text=True)
    assert second.returncode == 0, second.stdout + second.stderr
    assert read_manifest(tmp_path / "out" / "run.tar.gz").state == "finished"
    after = {name: (tmp_path / "work/place/runs/toy" / name).stat().st_mtime_ns for name in units}
    assert after == before
