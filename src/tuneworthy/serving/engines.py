"""Servers of other people that generate text: started on this machine's own address, watched, and stopped.

They see no other machine: whoever asks comes through our gate.
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import IO

import httpx

from tuneworthy.core.errors import MissingExtraError, ModelError

LONGEST_START_S = 600.0
LONGEST_STOP_S = 10.0
LINES_SHOWN = 8
Command = Callable[[Path, str, int], list[str]]


def transformers_command(artefact: Path, name: str, port: int) -> list[str]:
    """`transformers serve`, which is installed with this package."""
    program = "from transformers.cli.transformers import main; main()"
    where = ["--host", "127.0.0.1", "--port", str(port), "--log-level", "error"]
    return [sys.executable, "-c", program, "serve", str(artefact), *where]


def vllm_command(artefact: Path, name: str, port: int) -> list[str]:
    """`vllm serve`, out of an environment of its own: it pins torch and transformers."""
    program = _program("vllm", "vllm", "pip install vllm, in an environment of its own")
    where = ["--host", "127.0.0.1", "--port", str(port)]
    return [program, "serve", str(artefact), *where, "--served-model-name", name]


def llamacpp_command(artefact: Path, name: str, port: int) -> list[str]:
    """`llama-server` with the template that the GGUF file holds."""
    program = _program("llama-server", "llamacpp", "https://github.com/ggml-org/llama.cpp")
    [weights] = sorted(artefact.glob("*.gguf"))[:1] or [artefact]
    where = ["--host", "127.0.0.1", "--port", str(port)]
    return [program, "-m", str(weights), *where, "--alias", name, "--jinja"]


ENGINES: dict[str, tuple[str, Command]] = {  # name: (the export it reads, its command)
    "transformers": ("merged", transformers_command),
    "vllm": ("merged", vllm_command),
    "llamacpp": ("gguf:q8_0", llamacpp_command),
}


def _program(program: str, engine: str, source: str) -> str:
    found = shutil.which(program)
    if found is None:
        raise MissingExtraError(
            f"--engine {engine} needs the program '{program}' on the PATH ({source}); or leave --engine out."
        )
    return found


class Engine:
    """One process that serves one artefact."""

    def __init__(self, engine: str, artefact: Path, name: str) -> None:
        """Starts it, and does not wait until it is ready.

        Raises:
            MissingExtraError: its program is not installed.
        """
        self.kind, self.name = engine, name
        self.port = _free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        command = ENGINES[engine][1](artefact, name, self.port)
        self._log: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed by stop
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tuneworthy.serving.leash", *command],
            stdin=subprocess.PIPE,  # closes with this process, even one that is killed: then the engine ends
            stdout=self._log,
            stderr=subprocess.STDOUT,
            env={**os.environ, "HF_HUB_OFFLINE": "1"},
            start_new_session=True,  # Ctrl-C is ours to pass on, once everything under way is answered
        )

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self._process.poll() is None

    def wait(self) -> None:
        """Returns when it answers; raises ModelError with its last words where it ends instead."""
        until = time.monotonic() + LONGEST_START_S
        with httpx.Client(trust_env=False) as client:
            while self.alive and time.monotonic() < until:
                try:
                    if client.get(f"{self.url}/health", timeout=2).status_code == httpx.codes.OK:
                        return
                except httpx.HTTPError:
                    pass
                time.sleep(0.2)
        said = self.last_words()
        self.stop()
        raise ModelError(f"{self.kind} does not serve '{self.name}'. Its last words: {said or 'none'}")

    def last_words(self) -> str:
        """The end of its log."""
        self._log.seek(0)
        lines = self._log.read().decode("utf-8", "replace").splitlines()
        return " / ".join(line.strip() for line in lines[-LINES_SHOWN:] if line.strip())

    def stop(self) -> None:
        """Ends the process, politely first."""
        if self.alive:
            self._signal(signal.SIGTERM)
            try:
                self._process.wait(LONGEST_STOP_S)
            except subprocess.TimeoutExpired:
                self._signal(signal.SIGKILL)
                self._process.wait()
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._log.close()

    def kill(self) -> None:
        """Ends the process at once; `stop` is still to follow."""
        if self.alive:
            self._signal(signal.SIGKILL)

    def _signal(self, number: int) -> None:
        """To the engine and to processes that it has started: it leads a group of its own."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, number)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])
