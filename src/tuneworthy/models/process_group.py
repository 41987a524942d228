"""The processes that hold one model together, each a part of it, and how they agree on what comes next.

All of them run the same code on the same rows, so that every exchange of one finds that of the others. What
one process alone could know (memory, a signal) they agree on here. Alone, a process agrees with itself.
"""

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import torch
from torch import distributed
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh

from tuneworthy.models.hardware import device

# Who ends is noticed by the parent, within seconds. This is for a wait that should never be: loading a model
# may take one process minutes longer than another.
LONGEST_WAIT = timedelta(minutes=20)
LOOPBACK = "lo"


@dataclass(frozen=True, slots=True)
class ProcessGroup:
    """This process among those that hold a model.

    Attributes:
        rank: its number; 0 writes what is kept and tells how far it is.
        size: how many there are.
        mesh: what PyTorch splits weights over.
    """

    rank: int
    size: int
    mesh: DeviceMesh


_joined: ProcessGroup | None = None


def joined() -> ProcessGroup | None:
    """The group that this process is in; None where it holds its models alone."""
    return _joined


@contextmanager
def join(rank: int, size: int, meeting: Path) -> Iterator[None]:
    """Within it this process is one of `size` on this machine, which meet by a file.

    Each takes a GPU of its own where there is CUDA. An error leaves the group as it is, for the parent to end
    every process: a connection that closes would have the others tell of that instead of the reason.
    """
    global _joined
    if sys.platform == "linux":
        os.environ.setdefault("GLOO_SOCKET_IFNAME", LOOPBACK)  # nothing leaves the machine
    where = device().type
    if where == "cuda":
        torch.cuda.set_device(rank)
    distributed.init_process_group(
        "cpu:gloo,cuda:nccl" if where == "cuda" else "gloo",
        init_method=meeting.absolute().as_uri(),
        rank=rank,
        world_size=size,
        timeout=LONGEST_WAIT,
    )
    _joined = ProcessGroup(rank, size, init_device_mesh(where, (size,)))
    yield
    _joined = None
    distributed.destroy_process_group()


def leads() -> bool:
    """Whether this process is the one that writes what is kept."""
    return _joined is None or _joined.rank == 0


@contextmanager
def in_turn() -> Iterator[None]:
    """One process after another: what takes memory until the model is split is then taken once at a time."""
    if _joined is None:
        yield
        return
    for turn in range(_joined.size):
        if turn == _joined.rank:
            yield
        _wait()


def sharers(where: torch.device) -> int:
    """How many processes of the group take from one device's memory."""
    return _joined.size if _joined is not None and where.type == "cpu" else 1


def least(number: int) -> int:
    """The least of what the processes say."""
    return _together(number, distributed.ReduceOp.MIN)


def anyone(said: bool) -> bool:
    """Whether any of the processes says so."""
    return bool(_together(int(said), distributed.ReduceOp.MAX))


def add_up(tensors: Sequence[torch.Tensor]) -> None:
    """Adds up each tensor over the processes, in place and in one exchange; all have to be of one type."""
    if _joined is None or not tensors:
        return
    flat = torch.cat([tensor.flatten() for tensor in tensors])
    distributed.all_reduce(flat)
    sizes = [tensor.numel() for tensor in tensors]
    for tensor, part in zip(tensors, torch.split(flat, sizes), strict=True):
        tensor.copy_(part.view_as(tensor))


def _together(number: int, how: distributed.ReduceOp.RedOpType) -> int:
    if _joined is None:
        return number
    said = torch.tensor(number)  # on the CPU, so that no GPU is waited for
    distributed.all_reduce(said, how)
    return int(said)


def _wait() -> None:
    least(0)
