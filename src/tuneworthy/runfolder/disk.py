"""What a write that failed is called: one sentence, whichever library was writing."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tuneworthy.core.errors import RunFolderError, TuneworthyError

NO_SPACE = {errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC)}  # Windows has no quota's
NO_RIGHTS = {errno.EROFS, errno.EACCES, errno.EPERM}
NO_FOLDER = {errno.ENOTDIR, errno.EEXIST}  # what a file in a folder's place is called
# safetensors (Rust) and torch (C++) raise errors of their own, in which the system's is a part of the text.
SAYS_NO_SPACE = (
    "No space left on device",
    "os error 28",
    "Disk quota exceeded",
    "File too large",
    "os error 27",
)
SAYS_FAILED = ("PytorchStreamWriter failed writing", "file write failed", "unexpected pos")


def unwritable(path: Path, error: OSError) -> RunFolderError:
    """What to say when a file cannot be written, whatever the reason; nothing half-written has its name."""
    while any(part.startswith(".") and part.strip(".") for part in (path.name, path.parent.name)):
        path = path.parent  # of what is collected in a hidden folder the place is told
    if error.errno in NO_SPACE:
        return no_space(path, error.strerror)
    if error.errno in NO_RIGHTS:
        return RunFolderError(
            f"{path} cannot be written ({error.strerror}): make the folder writable, or name another place."
        )
    if error.errno in NO_FOLDER:
        return RunFolderError(
            f"{path} cannot be written ({error.strerror}: a file is where a folder should be): name another."
        )
    return RunFolderError(
        f"{path} cannot be written ({error.strerror or error}): the same command again continues once it can."
    )


def make_folder(path: Path, mode: int = 0o777) -> None:
    """A folder and those above it, where they are not there; raises RunFolderError where that cannot be."""
    try:
        path.mkdir(parents=True, exist_ok=True, mode=mode)
    except OSError as error:
        raise unwritable(path, error) from error


def no_space(path: Path, why: str | None) -> RunFolderError:
    """The sentence on a full disk."""
    return RunFolderError(
        f"{path} cannot be written: there is no space left for it ({why}). Free some, then the same command "
        "again continues; finished units are kept."
    )


def as_unwritable(run: Path, error: BaseException) -> RunFolderError | None:
    """An error of whatever library that means that the run cannot be written; None for every other one."""
    if isinstance(error, TuneworthyError) or not isinstance(error, Exception):
        return None
    if isinstance(error, OSError) and error.errno is not None:
        file = Path(str(error.filename)) if error.filename else run
        if error.errno in NO_SPACE | {errno.EIO}:
            return unwritable(file, error)
        inside = file.absolute().is_relative_to(run.absolute())
        return unwritable(file, error) if error.errno in NO_RIGHTS and inside else None
    text = str(error)
    if any(words in text for words in SAYS_NO_SPACE):
        return no_space(run, "the disk is full, or a quota is used up")
    if any(words in text for words in SAYS_FAILED):
        return no_space(run, "a write failed, most likely since the disk is full")
    return None


@contextmanager
def writing(run: Path) -> Iterator[None]:
    """Within it a write to the run that fails is one sentence.

    Raises:
        RunFolderError: a write has failed.
    """
    try:
        yield
    except Exception as error:
        if (told := as_unwritable(run, error)) is not None:
            raise told from error
        raise
