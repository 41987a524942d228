"""The server: answers until told to stop, then finishes what it has taken."""

import os
import socket
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import FrameType

import uvicorn

from tuneworthy.core.errors import JobError
from tuneworthy.models.hardware import cores
from tuneworthy.serving.app import build_app
from tuneworthy.serving.batching import Batcher
from tuneworthy.serving.chat import ChatRun, Chats
from tuneworthy.serving.computing import Computer
from tuneworthy.serving.container import GUARDS
from tuneworthy.serving.gate import Gatekeeper, is_loopback, loopback_names
from tuneworthy.serving.measures import Measures
from tuneworthy.serving.rates import Rates
from tuneworthy.serving.served import load_served
from tuneworthy.serving.service import Service
from tuneworthy.units.refit import Refit

KEY = "TUNEWORTHY_SERVE_KEY"
SHORTEST_KEY = 16  # characters, where other machines can guess
MOST_CONNECTIONS = 2048  # open or waiting; those beyond are answered 503
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
        chats: most chats that are answered or wait.
        requests_per_minute: of one client, by its address; more are refused with 429.
        threads: of the model; default all cores.
        send_rows: texts may go to an endpoint on another machine.
        behind: the cloud that has checked who asks before a request comes here, see `container`; None where
            nobody has.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    batch_rows: int = 32
    batch_wait_s: float = 0.005
    queue_rows: int = 1024
    most_rows: int = 256
    most_bytes: int = 2**20
    most_tokens: int = 8192
    chats: int = 64
    requests_per_minute: int | None = None
    threads: int | None = None
    send_rows: bool = False
    behind: str | None = None


@contextmanager
def serving(
    fits: Mapping[str, Refit], chats: Mapping[str, ChatRun], settings: Settings, key: str | None
) -> Iterator["DrainingServer"]:
    """A server, ready to run; its queue is emptied at the end.

    Args:
        fits: what predicts here, by name.
        chats: what writes behind an engine, by name.
        settings: how to serve.
        key: the API key; None where none is asked for.

    Raises:
        TuneworthyError: a fit cannot be loaded, or answers by another machine and may not.
    """
    loaded = {
        name: load_served(fit, name, settings.most_tokens, settings.send_rows) for name, fit in fits.items()
    }
    measures = Measures()
    computer = Computer(fits, settings.threads or cores(), measures.restarted)
    batcher = Batcher(
        {name: partial(computer.predict, name) for name in loaded},
        settings.batch_rows,
        settings.batch_wait_s,
        settings.queue_rows,
        measures.batch,
    )
    most_rows = min(settings.most_rows, settings.queue_rows)
    queued = Chats(chats, settings.chats)
    service = Service(loaded, batcher, measures, most_rows, int(time.time()), queued)
    hosts = loopback_names(settings.host) if is_loopback(settings.host) else frozenset[str]()
    rates = Rates(settings.requests_per_minute) if settings.requests_per_minute else None
    keeper = Gatekeeper(hosts, key, settings.most_bytes, rates)
    try:
        if fits:
            computer.start()
        batcher.start()
        server = DrainingServer(service, keeper)
        try:
            yield server
        finally:
            if server.force_exit:  # what is under way is waited for by nobody any more
                computer.abandon()
                for chat in chats.values():
                    chat.engine.kill()
            batcher.stop()
    finally:
        computer.stop()


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
            limit_concurrency=MOST_CONNECTIONS,
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


def api_key(host: str, behind: str | None = None) -> str | None:
    """The key out of the environment; None where this machine alone can ask, or a cloud has checked who does.

    Raises:
        JobError: others can ask, and it is none or short.
    """
    key = os.environ.get(KEY, "").strip() or None
    if key is None and behind is not None:
        return None
    if key is None and not is_loopback(host):
        raise JobError(
            f"other machines can reach {host}, so a key is needed: set {KEY} in the environment, or leave "
            "--host out."
        )
    if key is not None and not is_loopback(host) and len(key) < SHORTEST_KEY:
        raise JobError(
            f"other machines can reach {host} and guess at a key of {len(key)} characters: make {KEY} "
            f"{SHORTEST_KEY} or more, as `python -c 'import secrets; print(secrets.token_urlsafe())'` prints."
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


def told(service: Service, host: str, port: int, key: str | None, behind: str | None = None) -> list[str]:
    """What is said once the server is up."""
    shown = f"[{host}]" if ":" in host else host
    lines = [f"serving on http://{shown}:{port} (OpenAPI page: /docs; Ctrl-C stops)"]
    for name, run in service.runs.items():
        unit, scaled = run.fit.unit, run.calibration
        by = f"temperature {scaled.temperature:.2f} from {scaled.rows} rows"
        by = f"probabilities as they are ({scaled.reason})" if scaled.reason else by
        what = "texts" if run.open else f"{len(run.labels)} labels, {by}"
        lines.append(f"  {name}: {unit.method}, {unit.task}, {what}")
    for name, chat in service.chats.runs.items():
        lines.append(f"  {name}: {chat.method}, {chat.task.name}, chat by {chat.engine.kind}")
    guard = f"{GUARDS[behind]} has checked who asks" if behind else "this machine alone can ask"
    lines.append(f"  key: {'asked for' if key else f'none, {guard}'}")
    return lines
