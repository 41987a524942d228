"""Models from strangers: what of a folder is read, and what is refused before anything is.

Weights are safetensors (`resolve` converts others once). Code that a model brings is never run, whatever the
terminal answers: there is no flag for it. Its chat template is a program too, in a sandbox that bounds
neither time nor memory: each is tried once in a process that has little of both.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tuneworthy.core.errors import ModelError
from tuneworthy.core.template_trial import MOST_BYTES, ends

# How configurations and tokenizers are read, and weights: as data, from this machine.
AS_DATA: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
WEIGHTS: dict[str, Any] = {**AS_DATA, "use_safetensors": True}
MODULES = ("Transformer", "Pooling", "Normalize", "Dense")  # of sentence-transformers
TRIAL_CPU_S = 5


def _chats() -> Iterator[dict[str, Any]]:
    """Chats of several shapes, as transformers would hand them over."""
    user, answer = {"role": "user", "content": "hi"}, {"role": "assistant", "content": "hello"}
    system, long = {"role": "system", "content": "s"}, {"role": "user", "content": "hi " * 20_000}
    names = dict.fromkeys(("tools", "documents")) | {"bos_token": "<s>", "unk_token": "<unk>"}
    names |= {"eos_token": "</s>", "pad_token": "</s>"}
    for chat in ([user], [system, user], [user, answer, user], [user, answer] * 24, [long]):
        for asked in (True, False):
            yield {**names, "messages": chat, "add_generation_prompt": asked}


def vet(folder: Path) -> None:
    """Raises ModelError for a folder whose model is code of its own, or whose chat template does not end."""
    config = _json(folder / "config.json")
    if config.get("auto_map") and not _is_known(str(config.get("model_type"))):
        raise ModelError(
            f"{folder} is a model of code of its own (auto_map in its config.json), which is never run here: "
            "name a model whose architecture transformers has itself."
        )
    for template in _templates(folder):
        if not ends(template, [*_chats()], TRIAL_CPU_S, chat=True):
            raise ModelError(
                f"the chat template of {folder} does not end within {TRIAL_CPU_S} s and "
                f"{MOST_BYTES // 2**30} GiB: it is refused; use another model, or mend the template."
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


def _json(file: Path) -> dict[str, Any]:
    try:
        stored = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return stored if isinstance(stored, dict) else {}
