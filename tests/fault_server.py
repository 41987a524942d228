"""A local HTTP server that does what servers do on a bad day: hangs, fails, breaks off, drips, lies."""

import contextlib
import socket
import threading
import time
from typing import Literal, Self

Fault = Literal["hang", "error", "half", "drip", "lie", "no JSON", "refuse"]
BODIES: dict[str, bytes] = {
    "lie": b'{"choices": [{"message": null}], "siblings": 7, "sha": [], "id": {}}',
    "no JSON": b'{"choices": [{"mess',
    "error": b'{"error": "the database is on fire"}',
}


class FaultServer:
    """Answers every request with the same fault.

    Attributes:
        requests: first lines of the requests so far.
        port: where it listens.
    """

    def __init__(self, fault: Fault) -> None:
        self.fault = fault
        self.requests: list[str] = []
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._socket.getsockname()[1])
        self._over = threading.Event()

    def __enter__(self) -> Self:
        if self.fault == "refuse":
            self._socket.close()
        else:
            threading.Thread(target=self._listen, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._socket.close()

    @property
    def url(self) -> str:
        """Without a path."""
        return f"http://127.0.0.1:{self.port}"

    def _listen(self) -> None:
        while not self._over.is_set():
            with contextlib.suppress(OSError):
                connection, _ = self._socket.accept()
                threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError), connection:
            asked = connection.recv(65536).split(b"\r\n", 1)[0].decode("latin-1")
            self.requests.append(asked)
            match self.fault:
                case "hang":
                    self._over.wait(600)
                case "half":
                    connection.sendall(_head(200, 1000) + b'{"choices": [')
                case "drip":
                    connection.sendall(_head(200, 100_000))
                    while not self._over.is_set():
                        connection.sendall(b" ")
                        time.sleep(0.1)
                case other:
                    body = BODIES[other]
                    connection.sendall(_head(500 if other == "error" else 200, len(body)) + body)


def _head(status: int, length: int) -> bytes:
    kind = "Content-Type: application/json\r\nConnection: close"
    return f"HTTP/1.1 {status} So\r\n{kind}\r\nContent-Length: {length}\r\n\r\n".encode()
