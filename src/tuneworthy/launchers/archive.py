"""What comes back: one archive with the run folder and the sha256 of every file in it.

An archive comes from a machine that this one does not trust: only regular files below `run/` that the
manifest names are taken, and only when all of them have the bytes it says.
"""

import gzip
import io
import json
import os
import shutil
import tarfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, Any, Literal

from tuneworthy.core.errors import LaunchError
from tuneworthy.core.frozen import Frozen
from tuneworthy.core.hashing import file_digest
from tuneworthy.runfolder.disk import NO_RIGHTS, NO_SPACE, make_folder, unwritable
from tuneworthy.runfolder.folder import OWNER

ARCHIVE, MANIFEST, INSIDE = "run.tar.gz", "manifest.json", "run"
LARGEST_MANIFEST = 64 * 2**20  # bytes
LARGEST_READ = LARGEST_MANIFEST + 2**20  # bytes at a time: a header that asks for more is no header of ours
# A run is texts, which pack to a tenth, and weights, which hardly pack: what grows more is to fill a disk.
MOST_GROWTH, SMALL = 200, 256 * 2**20
# Weights hardly pack, and a place waits minutes for an archive before it ends the machine.
PACKED, STORED, WEIGHTS = 4, 0, ".safetensors"
End = Literal["finished", "stopped", "failed"]
BROKEN = (tarfile.TarError, OSError, EOFError, zlib.error, ValueError, RecursionError)


class Content(Frozen):
    """A file of the run folder."""

    size: int
    sha256: str


class Manifest(Frozen):
    """What an archive says of itself.

    Attributes:
        format: of the archive: 1.
        bundle: digest of the bundle that it answers.
        state: how the run ended.
        told: why it did not finish, in a sentence.
        seconds: it took.
        files: the run folder's, by path.
    """

    format: int = 1
    bundle: str
    state: End
    told: str = ""
    seconds: float = 0.0
    files: dict[str, Content]


def archive_of(attempt: str | None) -> str:
    """The archive's name where those of several attempts lie side by side."""
    return f"{attempt}-{ARCHIVE}" if attempt else ARCHIVE


def pack(run: Path, archive: Path, bundle: str, state: End, told: str, seconds: float) -> Manifest:
    """Writes the archive of a run folder, whole or not at all; locks and half-written files are left out."""
    files = {path.relative_to(run).as_posix(): path for path in _kept(run)}
    contents = {name: Content(size=p.stat().st_size, sha256=file_digest(p)) for name, p in files.items()}
    manifest = Manifest(bundle=bundle, state=state, told=told, seconds=round(seconds, 1), files=contents)
    archive.parent.mkdir(parents=True, exist_ok=True)
    partial = archive.with_name(f".{archive.name}.partial")
    with (
        partial.open("wb") as raw,
        _Members(raw) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as tar,
    ):
        text = manifest.model_dump_json(indent=1).encode()
        tar.addfile(_entry(MANIFEST, len(text)), io.BytesIO(text))
        for name, path in files.items():
            packed.level(STORED if path.suffix == WEIGHTS else PACKED)
            with path.open("rb") as file:
                tar.addfile(_entry(f"{INSIDE}/{name}", contents[name].size), file)
    partial.replace(archive)
    return manifest


class _Members(io.RawIOBase):
    """Gzip members of levels of their own, which read as one stream (RFC 1952, section 2.2)."""

    def __init__(self, raw: IO[bytes]) -> None:
        self._raw, self._written = raw, 0
        self._level, self._member = PACKED, self._begun(PACKED)

    def _begun(self, level: int) -> gzip.GzipFile:
        return gzip.GzipFile(filename="", fileobj=self._raw, mode="wb", compresslevel=level, mtime=0)

    def level(self, level: int) -> None:
        """What is written from here on is packed so much."""
        if level != self._level:
            self._member.close()
            self._level, self._member = level, self._begun(level)

    def write(self, content: Any, /) -> int:
        """Bytes of the stream."""
        self._written += len(content)
        return self._member.write(content)

    def tell(self) -> int:
        """How many they are so far."""
        return self._written

    def close(self) -> None:
        """Ends the last member."""
        self._member.close()
        super().close()


def _kept(run: Path) -> list[Path]:
    """The files of a run folder that are whole."""
    if not run.is_dir():
        return []
    found = (path for path in run.rglob("*") if path.is_file() and not path.is_symlink())
    return sorted(path for path in found if not any(p.startswith(".") for p in path.relative_to(run).parts))


def _entry(name: str, size: int) -> tarfile.TarInfo:
    """An entry that depends on nothing but name and size."""
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode, entry.mtime = size, 0o644, 0
    return entry


def read_manifest(archive: Path) -> Manifest:
    """What an archive says of itself; raises LaunchError for one that is damaged or is none."""
    try:
        with _opened(archive) as tar:
            return _manifest(tar)
    except BROKEN as error:
        raise _damaged(archive, error) from None


def unpack(archive: Path, run: Path) -> Manifest:
    """Writes the run folder, whole or not at all; what stood there before is replaced.

    Raises:
        LaunchError: the archive is damaged, or holds anything but the files that its manifest names.
        RunFolderError: the run folder cannot be written.
    """
    aside = run.with_name(f".{run.name}.{os.getpid()}.fetching")
    shutil.rmtree(aside, ignore_errors=True)
    make_folder(aside)
    try:
        with _opened(archive) as tar:
            manifest = _manifest(tar)
            _check_size(archive, manifest, aside)
            found = {name: _write(tar, entry, aside / name) for name, entry in _wanted(tar, manifest)}
        missing = sorted(set(manifest.files) - set(found))
        if missing:
            raise LaunchError(f"{archive} is not whole: '{missing[0]}' is missing. Fetch it again.")
        for name, content in manifest.files.items():
            if file_digest(aside / name) != content.sha256:
                raise LaunchError(f"{archive}: '{name}' is not what was packed. Fetch it again.")
        old = run.with_name(f".{run.name}.{os.getpid()}.before")
        if run.exists():
            run.rename(old)
        try:
            aside.rename(run)
        except OSError:
            if old.exists():
                old.rename(run)
            raise
        shutil.rmtree(old, ignore_errors=True)
        return manifest
    except BROKEN as error:
        if isinstance(error, OSError) and error.errno in NO_SPACE | NO_RIGHTS:
            raise unwritable(run, error) from error  # every other one is of names that cannot be files
        raise _damaged(archive, error) from None
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def same_files(run: Path, manifest: Manifest) -> bool:
    """Whether a folder holds exactly the manifest's files; locks are no part of it."""
    here = {path.relative_to(run).as_posix(): path for path in _kept(run)}
    return set(here) == set(manifest.files) and all(
        file_digest(path) == manifest.files[name].sha256 for name, path in here.items()
    )


def is_empty(run: Path) -> bool:
    """Whether a folder is not there, or holds a lock at most."""
    return not _paths(run)


def is_untouched(run: Path, files: Mapping[str, Content]) -> bool:
    """Whether a folder holds these files and nothing else, hidden files and links among it."""
    return _paths(run) == set(files) and all(
        not (run / name).is_symlink() and file_digest(run / name) == content.sha256
        for name, content in files.items()
    )


def _paths(run: Path) -> set[str]:
    """Everything in a folder but the lock of a run, and the folders that hold it."""
    found = (path for path in run.rglob("*") if path.is_symlink() or not path.is_dir())
    return {path.relative_to(run).as_posix() for path in found} - {".lock", OWNER}


class _Bounded(io.RawIOBase):
    """A stream of which nobody reads much at once: tarfile takes a header's word for how long it is."""

    def __init__(self, stream: gzip.GzipFile) -> None:
        self._stream = stream

    def read(self, size: int = -1, /) -> bytes:
        """At most `LARGEST_READ` bytes; raises ValueError where more are asked for."""
        if size < 0 or size > LARGEST_READ:
            raise ValueError("a header is too long")
        return self._stream.read(size)

    def seek(self, offset: int, whence: int = 0, /) -> int:
        """As the stream's."""
        return self._stream.seek(offset, whence)

    def tell(self) -> int:
        """As the stream's."""
        return self._stream.tell()


@contextmanager
def _opened(archive: Path) -> Iterator[tarfile.TarFile]:
    with gzip.open(archive, "rb") as stream, tarfile.open(fileobj=_Bounded(stream), mode="r:") as tar:
        yield tar


def _check_size(archive: Path, manifest: Manifest, place: Path) -> None:
    """Raises LaunchError for files that would not fit, or that grow as no run does."""
    whole = sum(max(0, content.size) for content in manifest.files.values())
    packed, free = archive.stat().st_size, shutil.disk_usage(place).free
    if whole > max(SMALL, MOST_GROWTH * packed):
        raise LaunchError(
            f"{archive} has {packed} bytes and would unpack to {whole}: no run grows like that, nothing was "
            "taken."
        )
    if whole > free:
        raise LaunchError(f"{archive} unpacks to {whole} bytes and {free} are free: make room, or elsewhere.")


def _manifest(tar: tarfile.TarFile) -> Manifest:
    first = tar.next()
    if first is None or first.name != MANIFEST or not first.isreg() or first.size > LARGEST_MANIFEST:
        raise ValueError("it has no manifest")
    file = tar.extractfile(first)
    assert file is not None
    stored: dict[str, Any] = json.loads(file.read())
    return Manifest.model_validate(stored)


def _wanted(tar: tarfile.TarFile, manifest: Manifest) -> Iterator[tuple[str, tarfile.TarInfo]]:
    """The entries of a run folder's files, each looked at before it is written."""
    seen: set[str] = set()
    while (entry := tar.next()) is not None:
        path = PurePosixPath(entry.name)
        name = path.relative_to(INSIDE).as_posix() if path.parts[:1] == (INSIDE,) else None
        plain = entry.isreg() and ".." not in path.parts and "\\" not in entry.name and "\0" not in entry.name
        if name is None or not plain or name in seen or name not in manifest.files:
            raise LaunchError(
                f"the archive holds '{entry.name}', which is no file of its run: nothing was taken."
            )
        if entry.size != manifest.files[name].size:
            raise LaunchError(f"the archive's '{name}' has another size than it says: nothing was taken.")
        seen.add(name)
        yield name, entry


def _write(tar: tarfile.TarFile, entry: tarfile.TarInfo, path: Path) -> bool:
    source = tar.extractfile(entry)
    assert source is not None
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as sink:
        shutil.copyfileobj(source, sink)
    return True


def _damaged(archive: Path, error: BaseException) -> LaunchError:
    return LaunchError(
        f"{archive} is no whole archive of a run ({type(error).__name__}): fetch or download it again."
    )
