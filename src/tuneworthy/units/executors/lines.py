"""A process that answers JSON lines on stdin with JSON lines on stdout.

It ends when stdin does, so that killing the parent, in whatever way, never leaves it behind.
"""

import json
import os
import queue
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from typing import IO, Any

from tuneworthy.core import errors
from tuneworthy.core.ending import EXIT_CODE, Ended, ended_by_sigterm

Answer = Callable[[dict[str, Any], IO[str]], None]


def failed(error: BaseException) -> dict[str, Any]:
    """What is said of the error being handled: a user's mistake by its class, a bug by its traceback."""
    if isinstance(error, errors.TuneworthyError):
        return {"kind": "refused", "error": type(error).__name__, "message": str(error)}
    return {"kind": "crashed", "traceback": traceback.format_exc()}


def raise_failure(said: dict[str, Any], what: str) -> None:
    """Raises here what `failed` said there; nothing where something else was said.

    Raises:
        TuneworthyError: the user's mistake, under its own class.
        RuntimeError: a bug, with the traceback.
    """
    if said["kind"] == "refused":
        raise getattr(errors, said["error"], errors.TuneworthyError)(said["message"])
    if said["kind"] == "crashed":
        raise RuntimeError(f"{what} crashed:\n{said['traceback']}")


def converse(answer: Answer) -> None:
    """Hands over every request, one by one, with where to write what is said to it; never returns."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8", buffering=1)
    os.dup2(2, 1)  # whatever a library prints must not break the protocol
    requests: queue.Queue[str] = queue.Queue()
    threading.Thread(target=_read, args=(requests,), daemon=True).start()
    while True:
        answer(json.loads(requests.get()), answers)


def converse_until_stopped(answer: Answer) -> None:
    """The same for requests that are units: one asked to end keeps where it is, and the process ends."""
    try:
        with ended_by_sigterm(insisting=False):
            converse(answer)
    except Ended:
        os._exit(EXIT_CODE)


def _read(requests: "queue.Queue[str]") -> None:
    for line in sys.stdin:
        requests.put(line)
    os._exit(0)
