"""The most memory a process has had."""

from pathlib import Path

import torch


def peak_gib() -> float:
    """Peak memory of this process so far, in GiB: of its tensors on a GPU, else resident (Linux).

    Not `ru_maxrss`, which a child inherits from its parent.
    """
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated() / 2**30
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 2**20
    raise OSError("no VmHWM in /proc/self/status")


def cap(gigabytes: float | None) -> None:
    """Lets this process have only so much of the GPU, as if the card were smaller."""
    if gigabytes and torch.cuda.is_available():
        total = torch.cuda.get_device_properties(0).total_memory
        torch.cuda.set_per_process_memory_fraction(min(1.0, gigabytes * 1e9 / total))
