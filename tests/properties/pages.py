"""What the pages are given: files that are dropped, jobs that are edited, and headers of requests."""

from contextlib import suppress
from functools import cache
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

from hypothesis import strategies as st

from properties.files import File, bytes_of, file_of, mutated
from properties.jobs import job_of
from properties.pieces import randoms, text_of
from properties.promise import Target
from tuneworthy.core.errors import TuneworthyError
from tuneworthy.data.readers import SUFFIXES
from tuneworthy.web.doctoring import known_job
from tuneworthy.web.guard import Guard
from tuneworthy.web.workspace import KeptTable, Workspace


class Upload(NamedTuple):
    """A file, and the name that its browser gives it."""

    file: File
    title: str


def upload_of(random: Random) -> Upload:
    """A table, whole or broken, under a name of any kind."""
    kind = random.random()
    file = (
        file_of(random)
        if kind < 0.5
        else mutated(file_of(random), random)
        if kind < 0.8
        else bytes_of(random)
    )
    suffix = (
        Path(file.name).suffix if random.random() < 0.9 else random.choice([*SUFFIXES, ".exe", "", ".CSV"])
    )
    stem = random.choice(
        ["rows", "../../etc/x", "..", ".hidden", "a/b", "a\\b", "x" * 300, text_of(random)[:300]]
    )
    return Upload(file, stem + suffix)


def files_of(folder: Path) -> set[str]:
    """All files below a folder."""
    return {str(one.relative_to(folder)) for one in folder.rglob("*") if one.is_file()}


def upload(given: Upload, folder: Path) -> None:
    """A file that is kept is a table that can be opened again; one that is not leaves nothing behind."""
    workspace = Workspace(folder / "runs", folder)
    workspace.uploads.mkdir(parents=True)
    dropped = workspace.uploads / "dropped"
    dropped.write_bytes(given.file.content)
    before = files_of(folder)
    try:
        table = workspace.keep(dropped, given.title)
    except TuneworthyError:
        assert files_of(folder) == before
        assert workspace.tables() == []
        raise
    assert workspace.tables() == [table] == [workspace.table(table.id)]
    assert table.path.read_bytes() == given.file.content
    assert table.path.resolve().is_relative_to(workspace.own.resolve())
    known_job(table)


def edit(file: File, folder: Path) -> None:
    """A job that is refused leaves no file; one that is kept reads nothing but the table."""
    workspace, table = _table(folder)
    before = files_of(folder)
    try:
        path, job = workspace.keep_job(table, file.content.decode("utf-8", "replace"))
    except TuneworthyError:
        assert files_of(folder) == before
        raise
    assert files_of(folder) == before | {str(path.relative_to(folder))}
    assert Path(job.data.path).parent == table.folder.resolve()


def _table(folder: Path) -> tuple[Workspace, KeptTable]:
    workspace = Workspace(folder / "runs", folder)
    workspace.uploads.mkdir(parents=True)
    (workspace.uploads / "a.csv").write_text("text,label\na,b\n", encoding="utf-8")
    return workspace, workspace.keep(workspace.uploads / "a.csv", "a.csv")


class Asked(NamedTuple):
    """A request as it comes from the network."""

    method: str
    path: str
    query: bytes
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes


COOKIE = b"the right one"
NAMES = (
    b"host",
    b"origin",
    b"cookie",
    b"content-length",
    b"sec-fetch-site",
    b"sec-fetch-mode",
    b"x",
    b"authorization",
)
VALUES = (
    b"127.0.0.1:8377",
    b"http://127.0.0.1:8377",
    b"http://[",
    b"[::1",
    b"null",
    b"\xff\xfe",
    b"tuneworthy-8377=x",
)
VALUES += (
    b"tuneworthy-8377",
    b'a="\\303\\251; ;;=',
    b"-1",
    b"1e9",
    b"9" * 5000,
    b"\xb2",
    b"same-origin",
    b"cross-site",
    b"",
)
QUERIES = (
    b"",
    b"token=",
    b"token=right",
    b"token=right&token=right",
    b"a=%ff&token=right",
    b"token=%00\xff",
    b"&;=" * 500,
)


def asked_of(random: Random) -> Asked:
    """Headers of which any may be missing, twice there, or no such header."""
    headers = [(b"host", b"127.0.0.1:8377")] if random.random() < 0.8 else []
    headers += [(b"cookie", COOKIE)] if random.random() < 0.5 else []
    headers += [(random.choice(NAMES), random.choice(VALUES)) for _ in range(random.randint(0, 4))]
    path = random.choice(["/", "//evil.example", "/a\r\nb", "/é", text_of(random)[:100]])
    method = random.choice(["GET", "GET", "POST", "HEAD", "X"])
    return Asked(
        method, path, random.choice(QUERIES), tuple(headers), random.randbytes(random.randint(0, 200))
    )


def pass_guard(asked: Asked, folder: Path) -> None:
    """Let in, sent on without the token, or refused; the headers that go out can be sent."""
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": asked.body, "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    scope = {"type": "http", "method": asked.method, "path": asked.path, "query_string": asked.query}
    guard, cookie = _guard()
    headers = [(name, cookie if value == COOKIE else value) for name, value in asked.headers]
    with suppress(StopIteration):
        guard({**scope, "headers": headers}, receive, send).send(None)  # type: ignore[attr-defined]
    assert sent[0]["status"] in (200, 303, 403, 413)
    for name, value in sent[0]["headers"]:
        assert not set(b"\r\n\0") & set(name + value)


@cache
def _guard() -> tuple[Guard, bytes]:
    """A guard before an application that says yes, and the cookie that opens it."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    guard = Guard(app, "right", 8377, largest_body=100)
    return guard, f"{guard._cookie}={guard._session}".encode()


PAGES = [
    Target("uploads", st.builds(upload_of, randoms), upload, lambda given: len(given.file.content)),
    Target("edited_jobs", st.builds(job_of, randoms), edit, lambda file: len(file.content)),
    Target("requests", st.builds(asked_of, randoms), pass_guard),
]
