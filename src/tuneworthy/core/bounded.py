"""Somebody else's template at work: within a time, and without eating the memory.

It is ended between two steps of Python, so that an endless loop ends and one long computation does not.
"""

import ctypes
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import psutil

LONGEST_S = 5.0  # of processor time
MOST_BYTES = 2**30  # of growth
LOOK_S = 0.05


class TooMuchError(Exception):
    """What was to be bounded takes too long, or too much memory."""


class _Stop(BaseException):
    """Raised in the thread that computes; no `except Exception` on its way takes it."""


@contextmanager
def bounded(seconds: float = LONGEST_S, most_bytes: int = MOST_BYTES) -> Iterator[None]:
    """Ends what this thread does in it once it has taken too much.

    Args:
        seconds: processor time of this thread where the system tells it, else time by the clock.
        most_bytes: by which the process may grow.

    Raises:
        TooMuchError: it took more; the message says what, as in "it takes more than 5 s".
    """
    lock, over, told = threading.Lock(), threading.Event(), list[str]()
    thread = threading.get_ident()
    began = _taken(thread)
    raise_in = ctypes.pythonapi.PyThreadState_SetAsyncExc

    def watch() -> None:
        if over.wait(LOOK_S):  # as nearly everything is
            return
        process = psutil.Process()
        before = process.memory_info().rss
        while not over.wait(LOOK_S):
            grown = process.memory_info().rss - before > most_bytes
            with lock:
                if (grown or _taken(thread) - began > seconds) and not over.is_set():
                    told.append(f"{most_bytes // 2**20} MiB" if grown else f"{seconds:g} s")
                    raise_in(ctypes.c_ulong(thread), ctypes.py_object(_Stop))
                    return

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    except _Stop:
        pass
    finally:
        with lock:
            over.set()
            raise_in(ctypes.c_ulong(thread), None)  # one that was not delivered yet
    if told:
        raise TooMuchError(f"it takes more than {told[0]}")


def _taken(thread: int) -> float:
    """Processor time of a thread where the system tells it, else the time by the clock, in seconds."""
    if hasattr(time, "pthread_getcpuclockid"):
        return time.clock_gettime(time.pthread_getcpuclockid(thread))
    return time.monotonic()
