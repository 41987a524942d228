"""A repository that has only `pytorch_model.bin`: converted once, in a subprocess, or refused.

`torch.load(weights_only=True)` unpickles tensors and plain containers and nothing else; what it refuses is
refused. The subprocess bounds what a hostile file could still reach in this process.
"""

import json
import shutil
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

from tuneworthy.core.errors import ModelError
from tuneworthy.core.hashing import remembered_digest
from tuneworthy.models.cache import made_once, model_folder

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
INDEX = "pytorch_model.bin.index.json"
SMALL = {".json", ".txt", ".model", ".jinja"}  # configuration, tokenizer, templates


def pickles_of(folder: Path) -> list[Path]:
    """The pickled weights of a folder, by name."""
    return sorted(folder.glob("pytorch_model*.bin"))


def converted(folder: Path) -> Path:
    """A copy of the folder in the cache with safetensors in place of its pickles; made when absent.

    A refused pickle leaves nothing behind.

    Raises:
        ModelError: a pickle holds anything but tensors.
    """
    return made_once(converted_folder(folder), lambda target, _: _convert(folder, target))


def converted_folder(folder: Path) -> Path:
    """Where that copy lies: every file that it is made of decides."""
    files = [*pickles_of(folder), *_small_files(folder)]
    lines = "".join(f"{file.relative_to(folder).as_posix()}:{remembered_digest(file)}\n" for file in files)
    return model_folder(f"converted-{sha256(lines.encode()).hexdigest()[:16]}")


def _small_files(folder: Path) -> list[Path]:
    """What is copied: the folder's own small files and those one level down, such as 1_Pooling's."""
    found = [file for file in (*folder.glob("*"), *folder.glob("*/*")) if file.suffix in SMALL]
    return sorted(
        file for file in found if file.is_file() and not file.relative_to(folder).parts[0].startswith(".")
    )


def _convert(folder: Path, target: Path) -> None:
    """Fills `target`, which is not there yet."""
    target.mkdir()
    for file in pickles_of(folder):
        convert_pickled(file, target / _safe_name(file.name))
    for file in _small_files(folder):
        copy = target / file.relative_to(folder)
        copy.parent.mkdir(exist_ok=True)
        shutil.copy2(file, copy)
    if (index := folder / INDEX).exists():
        stored = json.loads(index.read_text(encoding="utf-8"))
        stored["weight_map"] = {key: _safe_name(piece) for key, piece in stored["weight_map"].items()}
        (target / "model.safetensors.index.json").write_text(json.dumps(stored), encoding="utf-8")


def _safe_name(pickled: str) -> str:
    """`pytorch_model-00001-of-00002.bin` -> `model-00001-of-00002.safetensors`."""
    return pickled.removeprefix("pytorch_").removesuffix(".bin") + ".safetensors"


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
