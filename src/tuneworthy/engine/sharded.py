"""One fit over several processes: each holds a part of the weights, and of every batch computes a part.

For a model that one device does not hold. PyTorch's own FSDP2 (`fully_shard`, Zhao et al. 2023,
arXiv:2304.11277) splits every decoder layer's weights over the processes and brings a layer together only
while it computes. The trainee fits the loop's `update` as it is: same loss, same step, same curves.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import distributed
from torch.distributed.fsdp import FSDPModule, fully_shard

from tuneworthy.core.errors import ModelError
from tuneworthy.engine.encoding import EncodedRow
from tuneworthy.engine.trainee import Writer


def shard(writer: Writer) -> "ShardedWriter":
    """Splits a writer's weights over all processes of the group, in place.

    Every process has to call it with the same weights. The wrapped type is checked: on a CPU accelerate's way
    to the same end silently ends in something else.

    Raises:
        ModelError: there is one process only, or the model's layers are not to be found.
    """
    if not distributed.is_initialized() or distributed.get_world_size() < 2:
        raise ModelError("a model is split over two processes or more: start them with torchrun.")
    layers = [
        module
        for stack in writer.model.modules()
        if isinstance(stack, torch.nn.ModuleList)
        for module in stack
        if any(True for _ in module.parameters())
    ]
    if not layers:
        raise ModelError(f"{writer.decoder.folder.name} has no stack of layers that could be split.")
    for layer in layers:
        fully_shard(layer)
    fully_shard(writer.model)
    assert all(isinstance(module, FSDPModule) for module in (*layers, writer.model))
    return ShardedWriter(writer, distributed.get_rank(), distributed.get_world_size())


@dataclass(frozen=True, slots=True)
class ShardedWriter:
    """A `Writer` of which this process has a part of the weights."""

    whole: Writer
    rank: int
    processes: int

    @property
    def model(self) -> Any:
        """The transformers model, its layers wrapped."""
        return self.whole.model

    @property
    def device(self) -> torch.device:
        """Where it computes."""
        return self.whole.device

    @property
    def method(self) -> str:
        """The section of a job that has its settings."""
        return self.whole.method

    def pieces(self, batch: Sequence[EncodedRow], tokens: int) -> list[list[EncodedRow]]:
        """The same pieces in every process: all have to compute together, each a share of a piece's rows."""
        return self.whole.pieces(batch, tokens * self.processes)

    def loss(self, piece: Sequence[EncodedRow]) -> torch.Tensor:
        """The loss summed over the piece, whoever computed it; backward gives the gradient of that sum.

        A process without a row computes one that counts nothing, since layers come together in all or none.
        FSDP2 averages gradients over the processes, so each one's own loss counts as often as there are some.
        """
        own = piece[self.rank :: self.processes]
        local = self.whole.loss(own or piece[:1]) * (self.processes if own else 0)
        total = local.detach().clone()
        distributed.all_reduce(total)
        return local + (total / self.processes - local.detach())

    def supervised(self, batch: Sequence[EncodedRow]) -> int:
        """Tokens of the answers, of the whole batch."""
        return self.whole.supervised(batch)
