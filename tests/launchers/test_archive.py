"""What comes back is taken whole and verified, or not at all."""

import gzip
import hashlib
import io
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tuneworthy.core.errors import LaunchError, RunFolderError
from tuneworthy.launchers.archive import (
    LARGEST_READ,
    Content,
    Manifest,
    pack,
    read_manifest,
    same_files,
    unpack,
)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    folder = tmp_path / "there" / "run"
    (folder / "units" / "ab").mkdir(parents=True)
    (folder / "verdict.json").write_text("{}")
    (folder / "units" / "ab" / "weights.bin").write_bytes(bytes(range(256)) * 64)
    (folder / ".lock").touch()
    return folder


def rewritten(
    archive: Path, change: Callable[[tarfile.TarInfo, bytes], list[tuple[tarfile.TarInfo, bytes]]]
) -> None:
    """The archive with each of its entries replaced by what `change` makes of it."""
    with tarfile.open(archive, "r:gz") as tar:
        entries = [(one, tar.extractfile(one).read()) for one in tar]  # type: ignore[union-attr]
    with tarfile.open(archive, "w:gz") as tar:
        for entry, content in entries:
            for new, bytes_ in change(entry, content):
                tar.addfile(new, io.BytesIO(bytes_))


def test_a_run_comes_back_byte_for_byte(run: Path, tmp_path: Path) -> None:
    pack(run, tmp_path / "run.tar.gz", "abc", "finished", "", 1.0)
    manifest = unpack(tmp_path / "run.tar.gz", tmp_path / "here" / "run")
    assert same_files(tmp_path / "here" / "run", manifest)
    assert (tmp_path / "here/run/units/ab/weights.bin").read_bytes() == bytes(range(256)) * 64
    assert not (tmp_path / "here/run/.lock").exists()


def test_the_same_run_is_the_same_archive(run: Path, tmp_path: Path) -> None:
    for name in ("one", "two"):
        pack(run, tmp_path / name, "abc", "finished", "", 1.0)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_weights_are_not_packed_and_come_back_byte_for_byte(run: Path, tmp_path: Path) -> None:
    for name in ("adapter.safetensors", "notes.txt"):
        (run / "units" / "ab" / name).write_bytes(name.encode() * 50_000)
    pack(run, tmp_path / "run.tar.gz", "abc", "finished", "", 1.0)
    packed = (tmp_path / "run.tar.gz").read_bytes()
    assert b"adapter.safetensors" * 1000 in packed and b"notes.txt" * 1000 not in packed
    assert same_files(tmp_path / "here", unpack(tmp_path / "run.tar.gz", tmp_path / "here"))
    with tarfile.open(tmp_path / "run.tar.gz", "r:gz") as tar:  # as everybody's tar reads it
        assert len(tar.getnames()) == 5


def renamed(name: str) -> Callable[[tarfile.TarInfo, bytes], list[tuple[tarfile.TarInfo, bytes]]]:
    def change(entry: tarfile.TarInfo, content: bytes) -> list[tuple[tarfile.TarInfo, bytes]]:
        if entry.name == "run/verdict.json":
            entry.name = name
        return [(entry, content)]

    return change


def linked(entry: tarfile.TarInfo, content: bytes) -> list[tuple[tarfile.TarInfo, bytes]]:
    if entry.name == "run/verdict.json":
        entry.type, entry.linkname, entry.size = tarfile.SYMTYPE, "/etc/passwd", 0
    return [(entry, content)]


def changed(entry: tarfile.TarInfo, content: bytes) -> list[tuple[tarfile.TarInfo, bytes]]:
    return [(entry, b"[]" if entry.name == "run/verdict.json" else content)]


def dropped(entry: tarfile.TarInfo, content: bytes) -> list[tuple[tarfile.TarInfo, bytes]]:
    return [] if entry.name == "run/verdict.json" else [(entry, content)]


def doubled(entry: tarfile.TarInfo, content: bytes) -> list[tuple[tarfile.TarInfo, bytes]]:
    return [(entry, content)] * (2 if entry.name == "run/verdict.json" else 1)


@pytest.mark.parametrize(
    "change",
    [
        renamed("run/../../outside.txt"),
        renamed("/tmp/outside.txt"),
        renamed("outside.txt"),
        renamed("run/other.json"),
        linked,
        changed,
        dropped,
        doubled,
    ],
)
def test_an_archive_that_says_otherwise_leaves_nothing_behind(
    run: Path, tmp_path: Path, change: Callable[[tarfile.TarInfo, bytes], list[tuple[tarfile.TarInfo, bytes]]]
) -> None:
    archive = tmp_path / "run.tar.gz"
    pack(run, archive, "abc", "finished", "", 1.0)
    rewritten(archive, change)
    with pytest.raises(LaunchError):
        unpack(archive, tmp_path / "here" / "run")
    assert list((tmp_path / "here").iterdir()) == []
    assert not (tmp_path / "outside.txt").exists()


def test_a_torn_archive_is_one_sentence(run: Path, tmp_path: Path) -> None:
    archive = tmp_path / "run.tar.gz"
    pack(run, archive, "abc", "finished", "", 1.0)
    archive.write_bytes(archive.read_bytes()[:-300])
    with pytest.raises(LaunchError, match="no whole archive"):
        unpack(archive, tmp_path / "here" / "run")


@pytest.mark.parametrize(
    "content", [b"", b"no archive", gzip.compress(b"no tar", mtime=0)], ids=["empty", "no archive", "no tar"]
)
def test_what_is_no_archive_is_one_sentence(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x").write_bytes(content)
    with pytest.raises(LaunchError, match="no whole archive"):
        read_manifest(tmp_path / "x")


def crafted(path: Path, manifest: bytes, names: tuple[str, ...] = ()) -> Path:
    with tarfile.open(path, "w:gz") as tar:
        for name, content in (("manifest.json", manifest), *((f"run/{name}", b"") for name in names)):
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return path


@pytest.mark.parametrize("names", [("a", "a/b"), ("x" * 300,), (".",)], ids=["both", "long", "dot"])
def test_names_that_cannot_be_files_are_one_sentence_and_nothing_is_left(
    tmp_path: Path, names: tuple[str, ...]
) -> None:
    content = Content(size=0, sha256=hashlib.sha256(b"").hexdigest())
    manifest = Manifest(bundle="b", state="finished", files=dict.fromkeys(names, content))
    archive = crafted(tmp_path / "x", manifest.model_dump_json().encode(), names)
    with pytest.raises(LaunchError, match="no whole archive"):
        unpack(archive, tmp_path / "here" / "run")
    assert list((tmp_path / "here").iterdir()) == []


def test_a_manifest_too_deep_to_read_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(LaunchError, match="no whole archive"):
        read_manifest(crafted(tmp_path / "x", b"[" * 200_000))


def test_a_place_that_cannot_be_written_is_not_the_archives_fault(run: Path, tmp_path: Path) -> None:
    pack(run, tmp_path / "run.tar.gz", "abc", "finished", "", 1.0)
    (tmp_path / "here").write_text("a file")
    with pytest.raises(RunFolderError, match="a file is where a folder should be"):
        unpack(tmp_path / "run.tar.gz", tmp_path / "here" / "run")


def test_a_newer_archive_replaces_an_older_one_whole(run: Path, tmp_path: Path) -> None:
    pack(run, tmp_path / "one", "abc", "stopped", "it was stopped", 1.0)
    unpack(tmp_path / "one", tmp_path / "here")
    (run / "verdict.json").unlink()
    (run / "report.html").write_text("done")
    pack(run, tmp_path / "two", "abc", "finished", "", 2.0)
    manifest = unpack(tmp_path / "two", tmp_path / "here")
    assert same_files(tmp_path / "here", manifest) and "verdict.json" not in manifest.files
    assert isinstance(manifest, Manifest)


def test_an_archive_that_would_fill_the_disk_is_not_unpacked(run: Path, tmp_path: Path) -> None:
    with (run / "zeros.bin").open("wb") as file:
        file.truncate(300 * 2**20)
    pack(run, tmp_path / "bomb", "abc", "finished", "", 1.0)
    assert (tmp_path / "bomb").stat().st_size < 2 * 2**20
    with pytest.raises(LaunchError, match="no run grows like that"):
        unpack(tmp_path / "bomb", tmp_path / "here" / "run")
    assert list((tmp_path / "here").iterdir()) == []


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.GNUTYPE_LONGNAME])
def test_a_header_that_says_it_is_long_takes_no_memory(
    kind: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    head = tarfile.TarInfo("x")
    head.type, head.size = kind, 40 * 2**30
    with gzip.open(tmp_path / "bomb", "wb") as file:
        file.write(head.tobuf() + bytes(2**20))
    asked: list[int] = []
    read = gzip.GzipFile.read
    monkeypatch.setattr(gzip.GzipFile, "read", lambda self, size: asked.append(size) or read(self, size))
    with pytest.raises(LaunchError, match="no whole archive"):
        read_manifest(tmp_path / "bomb")
    assert asked and max(asked) <= LARGEST_READ
