"""What this machine can do: device and training precision."""

import os
from pathlib import Path

import psutil
import torch

CGROUP = Path("/sys/fs/cgroup")


def device() -> torch.device:
    """CUDA when there is one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


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
    limit, used = _control_group()
    return free if limit is None else max(0, min(free, limit - used))


def memory_limit() -> int:
    """Bytes of main memory, or of this process's share of it where it has a limit."""
    total = int(psutil.virtual_memory().total)
    limit, _ = _control_group()
    return total if limit is None else min(total, limit)


def _control_group() -> tuple[int | None, int]:
    """The memory limit of this process's group, if it has one, and what the group uses."""
    try:
        limit, used = ((CGROUP / name).read_text().strip() for name in ("memory.max", "memory.current"))
    except OSError:
        return None, 0
    return (None if limit == "max" else int(limit)), int(used)
