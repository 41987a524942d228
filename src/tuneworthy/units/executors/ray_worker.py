"""What runs on a node of a Ray cluster: one unit, told of in batches.

Nothing here imports Ray before a task runs, nor torch before the number of threads is set.
"""

import os
import socket
import tempfile
import time
from pathlib import Path
from typing import Any

from tuneworthy.core.errors import JobError, ModelError, NotFoundError
from tuneworthy.core.frozen import Frozen
from tuneworthy.core.unit import ModelRole, Unit
from tuneworthy.runfolder.source import source_digest
from tuneworthy.runfolder.unit_output import is_finished
from tuneworthy.units.executors.lines import failed

TELL_EVERY_S = 0.5  # at most, for each unit that runs
HEARD_S = 5.0  # seconds to wait for the mailbox at the end of a unit; it may be gone, and costs only progress
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
TOKEN = ".workers"  # in the run folder: a node that reads it there shares the folder

Message = dict[str, Any]


class Order(Frozen):
    """What the units of a batch have in common.

    Attributes:
        run: the run folder, as the driver sees it.
        token: what `.workers` there says; None where nobody is to look for it.
        models: the base models' folders, as the driver sees them.
        code: of the driver's package, see `source_digest`.
    """

    run: str
    token: str | None
    models: dict[ModelRole, str]
    code: str


class Mailbox:
    """What workers say, until the driver takes it: an actor beside the driver."""

    def __init__(self) -> None:
        self._messages: list[tuple[str, Message]] = []

    def tell(self, address: str, messages: list[Message]) -> None:
        """Keeps a unit's messages."""
        self._messages += [(address, message) for message in messages]

    def take(self) -> list[tuple[str, Message]]:
        """All messages since the last call, in order."""
        taken, self._messages = self._messages, []
        return taken


class Teller:
    """Sends a unit's messages, a few together: no step is lost, and no node talks all the time."""

    def __init__(self, mailbox: Any, address: str) -> None:
        self._mailbox = mailbox
        self._address = address
        self._waiting: list[Message] = []
        self._sent = 0.0
        self._last: Any = None

    def progress(self, done: int, total: int, facts: dict[str, float]) -> None:
        """Training steps are all told; of what only moves the display, the latest."""
        if self._waiting and not self._waiting[-1].get("facts") and self._waiting[-1]["kind"] == "progress":
            self._waiting.pop()
        self._waiting.append({"kind": "progress", "done": done, "total": total, "facts": facts})
        if time.monotonic() - self._sent >= TELL_EVERY_S:
            self.send()

    def started(self) -> None:
        """Tells at once that the unit runs, and on which node."""
        self._waiting.append({"kind": "started", "node": socket.gethostname()})
        self.send()

    def send(self) -> None:
        """Sends what waits."""
        if self._waiting:
            self._last = self._mailbox.tell.remote(self._address, self._waiting)
            self._waiting, self._sent = [], time.monotonic()

    def close(self) -> None:
        """Sends what waits and sees that it has arrived, so that the unit's end is told last."""
        import ray

        self.send()
        if self._last is not None:
            ray.wait([self._last], timeout=HEARD_S)


def run_unit(described: str, order: Order, inputs: list[Any], mailbox: Any) -> Message:
    """Runs a unit on this node; returns how it ended, and its output where the run folder is not seen here.

    Args:
        described: the unit as JSON.
        order: what it has in common with others.
        inputs: a reference to `packed_inputs`, fetched only where needed; empty where they never are.
        mailbox: the `Mailbox`.
    """
    unit = Unit.model_validate_json(described)
    os.environ.update(dict.fromkeys(THREADS, str(unit.threads)))
    teller = Teller(mailbox, unit.address)
    try:
        _require_same_code(order.code)
        output = _executed(unit, order, inputs, teller)
        ended: Message = {"kind": "finished", "output": output}
    except Exception as error:
        ended = failed(error)
    teller.close()
    return ended


def _executed(unit: Unit, order: Order, inputs: list[Any], teller: Teller) -> bytes | None:
    """Runs the unit in the run folder where this node shares it, else in a folder of its own."""
    from tuneworthy.units.execute import execute
    from tuneworthy.units.executors.shipping import packed_output, unpack_inputs

    run, models = Path(order.run), _found_models(unit, order.models)
    if not inputs or (order.token is not None and _shares(run, order.token)):
        if not is_finished(run / "units" / unit.address):  # else a node was lost before its last word
            teller.started()
            execute(unit, run, models, teller.progress)
        return None
    import ray

    with tempfile.TemporaryDirectory(prefix="tuneworthy-unit-") as own:
        unpack_inputs(ray.get(inputs[0]), Path(own))
        teller.started()
        execute(unit, Path(own), models, teller.progress)
        return packed_output(Path(own), unit)


def _shares(run: Path, token: str) -> bool:
    try:
        return (run / TOKEN).read_text(encoding="utf-8") == token
    except OSError:
        return False


def _found_models(unit: Unit, folders: dict[ModelRole, str]) -> dict[ModelRole, Path]:
    """The base models on this node: in the driver's folder or by name, and with the very same files."""
    from tuneworthy.units.refit import base_models

    try:
        return base_models(unit, {str(role): folder for role, folder in folders.items()})
    except NotFoundError as error:
        raise ModelError(
            f"{socket.gethostname()} has no model folder {' or '.join(folders.values())}: put it there, at "
            "the same path, or name a model of the catalogue or the Hub."
        ) from error


def _require_same_code(code: str) -> None:
    if source_digest() != code:
        raise JobError(
            f"{socket.gethostname()} has another version of tuneworthy than this machine: install the same "
            "one on every node of the cluster."
        )
