"""A request to end: a scheduler's SIGTERM, or a time limit. A fine-tune ends at its next step, and can go on.

Everything else ends at once: its units are short, or go on from what is finished. Who asks waits ten seconds
as a rule, and then kills; so does a second request here, or the end of the grace.
"""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

GRACE_S = 8.0  # for a step and its checkpoint; schedulers that wait ten seconds are common
EXIT_CODE = 128 + 15  # as shells say it of a process that SIGTERM has ended
Handler = Callable[[int, FrameType | None], None]


class Ended(BaseException):
    """Somebody, or a time limit, has asked for the end; the text says which."""


class _Request:
    """What has been asked of this process, and whether a loop is running that looks."""

    why: str | None = None
    loops: int = 0


_request = _Request()


def asked() -> str | None:
    """Why this process is to end; None while nobody has asked."""
    return _request.why


@contextmanager
def noticing() -> Iterator[None]:
    """A loop that looks at `asked` between its steps, and so need not be interrupted within one."""
    _request.loops += 1
    try:
        yield
    finally:
        _request.loops -= 1


def request(why: str) -> None:
    """Asks for the end.

    Raises:
        Ended: at once, where no loop will notice, or one was asked before and has not.
    """
    if _request.loops and _request.why is None:
        _request.why = why
        if hasattr(signal, "setitimer"):
            signal.signal(signal.SIGALRM, lambda number, frame: request(why))
            signal.setitimer(signal.ITIMER_REAL, GRACE_S)
        return
    raise Ended(_request.why or why)


@contextmanager
def ended_by_sigterm(insisting: bool = True) -> Iterator[None]:
    """Within it SIGTERM is a request to end; only in a main thread, which alone gets signals.

    Args:
        insisting: whether a second one ends at once. Not in a worker: a scheduler tells it, and then so does
            the parent, which was told as well and kills it when the grace is over.
    """

    def told(number: int, frame: FrameType | None) -> None:
        if insisting or asked() is None:
            request("it was stopped")

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, told)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
        if hasattr(signal, "setitimer") and _request.why is not None:
            signal.setitimer(signal.ITIMER_REAL, 0)
        _request.why = None
