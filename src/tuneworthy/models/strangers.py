"""Models from strangers: what of a folder is read, and what is refused before anything is.

Weights are safetensors (`resolve` converts others once). Code that a model brings is never run, whatever the
terminal answers: there is no flag for it. Its chat template is a program too, in a sandbox that bounds
neither time nor memory: each is tried once in a process that has little of both.
"""

import json
import subprocess
import sys
from functools import lru_cache
from pathlib import Path
from typing import Any

from tuneworthy.core.errors import ModelError

# How configurations and tokenizers are read, and weights: as data, from this machine.
AS_DATA: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
WEIGHTS: dict[str, Any] = {**AS_DATA, "use_safetensors": True}
MODULES = ("Transformer", "Pooling", "Normalize", "Dense")  # of sentence-transformers
TRIAL_S, TRIAL_CPU_S, TRIAL_BYTES = 120, 5, 2**30
TOO_MUCH = 3  # exit code of the trial

# Renders chats of several shapes as transformers does. A template's own refusals are for later: here it is
# asked whether it ends, and in how much memory.
_TRIAL = """
import re, sys
from datetime import datetime
try:
    import resource
    resource.setrlimit(resource.RLIMIT_CPU, (int(sys.argv[1]), int(sys.argv[1])))
    resource.setrlimit(resource.RLIMIT_AS, (int(sys.argv[2]), int(sys.argv[2])))
except (ImportError, ValueError, OSError):
    pass
from jinja2.ext import loopcontrols
from jinja2.sandbox import ImmutableSandboxedEnvironment
made = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols])
def refuse(message):
    raise ValueError(message)
made.globals.update(raise_exception=refuse, strftime_now=lambda form: datetime.now().strftime(form))
source = re.sub(r"\\{%-?\\s*(?:end)?generation\\s*-?%\\}", "", sys.stdin.read())
turn = lambda role, text: {"role": role, "content": text}
user, answer, system = turn("user", "hi"), turn("assistant", "hello"), turn("system", "s")
chats = ([user], [system, user], [user, answer, user], [user, answer] * 24, [turn("user", "hi " * 20000)])
try:
    template = made.from_string(source)
except MemoryError:
    sys.exit(3)
except Exception:
    sys.exit(0)
for chat in chats:
    for asked in (True, False):
        try:
            text = template.render(messages=chat, add_generation_prompt=asked, tools=None, documents=None,
                                   bos_token="<s>", eos_token="</s>", pad_token="</s>", unk_token="<unk>")
            if len(text) > 2**26:
                sys.exit(3)
        except MemoryError:
            sys.exit(3)
        except Exception:
            pass
"""


def vet(folder: Path) -> None:
    """Raises ModelError for a folder whose model is code of its own, or whose chat template does not end."""
    config = _json(folder / "config.json")
    if config.get("auto_map") and not _is_known(str(config.get("model_type"))):
        raise ModelError(
            f"{folder} is a model of code of its own (auto_map in its config.json), which is never run here: "
            "name a model whose architecture transformers has itself."
        )
    for template in _templates(folder):
        if not _ends(template):
            raise ModelError(
                f"the chat template of {folder} does not end within {TRIAL_CPU_S} s and "
                f"{TRIAL_BYTES // 2**30} GiB: it is refused; use another model, or mend the template."
            )


def check_modules(folder: Path) -> None:
    """Raises ModelError where a sentence-transformers folder names a module that is not usual there."""
    file = folder / "modules.json"
    if not file.exists():
        return
    listed = json.loads(file.read_text(encoding="utf-8"))
    for module in listed if isinstance(listed, list) else [listed]:
        kind, place = str(module.get("type")), Path(str(module.get("path", "")))
        ours = kind.startswith("sentence_transformers.") and kind.rpartition(".")[2] in MODULES
        if not ours or place.is_absolute() or ".." in place.parts:
            raise ModelError(
                f"{file} names the module '{kind}' in '{place}', which is not run here: only "
                f"{', '.join(MODULES)} of sentence-transformers are."
            )


def _is_known(model_type: str) -> bool:
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING_NAMES

    return model_type in CONFIG_MAPPING_NAMES


def _templates(folder: Path) -> list[str]:
    """Every chat template that a tokenizer would find in the folder."""
    stored = [_json(folder / "tokenizer_config.json").get("chat_template")]
    stored.append(_json(folder / "chat_template.json").get("chat_template"))
    found = [
        each["template"] if isinstance(each, dict) else each
        for one in stored
        for each in (one if isinstance(one, list) else [one])
    ]
    files = [folder / "chat_template.jinja", *sorted((folder / "additional_chat_templates").glob("*.jinja"))]
    found += [file.read_text(encoding="utf-8") for file in files if file.is_file()]
    return [template for template in found if isinstance(template, str)]


@lru_cache(maxsize=32)
def _ends(template: str) -> bool:
    command = [sys.executable, "-I", "-c", _TRIAL, str(TRIAL_CPU_S), str(TRIAL_BYTES)]
    try:
        tried = subprocess.run(command, input=template.encode(), capture_output=True, timeout=TRIAL_S)
    except subprocess.TimeoutExpired:
        return False
    # What killed it was the kernel, for its time; another exit code is a fault of the trial itself.
    return tried.returncode >= 0 and tried.returncode != TOO_MUCH


def _json(file: Path) -> dict[str, Any]:
    try:
        stored = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return stored if isinstance(stored, dict) else {}
