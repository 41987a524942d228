"""A model that several processes hold together: each has a part of every layer's weights.

For a base that one device does not hold. PyTorch's own FSDP2 (`fully_shard`, Zhao et al. 2023,
arXiv:2304.11277) splits the frozen weights of the decoder's layers over the processes, and brings a layer
together only while it computes. Whole in every process are the adapters, the embedding and the output head,
so that optimiser, clipping, checkpoints and saving are what they are without processes. In training each one
computes a part of a piece's rows, and gradients are added up; in answering all compute the same.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import distributed

from tuneworthy.core.errors import ModelError
from tuneworthy.engine.encoding import EncodedRow
from tuneworthy.engine.trainee import Writer
from tuneworthy.models.decoder import Decoder
from tuneworthy.models.hardware import device
from tuneworthy.models.process_group import ProcessGroup, in_turn, joined

if TYPE_CHECKING:  # imports that take a second, for those alone who split
    from torch.distributed.fsdp import FSDPModule

ADAPTER = ".lora_"  # in the name of every parameter of an adapter


def split(load: Callable[[], Decoder]) -> Decoder:
    """This process's part of the decoder that `load` brings into the host's memory; all of it, when alone.

    Processes load one after the other, so that the host holds one whole model at a time.

    Raises:
        ModelError: the model's layers are not to be found.
    """
    group = joined()
    if group is None:
        return load()
    with in_turn():
        decoder = load()
        layers = shard(decoder, group)
    for layer in layers:  # buffers that came to be in inference mode could be filled in no other
        layer.unshard()
        layer.reshard()
    return decoder


def shard(decoder: Decoder, group: ProcessGroup) -> "list[FSDPModule]":
    """Keeps a process's part of the frozen weights of a decoder's layers, in place; the wrapped layers.

    Every process has to call it with the same weights, in the host's memory; a layer at a time goes to the
    device. The wrapped type is checked: on a CPU accelerate's way to the same end silently ends in something
    else.

    Raises:
        ModelError: the model's layers are not to be found.
    """
    from torch.distributed.fsdp import FSDPModule, fully_shard
    from torch.distributed.tensor import DTensor

    layers = list(_layers(decoder.model))
    if not layers:
        raise ModelError(
            f"{decoder.folder.name} has no stack of layers, so it cannot be split over processes: use "
            "processes=1, or another base_model."
        )
    adapters = {p for name, p in decoder.model.named_parameters() if ADAPTER in name}
    for layer in layers:
        fully_shard(layer, mesh=group.mesh, ignored_params=adapters)
    parts = {p for layer in layers for p in layer.parameters()} - adapters
    whole = set(decoder.model.parameters()) - parts
    decoder.device = device()
    for parameter in whole:  # copied also where they are: a part of a mapped file keeps all of it mapped
        parameter.data = parameter.data.to(decoder.device, copy=True)
    root = decoder.model.get_base_model() if decoder.adapted else decoder.model  # `generate` calls no other
    fully_shard(root, mesh=group.mesh, ignored_params=whole)  # so that layers are fetched ahead
    root.register_forward_hook(_as_the_first)
    wrapped: list[FSDPModule] = [module for module in layers if isinstance(module, FSDPModule)]
    assert len(wrapped) == len(layers) and isinstance(root, FSDPModule)
    assert parts and all(isinstance(parameter, DTensor) for parameter in parts)
    return wrapped


def _layers(module: torch.nn.Module) -> Iterator[torch.nn.Module]:
    """The members of the model's outermost lists of modules, as far as they have weights."""
    for child in module.children():
        if isinstance(child, torch.nn.ModuleList):
            yield from (layer for layer in child if any(True for _ in layer.parameters()))
        else:
            yield from _layers(child)


def _as_the_first(model: Any, inputs: Any, output: Any) -> None:
    """What all have computed to answer becomes the first one's to the last bit.

    How far a text is written, or which step is kept, depends on it: were it to differ between two processes,
    one would wait for the other for ever.
    """
    if not torch.is_grad_enabled():
        output.logits = output.logits.contiguous()
        distributed.broadcast(output.logits, 0)


def shared_out(writer: Writer) -> "Writer | ShardedWriter":
    """The writer, and where its model is split, what has each process compute a part of the rows."""
    group = joined()
    return writer if group is None else ShardedWriter(writer, group)


@dataclass(frozen=True, slots=True)
class ShardedWriter:
    """A `Writer` of whose model this process has a part."""

    whole: Writer
    group: ProcessGroup

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
        return self.whole.pieces(batch, tokens * self.group.size)

    def loss(self, piece: Sequence[EncodedRow]) -> torch.Tensor:
        """The loss summed over the piece, whoever computed it; backward gives the gradient of the own rows.

        A process without a row computes one that counts nothing, since layers come together in all or none.
        """
        own = piece[self.group.rank :: self.group.size]
        local = self.whole.loss(own or piece[:1]) * (1 if own else 0)
        total = local.detach().clone()
        distributed.all_reduce(total)
        return local + (total - local.detach())

    def supervised(self, batch: Sequence[EncodedRow]) -> int:
        """Tokens of the answers, of the whole batch."""
        return self.whole.supervised(batch)
