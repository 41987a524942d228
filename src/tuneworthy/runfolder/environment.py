"""What a run ran on: versions, machine, precision."""

import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import psutil

PACKAGES = (
    "tuneworthy",
    "torch",
    "transformers",
    "peft",
    "scikit-learn",
    "numpy",
    "scipy",
    "tokenizers",
    "llguidance",
)


def environment(dtype: str, cores: int) -> dict[str, Any]:
    """Versions, processor, cores, memory and the precision of training, JSON-ready; no host or user names."""
    return {
        "versions": {name: _version(name) for name in PACKAGES},
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "processor": _processor(),
        "cores": cores,
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "training_dtype": dtype,
        "scoring_dtype": "float32",
    }


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()
