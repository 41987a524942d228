"""A run folder: atomic writes, one writer, and an append-only list of events."""

import json
import os
import secrets
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from pydantic import BaseModel

from tuneworthy.core.errors import RunFolderError

Event = dict[str, Any]
Listener = Callable[[Event], None]


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
        partial.unlink(missing_ok=True)
        raise RunFolderError(f"{path} cannot be written ({error.strerror}): free space or rights?") from error


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
        self._listeners: list[Listener] = []

    def __enter__(self) -> "RunFolder":
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self._lock.acquire(timeout=3)
        except Timeout as error:
            raise RunFolderError(
                f"{self.path} is in use by another process: wait for it, or name another --output."
            ) from error
        except OSError as error:
            raise RunFolderError(
                f"{self.path} cannot be written ({error.strerror}): name another --output."
            ) from error
        return self

    def __exit__(self, *_: object) -> None:
        self._lock.release()

    def listen(self, listener: Listener) -> None:
        """Calls `listener` with every event from now on."""
        self._listeners.append(listener)

    def emit(self, event: str, *, keep: bool = True, **fields: Any) -> None:
        """Appends an event to `events.jsonl` (unless `keep` is False) and tells the listeners."""
        record = {"time": datetime.now(UTC).isoformat(timespec="milliseconds"), "event": event, **fields}
        if keep:
            with (self.path / "events.jsonl").open("a", encoding="utf-8") as file:
                file.write(json.dumps(record, ensure_ascii=False) + "\n")
        for listener in self._listeners:
            listener(record)

    def write(self, name: str, value: Any) -> None:
        """Writes one JSON file."""
        write_text(self.path / name, to_json(value))

    def write_text(self, name: str, text: str) -> None:
        """Writes one text file."""
        write_text(self.path / name, text)

    def write_lines(self, name: str, items: Iterable[Any]) -> None:
        """Writes one JSON-lines file."""
        lines = (
            item.model_dump_json() if isinstance(item, BaseModel) else json.dumps(item, ensure_ascii=False)
            for item in items
        )
        write_text(self.path / name, "".join(f"{line}\n" for line in lines))

    def read(self, name: str) -> Any:
        """Reads one JSON file.

        Raises:
            RunFolderError: it is missing or damaged.
        """
        path = self.path / name
        try:
            return json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError as error:
            raise RunFolderError(f"{path} is missing: is {self.path} a finished run?") from error
        except ValueError as error:
            raise RunFolderError(f"{path} is damaged: delete it and run the job again.") from error

    def exists(self, name: str) -> bool:
        """Whether the folder has this file."""
        return (self.path / name).exists()
