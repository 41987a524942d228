"""Starting and stopping verbs: processes of their own, which outlive the page and the server.

What is remembered of a process stands in a file, so a server that is started again finds it. The run itself
is in its folder: stopping is killing, since a run that is killed goes on where it was.
"""

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import psutil
from filelock import FileLock, Timeout

from tuneworthy.runfolder.folder import write_text

GRACE_S = 10.0  # from asking a process to end, which writes a checkpoint, to killing it
SAME_START_S = 1.0  # a process id is reused; its start time then differs by more
LONGEST_LOG = 64 * 1024  # bytes that are read from the end of a log
_children: list[subprocess.Popen[bytes]] = []  # of this server, to be reaped


def launch(arguments: Sequence[str], record: Path, log: Path, settings: Mapping[str, str]) -> None:
    """Starts `tuneworthy <arguments>` in a session of its own.

    Args:
        arguments: of the command line, the verb first.
        record: the file that remembers the process.
        log: takes what it prints; an earlier one is replaced.
        settings: environment variables besides the server's own.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "tuneworthy.cli.main", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env={**os.environ, **settings},
        )
    _children.append(process)
    started = psutil.Process(process.pid).create_time()
    write_text(record, json.dumps({"process": process.pid, "started": started, "arguments": list(arguments)}))


def running(record: Path) -> psutil.Process | None:
    """The process that a file remembers, if it still runs."""
    for child in [child for child in _children if child.poll() is not None]:
        _children.remove(child)
    try:
        facts = json.loads(record.read_text(encoding="utf-8"))
        process = psutil.Process(int(facts["process"]))
        if abs(process.create_time() - float(facts["started"])) > SAME_START_S:
            return None
        return process if process.status() != psutil.STATUS_ZOMBIE else None
    except (OSError, ValueError, KeyError, psutil.Error):
        return None


def stop(record: Path) -> bool:
    """Ends the process that a file remembers; False when there is none."""
    process = running(record)
    if process is None:
        return False
    try:
        process.terminate()
        process.wait(GRACE_S)
    except psutil.TimeoutExpired:
        process.kill()
    except psutil.NoSuchProcess:
        pass
    return True


def is_held(run: Path) -> bool:
    """Whether a process, of whoever, is writing this run folder now."""
    if not (run / ".lock").exists():
        return False
    try:
        with FileLock(run / ".lock", timeout=0):
            return False
    except (Timeout, OSError):
        return True


def last_words(log: Path) -> str:
    """The end of a log; empty where there is none."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - LONGEST_LOG))
            return file.read().decode("utf-8", "replace").strip()
    except OSError:
        return ""
