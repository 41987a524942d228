"""What to say when a named file is not there: the nearest names that are."""

import difflib
from collections.abc import Sequence
from pathlib import Path

from tuneworthy.core.errors import DataError, JobError, NotFoundError

_NAMES_SHOWN = 5


def require_file(
    path: Path, suffixes: Sequence[str], error: type[DataError] | type[JobError] = DataError
) -> None:
    """Does nothing when `path` is a regular file.

    Args:
        path: the file that was named.
        suffixes: endings (with the dot) of the files worth suggesting.
        error: what to raise for a folder or a device.

    Raises:
        NotFoundError: there is no such file; the message holds near names in the same folder.
        DataError: (or `error`) it is a folder, or something else that is not a file.
    """
    try:
        if path.is_file():
            return
        is_folder, exists = path.is_dir(), path.exists()
    except OSError as problem:
        shown = f"{str(path)[:60]}…" if len(str(path)) > 200 else path
        raise error(f"{shown} cannot be looked for ({problem.strerror}); check the path.") from None
    if is_folder:
        inside = _files(path, suffixes)
        advice = f"name a file in it, such as {inside[0]}" if inside else "name a file"
        raise error(f"{path} is a folder, not a file; {advice}.")
    if exists:
        raise error(f"{path} is a pipe or a device, not a file; save it to a file first.")
    raise NotFoundError(f"there is no file {path}{_nearby(path, suffixes)}")


def _nearby(path: Path, suffixes: Sequence[str]) -> str:
    if not path.parent.is_dir():
        return f": the folder {path.parent} does not exist; check the path."
    names = _files(path.parent, suffixes)
    there = "this folder" if path.parent == Path() else path.parent
    close = difflib.get_close_matches(path.name, names, n=3, cutoff=0.6)
    if close:
        return f"; did you mean {' or '.join(close)}?"
    if not names:
        return f", and {there} holds no {'/'.join(suffixes)} file; check the path."
    more = ", ..." if len(names) > _NAMES_SHOWN else ""
    return f"; {there} holds {', '.join(names[:_NAMES_SHOWN])}{more}."


def _files(folder: Path, suffixes: Sequence[str]) -> list[str]:
    try:
        return sorted(
            entry.name for entry in folder.iterdir() if entry.suffix.lower() in suffixes and entry.is_file()
        )
    except OSError:
        return []
