"""A reply that has to end: a server that drips a byte now and then keeps no client for good.

A client's own timeout is of one read; this one is of the whole body, and so is the bound of its size.
"""

import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import httpx2

LARGEST_REPLY = 16 * 2**20  # bytes: far more than any answer has


def bounded_replies(seconds: Callable[[], float]) -> "Callable[[httpx2.Response], None]":
    """A hook for the responses of an httpx2 client, which openai brings.

    A body that is late or too long raises the client's own ReadTimeout.
    """
    import httpx2

    class Body(httpx2.SyncByteStream):
        """The body, as long as there is time for it."""

        def __init__(self, response: Any) -> None:
            self._stream, self._request = response.stream, response.request
            self._until = time.monotonic() + seconds()

        def __iter__(self) -> Iterator[bytes]:
            read = 0
            for part in self._stream:
                read += len(part)
                if time.monotonic() > self._until or read > LARGEST_REPLY:
                    raise httpx2.ReadTimeout("the reply did not end", request=self._request)
                yield part

        def close(self) -> None:
            self._stream.close()

    def hook(response: "httpx2.Response") -> None:
        response.stream = Body(response)

    return hook
