"""Whether a run's own files are as they were written: `checksums.jsonl`, a line for each content of a file.

The line is there before the content gets its name, so that a kill between the two leaves a file with the
content before: both count. Files without a line, of runs made before there were any, are taken as they are.
Units keep sums of their own (`unit_output`), and so does every line of `events.jsonl` (`events`).
"""

import hashlib
import json
import os
import secrets
import shlex
from collections.abc import Container
from pathlib import Path

from tuneworthy.core.errors import RunFolderError
from tuneworthy.core.hashing import text_digest

FILE = "checksums.jsonl"
KEPT = {  # files whose content is a decision that nothing else tells, and what goes with them
    "budget.json": "what its budget has left out and spent",
    "sequential.json": "which looks were declared before the first one",
}
Sums = dict[str, list[str]]


def record(run: Path, name: str, content: bytes) -> None:
    """Writes down what a file is about to hold, unless that is what it was last told to hold.

    Raises:
        OSError: the folder cannot be written.
    """
    digest = hashlib.sha256(content).hexdigest()
    known, whole = _read(run)
    if whole and known.get(name, [""])[-1] == digest:
        return
    if not whole:
        mend(run)
    with (run / FILE).open("a", encoding="utf-8") as log:
        log.write(_line(name, digest))
        log.flush()
        os.fsync(log.fileno())


def mend(run: Path) -> None:
    """Keeps what is left of a torn or edited `checksums.jsonl`; what it has lost is checked no more."""
    known, _ = _read(run)
    kept = [_line(file, one) for file, digests in known.items() for one in digests[-2:]]
    partial = run / f".{FILE}.{secrets.token_hex(4)}.partial"
    partial.write_text("".join(kept), encoding="utf-8")
    partial.replace(run / FILE)


def checked(run: Path, name: str) -> bytes:
    """A file's content.

    Raises:
        RunFolderError: it is not what was written there; the sentence says what to type next.
        OSError: it cannot be read.
    """
    content = (run / name).read_bytes()
    known, whole = _read(run)
    if not whole:
        raise RunFolderError(damaged_text(run, FILE))
    if not _is_known(content, known.get(name)):
        raise RunFolderError(damaged_text(run, name))
    return content


def damaged(run: Path, names: Container[str] | None = None) -> list[str]:
    """The run's own files, or those among `names`, that are there and not what was written, by name."""
    known, whole = _read(run)
    found = [] if whole or (names is not None and FILE not in names) else [FILE]
    for name, digests in sorted(known.items()):
        if names is not None and name not in names:
            continue
        path = run / name
        if path.is_file() and not _is_known(path.read_bytes(), digests):
            found.append(name)
    return found


def damaged_text(run: Path, name: str, what: str = "its checksum is not that of what was written") -> str:
    """The sentence on a damaged file: which, and what to type next."""
    folder, job = shlex.quote(str(run)), shlex.quote(str(run / "job.yaml"))
    head = f"{run / name} is damaged or was edited ({what})"
    if name in KEPT:
        return (
            f"{head}, and only it knows {KEPT[name]}: put it back as it was, or delete it to have that "
            "decided anew, and run the job again."
        )
    if name == "job.yaml":
        return f"{head}: run the job again as you started it, with --output {folder}, to write it anew."
    return f"{head}: type `tuneworthy run {job} --output {folder}` to write it anew."


def _is_known(content: bytes, digests: list[str] | None) -> bool:
    return digests is None or hashlib.sha256(content).hexdigest() in digests[-2:]


def _line_sum(name: str, digest: str) -> str:
    return text_digest(f"{name} {digest}")[:8]


def _line(name: str, digest: str) -> str:
    entry = {"file": name, "sha256": digest, "line": _line_sum(name, digest)}
    return json.dumps(entry, ensure_ascii=False) + "\n"


def _read(run: Path) -> tuple[Sums, bool]:
    """The digests of every file, the latest last; and whether every line is as it was written."""
    try:
        lines = (run / FILE).read_bytes().split(b"\n")
    except FileNotFoundError:
        return {}, True
    found: Sums = {}
    whole = not lines[-1]
    for line in filter(None, lines):
        try:
            entry = json.loads(line)
            name, digest = str(entry["file"]), str(entry["sha256"])
            if entry["line"] != _line_sum(name, digest):
                raise ValueError
        except (ValueError, KeyError, TypeError):
            whole = False
            continue
        found.setdefault(name, []).append(digest)
    return found, whole
