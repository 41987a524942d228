"""A chat template at work: within a time, and without eating the memory.

`strangers.vet` has seen the template end on chats of usual shapes. One that waits for a certain text, or for
the ninth turn, is stopped here: between two of its steps, so that a single step is as long as it is.
"""

import ctypes
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import psutil

from tuneworthy.core.errors import ModelError

LONGEST_S = 10.0
MOST_BYTES = 2**30  # of growth
LOOK_S = 0.05


class _Stop(BaseException):
    """Raised in the thread that renders; no `except Exception` on its way takes it."""


@contextmanager
def within_bounds(name: str, longest_s: float = LONGEST_S, most_bytes: int = MOST_BYTES) -> Iterator[None]:
    """Within it a template is rendered; `name` is whose it is.

    Raises:
        ModelError: it took longer, or more memory.
    """
    lock, over, told = threading.Lock(), threading.Event(), list[str]()
    thread = ctypes.c_ulong(threading.get_ident())
    raise_in = ctypes.pythonapi.PyThreadState_SetAsyncExc

    def watch() -> None:
        if over.wait(LOOK_S):  # as nearly every chat is
            return
        process, waited = psutil.Process(), LOOK_S
        before = process.memory_info().rss
        while not over.wait(LOOK_S):
            waited += LOOK_S
            grown = process.memory_info().rss - before > most_bytes
            with lock:
                if (grown or waited > longest_s) and not over.is_set():
                    told.append(f"{most_bytes // 2**20} MiB" if grown else f"{longest_s:g} s")
                    raise_in(thread, ctypes.py_object(_Stop))
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
            raise_in(thread, None)  # one that was not delivered yet
    if told:
        raise ModelError(
            f"the chat template of {name} takes more than {told[0]} for one chat: use another model, or mend "
            "the template."
        )
