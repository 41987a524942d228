"""What this machine can do: device and training precision."""

import os
from collections.abc import Iterator
from pathlib import Path

import psutil
import torch

CGROUP, OWN_GROUPS = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")
# Files of a control group, of version 2 and of version 1: the limit, what is used, and of `memory.stat` what
# of that are file pages that the kernel takes back when memory is asked for.
VERSION_2 = ("memory.max", "memory.current", "inactive_file")
VERSION_1 = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")


def device() -> torch.device:
    """CUDA when there is one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def gpus() -> int:
    """How many CUDA devices this process may use."""
    return torch.cuda.device_count() if torch.cuda.is_available() else 0


def training_dtype() -> str:
    """ "bfloat16" where the hardware multiplies it natively (AVX512_BF16, AMX, Ampere on), else "float32"."""
    if torch.cuda.is_available():
        return "bfloat16" if torch.cuda.is_bf16_supported(including_emulation=False) else "float32"
    native = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return "bfloat16" if native else "float32"


def cores() -> int:
    """Cores this process may use, which in a container can be fewer than the machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)


def free_memory(where: torch.device) -> int:
    """Bytes that this process could still take on a device; where it has a limit, what that leaves."""
    if where.type == "cuda":
        unused, total = torch.cuda.mem_get_info(where)
        share = torch.cuda.get_per_process_memory_fraction(where)
        ours = min(unused + torch.cuda.memory_reserved(where), int(share * total))
        return max(0, ours - torch.cuda.memory_allocated(where))
    free = int(psutil.virtual_memory().available)
    return max(0, min([free, *(limit - used for limit, used in _limits())]))


def memory_limit() -> int:
    """Bytes of main memory, or of this process's share of it where it has a limit."""
    total = int(psutil.virtual_memory().total)
    return min([total, *(limit for limit, _ in _limits())])


def _limits() -> Iterator[tuple[int, int]]:
    """The limit of each control group that this process is in, and what the group uses and cannot give back.

    Groups lie within groups, and each may have a limit, of which the tightest counts. In a container the path
    may be that of the host, of which only the root is there.
    """
    try:
        lines = OWN_GROUPS.read_text(encoding="utf-8").splitlines()
    except OSError:  # no Linux
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers and "memory" not in controllers.split(","):
            continue
        root, names = (CGROUP / "memory", VERSION_1) if controllers else (CGROUP, VERSION_2)
        inner = root / path.lstrip("/")
        for group in (inner, *(above for above in inner.parents if above.is_relative_to(root))):
            if (found := _limit(group, *names)) is not None:
                yield found


def _limit(group: Path, limit: str, used: str, given_back: str) -> tuple[int, int] | None:
    """What one control group's files say; None where it has no limit, or is not there."""
    try:
        most, now, parts = ((group / name).read_text().strip() for name in (limit, used, "memory.stat"))
        stat = dict(line.split(maxsplit=1) for line in parts.splitlines())
        return int(most), max(0, int(now) - int(stat.get(given_back, 0)))
    except (OSError, ValueError):  # "max" is no number
        return None
