"""The most memory a process has had; not `ru_maxrss`, which a child inherits from its parent."""

from pathlib import Path


def peak_gib() -> float:
    """Peak resident memory of this process so far, in GiB (Linux)."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 2**20
    raise OSError("no VmHWM in /proc/self/status")
