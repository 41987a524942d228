"""A disk that is full, read-only or over its quota: one sentence, a consistent folder, and on again."""

import os
import resource
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import tuneworthy as tw
from tuneworthy.core.errors import RunFolderError
from tuneworthy.runfolder import checksums
from tuneworthy.runfolder.unit_output import damaged_file

ARMS = ["majority", "tfidf", "lora"]


def mount(place: Path, options: str) -> None:
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place)], capture_output=True)
    if done.returncode:
        pytest.skip("this machine lets nobody mount a file system")


@pytest.fixture
def small(workspace: Path) -> Iterator[Path]:
    """A file system of a few hundred kilobytes, which the run folder is on."""
    if os.geteuid() or not shutil.which("mount"):
        pytest.skip("only root may mount a file system")
    place = workspace / "runs"
    place.mkdir()
    mount(place, "size=200k")
    yield place
    subprocess.run(["umount", str(place)], check=True)


@contextmanager
def largest_file(size: int) -> Iterator[Callable[[Any], None]]:
    """A listener; once the run has started, no file of this process may get longer, as with a quota."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        yield lambda _: resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.fixture
def settings(quick: dict[str, Any]) -> dict[str, Any]:
    return {**quick, "arms": ARMS, "resamples": 100}


def assert_consistent(run: Path) -> None:
    """Every unit that has its name is whole, nothing half-written is left, and no file is damaged."""
    units = list((run / "units").iterdir()) if (run / "units").exists() else []
    assert not [unit.name for unit in units if unit.name.startswith(".")]
    assert not [unit.name for unit in units if damaged_file(unit) is not None]
    assert [name for name in checksums.damaged(run) if name != checksums.FILE] == []


def test_a_run_on_a_full_disk_says_so_and_goes_on_when_there_is_space(
    small: Path, toy_csv: Path, settings: dict[str, Any]
) -> None:
    with pytest.raises(RunFolderError, match=r"no space left .* the same command again continues"):
        tw.run(toy_csv, output=small / "a", **settings)
    assert_consistent(small / "a")
    done = {unit.name for unit in (small / "a" / "units").iterdir()}
    subprocess.run(["mount", "-o", "remount,size=64m", str(small)], check=True)
    events: list[dict[str, Any]] = []
    run = tw.run(toy_csv, output=small / "a", listener=events.append, **settings)
    assert not done & {event["unit"] for event in events if event["event"] == "unit_started"}
    assert run.verdict.recommended_method
    assert_consistent(small / "a")


@pytest.mark.parametrize("size", [2_000, 30_000, 60_000])
def test_a_quota_that_is_used_up_is_one_sentence_whoever_writes(
    toy_csv: Path, settings: dict[str, Any], size: int
) -> None:
    with largest_file(size) as limit, pytest.raises(RunFolderError, match="no space left"):
        tw.run(toy_csv, output="runs/a", listener=limit, **settings)
    assert_consistent(Path("runs/a"))
    if size == 30_000:
        whole = tw.run(toy_csv, output="other/a", **settings)
        assert tw.run(toy_csv, output="runs/a", **settings).verdict == whole.verdict


def test_a_folder_that_cannot_be_written_is_one_sentence(
    small: Path, toy_csv: Path, settings: dict[str, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TUNEWORTHY_WORKSPACE", str(tmp_path / "workspace"))  # where the ledger can be written
    subprocess.run(["mount", "-o", "remount,ro", str(small)], check=True)
    with pytest.raises(RunFolderError, match=r"Read-only .* name another place"):
        tw.run(toy_csv, output=small / "a", **settings)


def test_a_worker_that_finds_the_disk_full_says_so(
    small: Path, toy_csv: Path, settings: dict[str, Any]
) -> None:
    with pytest.raises(RunFolderError, match="no space left"):
        tw.run(toy_csv, output=small / "a", **{**settings, "workers": 2, "arms": ["majority", "tfidf"]})
    assert_consistent(small / "a")
