"""`tuneworthy ui` as its user starts it: a process with an address, and a browser to open it in."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Self

LEFT = ("AbortError", "errored out")  # what Gradio says when a page is left while it listens to the server
START_S = 120  # a loaded machine imports slowly


class PagesServer:
    """One server over a folder of runs."""

    def __init__(self, home: Path, port: int | None = None) -> None:
        self.home, self.port = home, port or _free_port()
        self.log = home / "server.log"
        self._start()

    def _start(self) -> None:
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tuneworthy.cli.main", "ui", "--no-browser", "--port", str(self.port)],
                cwd=self.home,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"},
            )
        deadline = time.monotonic() + START_S
        while not (found := re.search(r"http://\S+", self.log.read_text(encoding="utf-8"))):
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(self.log.read_text(encoding="utf-8"))
            time.sleep(0.1)
        self.address = found[0]
        self.root = self.address.partition("/?")[0]
        self.token = self.address.partition("token=")[2]

    def at(self, place: str) -> str:
        """A page's address with the token of the server that runs now."""
        return f"{self.root}{place}{'&' if '?' in place else '?'}token={self.token}"

    def restart(self) -> None:
        """Kills the server without warning and starts another one."""
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()
        self._start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()


class Watched:
    """A page of the browser, and all that it asked for and said."""

    def __init__(self, browser: Any, width: int = 1280, scheme: str = "light") -> None:
        self.context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
        self.page = self.context.new_page()
        self.page.set_default_timeout(120_000)
        self.asked: list[str] = []
        self.said: list[str] = []
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.on("console", lambda message: message.type == "error" and self._hear(message.text))
        self.page.on("pageerror", lambda error: self._hear(str(error)))
        self.page.on("dialog", lambda dialog: self.said.append(dialog.message))

    def _hear(self, text: str) -> None:
        if not any(words in text for words in LEFT):
            self.said.append(text)

    def close(self) -> None:
        """Closes the page."""
        self.context.close()


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])
