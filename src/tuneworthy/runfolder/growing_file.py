"""A long file that is written in parts: stopped in whatever way, it goes on after its last part."""

import json
import os
from pathlib import Path
from types import TracebackType

from filelock import FileLock, Timeout

from tuneworthy.core.errors import RunFolderError
from tuneworthy.runfolder.disk import unwritable
from tuneworthy.runfolder.folder import to_json, write_text

Counts = dict[str, int]


class GrowingFile:
    """Collects parts in a hidden file beside the target, which gets its name when all are there.

    What counts is a small file of progress, written after each part has reached the disk: bytes beyond it
    are of a part that was not finished, and are cut off at the next start. No part is lost or doubled.

    Attributes:
        counts: what was given with the last part; empty at first.
    """

    def __init__(self, target: Path, identity: str) -> None:
        """Takes no notice of what is there before it is entered.

        Args:
            target: the file to write; an old one stays until the new one is whole.
            identity: of what is written; parts of anything else are thrown away.
        """
        self._target = target
        self._identity = identity
        self._partial = target.with_name(f".{target.name}.partial")
        self._progress = target.with_name(f".{target.name}.progress")
        self._lock = FileLock(target.with_name(f".{target.name}.lock"))
        self.counts: Counts = {}

    def __enter__(self) -> "GrowingFile":
        """Goes on where an earlier start was stopped.

        Raises:
            RunFolderError: the place cannot be written, or another process writes the same file.
        """
        try:
            self._target.parent.mkdir(parents=True, exist_ok=True)
            self._lock.acquire(timeout=0)
            self._file = self._partial.open("ab")
            size = self._resumed()
            if size > self._file.seek(0, os.SEEK_END):  # somebody has cut it
                self.counts, size = {}, 0
            self._file.truncate(size)
        except Timeout as error:
            raise RunFolderError(
                f"{self._target} is being written by another process: wait for it, or name another --output."
            ) from error
        except OSError as error:
            raise self._failed(error) from error
        return self

    def _resumed(self) -> int:
        """Bytes that are whole already."""
        try:
            stored = json.loads(self._progress.read_text(encoding="utf-8"))
            if stored["identity"] == self._identity:
                self.counts = dict(stored["counts"])
                return int(stored["bytes"])
        except (OSError, ValueError, KeyError, TypeError):
            pass
        return 0

    def append(self, text: str, counts: Counts) -> None:
        """Writes one part, and what is to be remembered with it.

        Raises:
            RunFolderError: the disk is full, say; all parts before stay.
        """
        try:
            self._file.write(text.encode())
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError as error:
            raise self._failed(error) from error
        state = {"identity": self._identity, "bytes": self._file.tell(), "counts": counts}
        write_text(self._progress, to_json(state))
        self.counts = counts

    def finish(self) -> None:
        """Gives the file its name."""
        self._file.close()
        self._partial.replace(self._target)
        self._progress.unlink(missing_ok=True)

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
        if not self.counts:  # nothing is worth keeping
            self._partial.unlink(missing_ok=True)
        self._lock.release()
        Path(self._lock.lock_file).unlink(missing_ok=True)

    def _failed(self, error: OSError) -> RunFolderError:
        return unwritable(self._target, error)
