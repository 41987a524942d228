"""A worker process: takes units as JSON lines on stdin, tells progress as JSON lines on stdout.

It ends when stdin does, so that killing the parent, in whatever way, never leaves a worker behind.
"""

import json
import os
import queue
import signal
import sys
import threading
import traceback
from pathlib import Path
from typing import IO, Any

from tuneworthy.core.ending import EXIT_CODE, Ended, ended_by_sigterm
from tuneworthy.core.errors import TuneworthyError
from tuneworthy.core.unit import Unit


def main() -> None:
    """Runs units until stdin ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides
    try:
        with ended_by_sigterm():
            _work()
    except Ended:
        os._exit(EXIT_CODE)


def _work() -> None:
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8", buffering=1)
    os.dup2(2, 1)  # whatever a library prints must not break the protocol
    requests: queue.Queue[str] = queue.Queue()
    threading.Thread(target=_read, args=(requests,), daemon=True).start()
    while True:
        _serve(json.loads(requests.get()), answers)


def _read(requests: "queue.Queue[str]") -> None:
    for line in sys.stdin:
        requests.put(line)
    os._exit(0)


def _serve(request: dict[str, Any], answers: IO[str]) -> None:
    def tell(**message: Any) -> None:
        answers.write(json.dumps(message) + "\n")

    try:
        from tuneworthy.units.execute import execute

        unit = Unit.model_validate(request["unit"])
        models = {role: Path(folder) for role, folder in request["models"].items()}
        run = Path(request["run"])
        execute(
            unit,
            run,
            models,
            lambda done, total, facts: tell(kind="progress", done=done, total=total, facts=facts),
        )
        tell(kind="finished")
    except Ended:
        raise
    except TuneworthyError as error:
        tell(kind="refused", error=type(error).__name__, message=str(error))
    except BaseException:
        tell(kind="crashed", traceback=traceback.format_exc())


if __name__ == "__main__":
    main()
