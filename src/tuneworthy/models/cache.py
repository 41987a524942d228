"""Where fetched and converted models live."""

import os
from pathlib import Path


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
