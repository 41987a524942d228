"""A run folder: atomic writes, one writer, and an append-only list of events."""

import contextlib
import json
import os
import secrets
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any

from filelock import FileLock, Timeout
from pydantic import BaseModel

from tuneworthy.core.errors import RunFolderError
from tuneworthy.runfolder import checksums
from tuneworthy.runfolder.disk import as_unwritable, unwritable
from tuneworthy.runfolder.events import Event, event_line

Listener = Callable[[Event], None]
EVENTS, OWNER = "events.jsonl", ".owner"


def write_bytes(path: Path, content: bytes) -> None:
    """Writes a file whole or not at all: temporary file, fsync, rename.

    Raises:
        RunFolderError: the folder cannot be written.
    """
    partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with partial.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):  # on a read-only file system there is nothing to remove
            partial.unlink()
        raise unwritable(path, error) from error


def write_text(path: Path, text: str) -> None:
    """Writes a text file in UTF-8, whole or not at all; raises RunFolderError."""
    write_bytes(path, text.encode())


def to_json(value: Any) -> str:
    """Indented JSON of models, lists of models and plain values."""

    def plain(item: Any) -> Any:
        if isinstance(item, BaseModel):
            return item.model_dump(mode="json")
        raise TypeError(f"{type(item).__name__} is not JSON")

    return json.dumps(value, default=plain, ensure_ascii=False, indent=1) + "\n"


class RunFolder:
    """One run on disk. Use as a context manager while writing: it holds the folder's lock."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = FileLock(path / ".lock")
        self.tried: set[str] = set()  # addresses of units that this start has looked at
        self._listeners: list[Listener] = []

    def __enter__(self) -> "RunFolder":
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self._lock.acquire(timeout=3)
            self._end_torn_line()
            owner = {"process": os.getpid(), "since": datetime.now(UTC).isoformat(timespec="seconds")}
            (self.path / OWNER).write_text(json.dumps(owner), encoding="utf-8")
        except Timeout as error:
            raise RunFolderError(
                f"{self.path} is in use by another process{self._whose()}: wait for it, or name another "
                "--output."
            ) from error
        except OSError as error:
            self._lock.release()
            raise unwritable(self.path, error) from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(OSError):
            (self.path / OWNER).unlink()
        self._lock.release()
        if error is not None and (told := as_unwritable(self.path, error)) is not None:
            raise told from error

    def _whose(self) -> str:
        """Who holds the lock. The system takes it from a process that dies, so whoever holds it is alive."""
        try:
            owner = json.loads((self.path / OWNER).read_text(encoding="utf-8"))
            return f" (number {int(owner['process'])} of its machine, since {owner['since']})"
        except (OSError, ValueError, KeyError, TypeError):
            return ""

    def _end_torn_line(self) -> None:
        """An event that a full disk cut must not take the next one along."""
        events = self.path / EVENTS
        if events.exists() and events.stat().st_size:
            with events.open("rb+") as file:
                file.seek(-1, os.SEEK_END)
                if file.read() != b"\n":
                    file.write(b"\n")

    def listen(self, listener: Listener) -> None:
        """Calls `listener` with every event from now on."""
        self._listeners.append(listener)

    def emit(self, event: str, *, keep: bool = True, **fields: Any) -> None:
        """Appends an event to `events.jsonl` (unless `keep` is False) and tells the listeners.

        Raises:
            RunFolderError: the folder cannot be written.
        """
        record = {"time": datetime.now(UTC).isoformat(timespec="milliseconds"), "event": event, **fields}
        if keep:
            try:
                with (self.path / EVENTS).open("ab", buffering=0) as file:
                    file.write(event_line(record))
            except OSError as error:
                raise unwritable(self.path / EVENTS, error) from error
        for listener in self._listeners:
            listener(record)

    def write(self, name: str, value: Any) -> None:
        """Writes one JSON file."""
        self.write_text(name, to_json(value))

    def write_text(self, name: str, text: str) -> None:
        """Writes one text file, and what its checksum is; raises RunFolderError."""
        content = text.encode()
        try:
            (self.path / name).parent.mkdir(parents=True, exist_ok=True)
            checksums.record(self.path, name, content)
        except OSError as error:
            raise unwritable(self.path / name, error) from error
        write_bytes(self.path / name, content)

    def write_lines(self, name: str, items: Iterable[Any]) -> None:
        """Writes one JSON-lines file."""
        lines = (
            item.model_dump_json() if isinstance(item, BaseModel) else json.dumps(item, ensure_ascii=False)
            for item in items
        )
        self.write_text(name, "".join(f"{line}\n" for line in lines))

    def text(self, name: str) -> str:
        """Reads one text file.

        Raises:
            RunFolderError: it is missing, or not what was written there.
        """
        path = self.path / name
        try:
            return checksums.checked(self.path, name).decode()
        except FileNotFoundError as error:
            raise RunFolderError(f"{path} is missing: is {self.path} a finished run?") from error
        except UnicodeDecodeError as error:
            raise RunFolderError(checksums.damaged_text(self.path, name, "it is no text")) from error
        except RunFolderError:
            raise
        except OSError as error:
            raise RunFolderError(f"{path} cannot be read ({error.strerror}): look at its rights.") from error

    def read(self, name: str) -> Any:
        """Reads one JSON file.

        Raises:
            RunFolderError: it is missing or damaged.
        """
        text = self.text(name)
        try:
            return json.loads(text)
        except ValueError as error:
            raise RunFolderError(checksums.damaged_text(self.path, name, "it is no JSON")) from error

    def exists(self, name: str) -> bool:
        """Whether the folder has this file."""
        return (self.path / name).exists()
