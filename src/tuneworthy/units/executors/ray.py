"""Runs units as tasks of a Ray cluster, which decides on which node and when.

The driver alone decides what is missing and keeps the run's events. A node that sees the run folder writes
there, as a worker process of this machine does; any other gets the rows and sends the output back as bytes.
"""

import contextlib
import queue
import secrets
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from functools import partial
from pathlib import Path
from typing import Any

from tuneworthy.core.errors import JobError, RunFolderError
from tuneworthy.core.unit import ModelRole, Unit
from tuneworthy.runfolder.folder import RunFolder, write_text
from tuneworthy.runfolder.source import source_digest
from tuneworthy.runfolder.unit_output import is_finished
from tuneworthy.units.executors.local import LocalExecutor, missing, told
from tuneworthy.units.executors.ray_cluster import LOCAL, RETRIES, connect, described, largest
from tuneworthy.units.executors.ray_worker import TOKEN, Mailbox, Order, run_unit
from tuneworthy.units.executors.shipping import packed_inputs, unpack_output

Models = dict[ModelRole, Path]
POLL_S = 0.25  # seconds between two looks at what workers say
SEEN_S = 60.0  # seconds that a network file system may take to show what another machine has written


class RayExecutor:
    """Runs units on a Ray cluster, each with the CPUs of its threads, and a GPU where it uses a model."""

    def __init__(
        self, address: str, cores: int, shared: bool = True, work: Callable[..., dict[str, Any]] = run_unit
    ) -> None:
        """Does not connect before a unit has to run.

        Args:
            address: `ray` for a cluster of this machine alone, else that of a cluster.
            cores: of this machine.
            shared: whether nodes that see the run folder may write there.
            work: what a node does with a unit; something else where scheduling alone is measured.
        """
        self._work = work
        self._address = address
        self._cores = cores
        self._token = secrets.token_hex(16) if shared else None
        self._ray: Any = None
        self._mailbox: Any = None
        self._disconnect: Callable[[], None] = lambda: None
        self._marked: set[Path] = set()

    def run(self, units: Sequence[Unit], folder: RunFolder, models: Models) -> None:
        """Runs what is missing; raises the first error after stopping the others.

        Units that ask an endpoint run here: the key and the permission to send rows are this machine's.
        """
        waiting = missing(units, folder)
        asking = [unit for unit in waiting if _asks(unit, models)]
        spread = [unit for unit in waiting if unit not in asking]
        batch = self._sent(spread, folder, models) if spread else None
        try:
            LocalExecutor(self._cores).run(asking, folder, models)
            if batch is not None:
                batch.collect()
        finally:
            if batch is not None:
                batch.cancel()

    def close(self) -> None:
        """Ends the connection, and the cluster if it is this machine's own."""
        for mark in self._marked:
            mark.unlink(missing_ok=True)
        self._marked.clear()
        if self._ray is not None:
            with contextlib.suppress(Exception):  # a cluster that is gone has no actor to end
                self._ray.kill(self._mailbox)
        self._disconnect()
        self._ray = None

    def _connect(self, folder: RunFolder) -> None:
        if self._ray is not None:
            return
        self._ray, self._disconnect = connect(self._address, self._cores)
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        # Beside the driver: it is lost with the run, or not at all.
        beside = NodeAffinitySchedulingStrategy(self._ray.get_runtime_context().get_node_id(), soft=False)
        self._mailbox = self._ray.remote(Mailbox).options(num_cpus=0, scheduling_strategy=beside).remote()
        folder.emit("note", text=f"Units run on Ray: {described(self._ray)}.")

    def _sent(self, units: Sequence[Unit], folder: RunFolder, models: Models) -> "_Batch":
        self._connect(folder)
        run = folder.path.resolve()
        if self._token is not None:
            self._marked.add(run / TOKEN)
            write_text(run / TOKEN, self._token)
        order = Order(
            run=str(run),
            token=self._token,
            models={role: str(path.resolve()) for role, path in models.items()},
            code=source_digest(),
        )
        alone = self._address == LOCAL and self._token is not None
        inputs = [] if alone else [self._ray.put(packed_inputs(run, units))]
        most, gpus = largest(self._ray, "CPU"), largest(self._ray, "GPU")
        batch = _Batch(self._ray, folder, self._mailbox)
        task = self._ray.remote(self._work)
        for unit in units:
            sent_off = task.options(**needs(unit, most, gpus), max_retries=RETRIES, name=unit.title)
            batch.add(unit, sent_off.remote(unit.model_dump_json(), order, inputs, self._mailbox))
        return batch


class _Batch:
    """Tasks that were sent off, until each has ended."""

    def __init__(self, ray: Any, folder: RunFolder, mailbox: Any) -> None:
        self._ray = ray
        self._folder = folder
        self._mailbox = mailbox
        self._units: dict[str, Unit] = {}
        self._tasks: dict[str, Any] = {}
        self._ended: queue.Queue[tuple[Unit, Future[dict[str, Any]]]] = queue.Queue()
        self._looked = 0.0

    def add(self, unit: Unit, task: Any) -> None:
        """Waits for one task more."""
        self._units[unit.address] = unit
        self._tasks[unit.address] = task
        task.future().add_done_callback(partial(self._has_ended, unit))

    def _has_ended(self, unit: Unit, future: "Future[dict[str, Any]]") -> None:
        self._ended.put((unit, future))

    def collect(self) -> None:
        """Returns when every unit has its output in the run folder."""
        while self._tasks:
            ended = self._taken()
            if ended or time.monotonic() - self._looked >= POLL_S:
                self._look()  # before their end is told
            for unit, future in ended:
                self._settle(unit, future)

    def _taken(self) -> "list[tuple[Unit, Future[dict[str, Any]]]]":
        """The tasks that have ended since the last call: after the first one, all that are there."""
        taken = []
        with contextlib.suppress(queue.Empty):
            taken.append(self._ended.get(timeout=POLL_S))
            while True:
                taken.append(self._ended.get_nowait())
        return taken

    def cancel(self) -> None:
        """Ends what still runs."""
        for task in self._tasks.values():
            with contextlib.suppress(Exception):  # of a cluster that is gone
                self._ray.cancel(task, force=True)
        self._tasks.clear()

    def _look(self) -> None:
        """Passes on what workers have said; a lost mailbox costs progress, not the run."""
        self._looked = time.monotonic()
        try:
            messages = self._ray.get(self._mailbox.take.remote())
        except self._ray.exceptions.RayActorError:
            return
        except ConnectionError as error:
            raise _lost() from error
        for address, message in messages:
            if address in self._tasks:  # not of a batch that was stopped
                told(self._folder, self._units[address], message)

    def _settle(self, unit: Unit, future: "Future[dict[str, Any]]") -> None:
        """Brings a task's output; raises what went wrong in it."""
        try:
            message = future.result()
        except self._ray.exceptions.RayError as error:
            raise self._explained(unit, error) from error
        except ConnectionError as error:
            raise _lost() from error
        if message["kind"] == "finished":
            if message["output"] is None:
                _wait_for(self._folder.path / "units" / unit.address, unit)
            else:
                unpack_output(message["output"], self._folder.path, unit)
        told(self._folder, unit, message)
        del self._tasks[unit.address]

    def _explained(self, unit: Unit, error: Exception) -> Exception:
        """Why Ray gave a task up: the user's to mend where it was the node, or what is installed there."""
        kinds = self._ray.exceptions
        if isinstance(error, kinds.RayTaskError):
            if "No module named 'tuneworthy" in str(error):
                return JobError("a node of the cluster has no tuneworthy: install it on every node.")
            return RuntimeError(f"unit '{unit.title}' crashed:\n{error}")
        said = str(error).strip().splitlines()[0]
        return RunFolderError(
            f"'{unit.title}' was lost {RETRIES + 1} times with its process or node ({said}): finished units "
            "are kept; give it more memory, or fewer units at a time (threads=N)."
        )


def needs(unit: Unit, cpus: float, gpus: float) -> dict[str, float]:
    """What a unit reserves: a CPU a thread, and a whole GPU where it uses a model and nodes have some.

    Of several processes each has a GPU, all on one node.

    Args:
        unit: to run.
        cpus, gpus: of the best equipped node. A unit that wants more CPUs takes all of a node's, as it would
            on one machine; to reserve what no node has is to wait for ever.
    """
    wanted = max(unit.threads, unit.processes)
    return {
        "num_cpus": min(wanted, cpus) if cpus else wanted,
        "num_gpus": min(unit.processes, gpus) if gpus >= 1 and unit.models else 0,
    }


def _asks(unit: Unit, models: Models) -> bool:
    """Whether a unit asks an endpoint."""
    from tuneworthy.models.endpoint import read_endpoint

    return any(read_endpoint(models[role]) is not None for role in unit.models if role in models)


def _wait_for(output: Path, unit: Unit) -> None:
    """Waits until an output that another machine has written is seen here.

    Raises:
        RunFolderError: it is not seen after a minute.
    """
    until = time.monotonic() + SEEN_S
    while not is_finished(output):
        if time.monotonic() > until:
            raise RunFolderError(
                f"the output of '{unit.title}' was written on another node and is not in {output}: is "
                "the folder shared? Run the same command again."
            )
        time.sleep(POLL_S)


def _lost() -> RunFolderError:
    return RunFolderError(
        "the connection to the Ray cluster was lost: finished units are kept; the same command again goes on."
    )
