"""What goes on too long, or takes too much memory, is ended; what does not is left alone."""

import time

import pytest

from tuneworthy.core.bounded import TooMuchError, bounded


def test_a_loop_without_end_is_ended() -> None:
    started = time.process_time()
    with pytest.raises(TooMuchError, match=r"more than 0\.2 s"), bounded(0.2):
        while True:
            pass
    assert time.process_time() - started < 2


def test_what_catches_every_exception_is_ended_too() -> None:
    with pytest.raises(TooMuchError), bounded(0.2):
        while True:
            try:
                sum(range(1000))
            except Exception:
                continue


def test_what_eats_memory_is_ended() -> None:
    with pytest.raises(TooMuchError, match="more than 64 MiB"), bounded(60.0, 2**26):
        held = []
        while True:
            held.append(bytearray(2**16))


def test_what_ends_in_time_is_left_alone_afterwards() -> None:
    with bounded(0.05):
        pass
    until = time.process_time() + 0.3
    while time.process_time() < until:
        pass
