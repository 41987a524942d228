"""`serve`: loads runs, binds a port, answers until told to stop, then finishes what it has taken."""

import os
import socket
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import uvicorn

from tuneworthy.core.errors import JobError
from tuneworthy.models.hardware import cores
from tuneworthy.models.sharing import bases_shared
from tuneworthy.serving.app import build_app
from tuneworthy.serving.batching import Batcher
from tuneworthy.serving.gate import Gatekeeper, is_loopback, loopback_names
from tuneworthy.serving.measures import Measures
from tuneworthy.serving.served import ServedRun, load_served
from tuneworthy.serving.service import Service, since_now

KEY = "TUNEWORTHY_SERVE_KEY"
LONGEST_DRAIN_S = 60.0
NOTICE_S = 1.0  # new requests are refused for so long before the port closes: a balancer sees it


@dataclass(frozen=True, slots=True)
class Settings:
    """How to serve.

    Attributes:
        host, port: where to listen; port 0 is a free one.
        batch_rows: most rows of one forward pass over several requests.
        batch_wait_s: how long a row waits for company, in seconds.
        queue_rows: most rows that wait; more are refused with 429.
        most_rows: of one request.
        most_bytes: of one request.
        most_tokens: of one text.
        threads: of the model; default all cores.
        send_rows: texts may go to an endpoint on another machine.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    batch_rows: int = 32
    batch_wait_s: float = 0.005
    queue_rows: int = 1024
    most_rows: int = 256
    most_bytes: int = 2**20
    most_tokens: int = 8192
    threads: int | None = None
    send_rows: bool = False


def serve(runs: Sequence[Path], settings: Settings, say: Callable[[str], None]) -> None:
    """Serves until SIGTERM or Ctrl-C.

    Raises:
        TuneworthyError: a run cannot be served, the port is taken, or a key is missing; one sentence.
    """
    key = api_key(settings.host)
    names = run_names(runs)
    listener = listen(settings.host, settings.port)
    say(f"loading {', '.join(names)} ...")
    with listener, serving(names, settings, key) as server:
        for line in told(server.service.runs, settings.host, listener.getsockname()[1], key):
            say(line)
        server.run(sockets=[listener])


@contextmanager
def serving(names: dict[str, Path], settings: Settings, key: str | None) -> Iterator["DrainingServer"]:
    """A server of these runs, ready to run; its queue is emptied at the end."""
    with bases_shared():
        loaded = {
            name: load_served(run, name, settings.most_tokens, settings.send_rows)
            for name, run in names.items()
        }
        measures = Measures()
        batcher = Batcher(
            {name: run.predict for name, run in loaded.items()},
            settings.batch_rows,
            settings.batch_wait_s,
            settings.queue_rows,
            measures.batch,
            prepare=lambda: _prepare(loaded.values(), settings.threads or cores()),
        )
        service = Service(
            loaded, batcher, measures, min(settings.most_rows, settings.queue_rows), since_now()
        )
        hosts = loopback_names(settings.host) if is_loopback(settings.host) else frozenset[str]()
        keeper = Gatekeeper(hosts, key, settings.most_bytes)
        server = DrainingServer(service, keeper)
        batcher.start()
        try:
            yield server
        finally:
            batcher.stop()


class DrainingServer(uvicorn.Server):
    """uvicorn that refuses what is new and finishes what it has, when it is told to stop.

    uvicorn by itself closes the port at once, which a client sees as a broken connection.
    """

    def __init__(self, service: Service, keeper: Gatekeeper) -> None:
        self.service = service
        self._keeper = keeper
        self._told_at = 0.0
        config = uvicorn.Config(
            build_app(service, keeper),
            access_log=False,
            log_level="warning",
            server_header=False,
            timeout_graceful_shutdown=5,
        )
        super().__init__(config)

    def drain(self) -> None:
        """Begins to shut down."""
        self._told_at = self._told_at or time.monotonic()
        self._keeper.draining = True

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """The first signal drains, the second one ends at once."""
        if self._keeper.draining:
            self.force_exit = self.should_exit = True
        self.drain()

    async def on_tick(self, counter: int) -> bool:
        """Whether to leave: nothing under way any more, or too long waited for."""
        if self._keeper.draining:
            waited = time.monotonic() - self._told_at
            if waited > LONGEST_DRAIN_S or (waited > NOTICE_S and not self._keeper.active):
                return True
        return await super().on_tick(counter)


def api_key(host: str) -> str | None:
    """The key out of the environment; raises JobError where other machines can ask and there is none."""
    key = os.environ.get(KEY, "").strip() or None
    if key is None and not is_loopback(host):
        raise JobError(
            f"other machines can reach {host}, so a key is needed: set {KEY} in the environment, or leave "
            "--host out."
        )
    return key


def run_names(runs: Sequence[Path]) -> dict[str, Path]:
    """What requests call each run: its folder's name; raises JobError where two are the same."""
    names = {run.resolve().name: run for run in runs}
    if len(names) < len(runs):
        raise JobError("two of the runs have the same folder name, by which requests choose: rename one.")
    return names


def listen(host: str, port: int) -> socket.socket:
    """A bound socket; raises JobError where that is impossible."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family, backlog=2048)
    except (OSError, OverflowError) as error:
        raise JobError(
            f"{host}:{port} cannot be listened on ({error}): name another --port or --host."
        ) from None


def _prepare(runs: Iterable[ServedRun], threads: int) -> None:
    """Threads of the model, set in the thread that computes; and a first answer, which is the slowest."""
    import torch

    torch.set_num_threads(threads)
    for run in runs:
        if not run.predictor.endpoints and not run.open:
            run.predict(["a text"])


def told(runs: Mapping[str, ServedRun], host: str, port: int, key: str | None) -> list[str]:
    """What is said once the server is up."""
    shown = f"[{host}]" if ":" in host else host
    lines = [f"serving on http://{shown}:{port} (OpenAPI page: /docs; Ctrl-C stops)"]
    for name, run in runs.items():
        unit = run.predictor.unit
        what = f"{len(run.labels)} labels" if run.labels else "texts"
        scaled = run.calibration
        by = "" if run.open else f", temperature {scaled.temperature:.2f} from {scaled.rows} rows"
        by = by if not scaled.reason or run.open else f", probabilities as they are ({scaled.reason})"
        lines.append(f"  {name}: {unit.method}, {unit.task}, {what}{by}")
    lines.append(f"  key: {'asked for' if key else 'none, this machine alone can ask'}")
    return lines
