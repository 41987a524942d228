"""`Computer`: the process that computes, as the server sees it. One that dies is started again."""

import json
import logging
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from tuneworthy.core.prediction import Prediction
from tuneworthy.units.executors.lines import raise_failure
from tuneworthy.units.refit import Refit

log = logging.getLogger("tuneworthy.serving")


class _DiedError(Exception):
    """The process ended without an answer."""


class Computer:
    """Predictions of several fits, made in a process of their own; used by one thread at a time.

    A request that finds the process dead, or under which it dies, is asked once more of a new one. What
    kills two of them is given up, so that it cannot keep the others from their answers.

    Attributes:
        order: the first request of a process, see `worker.answer`.
    """

    def __init__(
        self, fits: Mapping[str, Refit], threads: int, restarted: Callable[[], None] = lambda: None
    ) -> None:
        """Nothing is started yet.

        Args:
            fits: by name.
            threads: of the models.
            restarted: told each time that a process took the place of a dead one.
        """
        self.order = {
            "threads": threads,
            "fits": {
                name: {
                    "run": str(fit.run.absolute()),
                    "unit": fit.unit.address,
                    "models": {role: str(folder.absolute()) for role, folder in fit.models.items()},
                }
                for name, fit in fits.items()
            },
        }
        self._restarted = restarted
        self._process: subprocess.Popen[str] | None = None
        self._abandoned = False

    def start(self) -> None:
        """Starts the process and waits until every fit is in memory; none is left where that fails.

        Raises:
            TuneworthyError: a fit cannot be loaded.
            RuntimeError: the process crashed.
        """
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tuneworthy.serving.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )
        try:
            self._asked(self.order)
        except BaseException as error:
            self.stop()  # one without models would answer nothing; the next request starts another
            if isinstance(error, _DiedError):
                raise RuntimeError(f"{error}, while the models were loaded") from None
            raise

    def predict(self, name: str, texts: Sequence[str]) -> list[Prediction]:
        """Predictions of one fit, in order.

        Raises:
            TuneworthyError: the fit cannot answer: an endpoint is not in reach, say.
            RuntimeError: a bug, or two processes have died of these texts, or it was abandoned.
        """
        request = {"name": name, "texts": list(texts)}
        try:
            said = self._asked(request)
        except _DiedError as error:
            if self._abandoned:
                raise RuntimeError("the server was told to end at once") from None
            log.warning("%s (no memory left?): it is started again, and no request is lost", error)
            self.stop()
            self.start()
            self._restarted()
            try:
                said = self._asked(request)
            except _DiedError as again:
                raise RuntimeError(f"{again}, and so did the one before it, of the same texts") from None
        return [Prediction.model_validate(one) for one in said["predictions"]]

    def abandon(self) -> None:
        """Kills the process, whatever it does, and lets none take its place; any thread may call it."""
        self._abandoned = True
        if (process := self._process) is not None:
            process.kill()

    def stop(self) -> None:
        """Ends the process."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            for pipe in (self._process.stdin, self._process.stdout):
                assert pipe is not None
                with suppress(OSError):  # what could not be written to it is of no use any more
                    pipe.close()
            self._process = None

    def _asked(self, request: Mapping[str, Any]) -> dict[str, Any]:
        if self._process is None or self._abandoned:  # None: the last start failed
            raise _DiedError("the process that computes is not there")
        assert self._process.stdin is not None and self._process.stdout is not None
        try:
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        except OSError:
            line = ""
        if not line.endswith("\n"):
            raise _DiedError(f"the process that computes ended (code {self._process.wait()})")
        said: dict[str, Any] = json.loads(line)
        raise_failure(said, "the process that computes")
        return said
