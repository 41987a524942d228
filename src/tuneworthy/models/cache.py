"""Where fetched and converted models live."""

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from filelock import FileLock


def cache_folder() -> Path:
    """`$TUNEWORTHY_CACHE`, else `$XDG_CACHE_HOME/tuneworthy`, else `~/.cache/tuneworthy`."""
    own = os.environ.get("TUNEWORTHY_CACHE")
    if own:
        return Path(own)
    shared = os.environ.get("XDG_CACHE_HOME")
    return (Path(shared) if shared else Path.home() / ".cache") / "tuneworthy"


def model_folder(name: str) -> Path:
    """The cache folder of one model; '/' in Hub ids becomes '--'."""
    return cache_folder() / "models" / name.replace("/", "--")


def made_once(target: Path, fill: Callable[[Path, Path], None]) -> Path:
    """A folder of the cache, made when absent: whole or not at all.

    Two processes may ask at once: one works, the other waits.

    Args:
        target: the folder; its `config.json` says that it is there.
        fill: told a folder that is not there yet, to be made with all that belongs in, and a scratch folder.
    """
    if (target / "config.json").exists():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(target.with_suffix(".lock")):
        if (target / "config.json").exists():
            return target
        with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
            finished = Path(scratch) / "finished"
            fill(finished, Path(scratch))
            shutil.rmtree(target, ignore_errors=True)
            finished.rename(target)
    return target
