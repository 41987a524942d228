"""The package's own files: whether another machine runs the same code, whatever its version says."""

from functools import lru_cache
from pathlib import Path, PurePosixPath

from tuneworthy.core.hashing import address, file_digest

NAME = "tuneworthy"


def source_files() -> dict[str, Path]:
    """The package's files by their path in a wheel."""
    root = Path(__file__).parents[1]
    files = (path for path in root.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {str(PurePosixPath(NAME) / path.relative_to(root).as_posix()): path for path in sorted(files)}


@lru_cache(maxsize=1)
def source_digest() -> str:
    """The address of the package's files: equal here and there, the same code runs."""
    return address({name: file_digest(path) for name, path in source_files().items()})
