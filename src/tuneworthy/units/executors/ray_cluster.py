"""The connection to a Ray cluster: one of this machine that starts by itself, or one that is there."""

import logging
import os
import secrets
import socket
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from tuneworthy.core.errors import JobError, MissingExtraError

LOCAL = "ray"  # a job's `workers` that asks for a cluster of this machine alone
CLIENT = "ray://"
STORE_BYTES = 256 * 2**20  # the local cluster's object store: outputs go to the run folder, not through it
RETRIES = 3  # of a unit whose node or process is lost; one that kills its process every time has to end
# Seconds that a worker is kept for this run's next unit. Ray's own half second is over before a unit ends;
# to ask the scheduler for a worker again costs 51 to 95 ms a unit, a hand-over 5 to 7 (bench/scale_out.py).
KEPT_S = 60
# Characters of the local cluster's folder: Ray's own part of a socket's path takes 64 of the 103 that macOS
# allows (Linux: 107).
LONGEST_FOLDER, PREFIX = 39, "tuneworthy-ray-"
REACH_S = 5.0  # seconds that a cluster may take to answer at all; Ray itself tries for minutes


def connect(address: str, cores: int) -> tuple[Any, Callable[[], None]]:
    """The `ray` module, connected, and what ends the connection.

    A connection that the program has made before is used and left as it is. Usage statistics are switched
    off. A local cluster has no dashboard, listens behind a token that no file holds, and leaves no folder.

    Raises:
        MissingExtraError: Ray is not installed.
        JobError: nothing answers at the address, or what does is another version of Ray or Python.
    """
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    os.environ.setdefault("RAY_task_oom_retries", f"{RETRIES}")  # Ray's own number is without end
    os.environ.setdefault("RAY_worker_lease_timeout_milliseconds", f"{1000 * KEPT_S}")
    try:
        import ray
    except ImportError as error:
        raise MissingExtraError(f"workers={address} needs Ray: pip install 'tuneworthy[ray]'.") from error
    if ray.is_initialized():
        return ray, lambda: None
    with ExitStack() as undo:
        quiet = {"log_to_driver": False, "logging_level": logging.ERROR}
        if address == LOCAL:
            folder = undo.enter_context(
                tempfile.TemporaryDirectory(prefix=PREFIX, dir=_place(), ignore_cleanup_errors=True)
            )
            _keep_token_out_of_home()
            ray.init(
                address="local",
                num_cpus=cores,
                include_dashboard=False,
                object_store_memory=STORE_BYTES,
                _temp_dir=folder,
                **quiet,
            )
        else:
            _require_answer(address)
            try:
                ray.init(address=address, **quiet)
            except (ConnectionError, RuntimeError, ImportError, ValueError) as error:
                raise JobError(
                    f"no Ray cluster can be used at {address} ({str(error).strip().splitlines()[0]}): check "
                    "that it runs, and with the Ray and Python of this environment."
                ) from error
        undo.callback(ray.shutdown)
        return ray, undo.pop_all().close
    raise AssertionError("no exit from the block above")


def _place() -> str | None:
    """Where the local cluster's folder goes: `/tmp` where the usual place has too long a path for sockets."""
    usual = len(tempfile.gettempdir()) + len(f"/{PREFIX}12345678")  # tempfile adds eight characters
    fits = os.name != "posix" or usual <= LONGEST_FOLDER or not os.access("/tmp", os.W_OK)
    return None if fits else "/tmp"


def largest(ray: Any, resource: str) -> float:
    """What the best equipped living node has of a resource, such as "CPU"."""
    return max((node["Resources"].get(resource, 0.0) for node in _alive(ray)), default=0.0)


def described(ray: Any) -> str:
    """The cluster's size, in words."""
    total = {name: sum(node["Resources"].get(name, 0) for node in _alive(ray)) for name in ("CPU", "GPU")}
    nodes = len(_alive(ray))
    gpus = f", {total['GPU']:g} GPUs" if total["GPU"] else ""
    return f"{nodes} {'node' if nodes == 1 else 'nodes'}, {total['CPU']:g} CPUs{gpus}"


def _alive(ray: Any) -> list[dict[str, Any]]:
    return [node for node in ray.nodes() if node["Alive"]]


def _require_answer(address: str) -> None:
    """Raises JobError where no process listens at `host:port`; Ray's own error takes minutes."""
    host, _, port = address.removeprefix(CLIENT).rpartition(":")
    if not host:  # auto: Ray knows where
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=REACH_S).close()
    except OSError as error:
        raise JobError(
            f"nothing answers at {address} ({error.strerror or error}): start the cluster, or "
            "use workers=ray for one of this machine."
        ) from error


def _keep_token_out_of_home() -> None:
    """Gives Ray a token that only this process and its children know, unless the user has one.

    Ray guards a new local cluster by a token, which it writes into the home folder where there is none. It
    reads the token once a process, so this one stays for the next cluster.
    """
    own = os.environ.get("RAY_AUTH_TOKEN_PATH")
    if not (Path(own) if own else Path.home() / ".ray" / "auth_token").exists():
        os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
