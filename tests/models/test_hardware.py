"""The memory that a process has is what its control groups leave it."""

from pathlib import Path

import psutil
import pytest
import torch

from tuneworthy.models import hardware
from tuneworthy.models.hardware import free_memory, memory_limit

MIB = 2**20
VERSION_2 = ("memory.max", "memory.current", "inactive_file")
VERSION_1 = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A tree of control groups; `own` beside it says where this process is."""
    monkeypatch.setattr(hardware, "CGROUP", tmp_path / "cgroup")
    monkeypatch.setattr(hardware, "OWN_GROUPS", tmp_path / "own")
    return tmp_path / "cgroup"


def group(folder: Path, names: tuple[str, str, str], limit: int | str, used: int, inactive: int = 0) -> None:
    """Writes a control group's files."""
    folder.mkdir(parents=True, exist_ok=True)
    most, now, given_back = names
    (folder / most).write_text(f"{limit}\n")
    (folder / now).write_text(f"{used}\n")
    (folder / "memory.stat").write_text(f"anon 1\n{given_back} {inactive}\n")


def free() -> int:
    """Bytes of main memory that are left."""
    return free_memory(torch.device("cpu"))


def test_file_pages_that_the_kernel_takes_back_are_free(root: Path) -> None:
    root.with_name("own").write_text("0::/\n")
    group(root, VERSION_2, 90 * MIB, used=80 * MIB, inactive=70 * MIB)
    assert (memory_limit(), free()) == (90 * MIB, 80 * MIB)


def test_the_tightest_limit_of_the_groups_around_the_process_counts(root: Path) -> None:
    root.with_name("own").write_text("0::/slice/job/step\n")
    group(root / "slice", VERSION_2, 64 * MIB, used=4 * MIB)
    group(root / "slice" / "job", VERSION_2, 32 * MIB, used=2 * MIB)
    group(root / "slice" / "job" / "step", VERSION_2, "max", used=1 * MIB)
    group(root / "slice" / "other", VERSION_2, 1 * MIB, used=0)
    assert (memory_limit(), free()) == (32 * MIB, 30 * MIB)


def test_a_limit_of_version_1_counts_where_a_container_shows_its_root_alone(root: Path) -> None:
    root.with_name("own").write_text("7:cpu,cpuacct:/docker/ab\n5:memory:/docker/ab\n0::/docker/ab\n")
    group(root / "memory", VERSION_1, 48 * MIB, used=40 * MIB, inactive=8 * MIB)
    assert (memory_limit(), free()) == (48 * MIB, 16 * MIB)


def test_without_a_limit_it_is_the_machines_memory(root: Path) -> None:
    root.with_name("own").write_text("0::/job\n")
    group(root / "job", VERSION_2, "max", used=1 * MIB)
    assert memory_limit() == psutil.virtual_memory().total
