"""A repository that has only `pytorch_model.bin`: converted once, in a subprocess, or refused.

`torch.load(weights_only=True)` unpickles tensors and plain containers and nothing else; what it refuses is
refused. The subprocess bounds what a hostile file could still reach in this process.
"""

import subprocess
import sys
from pathlib import Path

from tuneworthy.core.errors import ModelError

_CONVERT = """
import sys, torch
from safetensors.torch import save_file
state = torch.load(sys.argv[1], map_location="cpu", weights_only=True)
state = state.get("state_dict", state)
seen = {}
for name, tensor in state.items():
    if not isinstance(tensor, torch.Tensor):
        continue
    tensor = tensor.detach().contiguous()
    seen[name] = tensor.clone() if any(tensor.data_ptr() == t.data_ptr() for t in seen.values()) else tensor
save_file(seen, sys.argv[2], metadata={"format": "pt"})
"""
TIME_LIMIT_S = 1800


def convert_pickled(source: Path, target: Path) -> None:
    """Writes `target` (safetensors) from `source` (a pickled state dict).

    Raises:
        ModelError: the file holds anything but tensors; nothing is written then.
    """
    partial = target.with_suffix(".partial")
    try:
        result = subprocess.run(
            [sys.executable, "-I", "-c", _CONVERT, str(source), str(partial)],
            capture_output=True,
            text=True,
            timeout=TIME_LIMIT_S,
        )
    except subprocess.TimeoutExpired as error:
        raise ModelError(f"{source.name} was not read within {TIME_LIMIT_S} s: it is refused.") from error
    if result.returncode != 0:
        partial.unlink(missing_ok=True)
        last = (result.stderr.strip().splitlines() or ["no output"])[-1][:200]
        raise ModelError(
            f"{source} is a pickle that holds more than tensors, or is damaged ({last}): it is refused; "
            "ask for a safetensors version of this model."
        )
    partial.rename(target)
