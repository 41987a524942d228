"""How many tokens one forward pass may have: measured on this model, these rows and this machine.

What backward needs is counted during one forward pass, through autograd's own hooks, so it holds for every
architecture, precision, quantisation and for gradient checkpointing. Memory that runs out all the same halves
the bound later; this only saves the attempts, which on a CPU end in the kernel's killer.
"""

from collections.abc import Sequence

import torch

from tuneworthy.engine.encoding import EncodedRow
from tuneworthy.engine.loss import WIDTH_MULTIPLE, supervised_loss
from tuneworthy.models.decoder import Decoder
from tuneworthy.models.hardware import free_memory

SHARE = 0.5  # of the free memory; the rest is for gradients, optimiser, temporaries and fragmentation
FEWEST = 64


def fitting_tokens(decoder: Decoder, rows: Sequence[EncodedRow], wanted: int) -> int:
    """`wanted` tokens, halved until what backward keeps of them fits into `SHARE` of the free memory."""
    room = SHARE * free_memory(decoder.device) / kept_per_token(decoder, rows)
    tokens = wanted
    while tokens > room and tokens // 2 >= FEWEST:
        tokens //= 2
    return tokens


def kept_per_token(decoder: Decoder, rows: Sequence[EncodedRow]) -> float:
    """Bytes that backward needs of each computed token, parameters not counted, on the longest row."""
    longest = max(rows, key=lambda row: (row.length, row.example_id))
    counted = {p.untyped_storage().data_ptr() for p in decoder.model.parameters()}
    kept = 0

    def count(tensor: torch.Tensor) -> torch.Tensor:
        nonlocal kept
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in counted:
            counted.add(storage.data_ptr())
            kept += storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(count, lambda tensor: tensor):
        loss = supervised_loss(decoder, [longest])
    del loss
    return kept / (-(-longest.length // WIDTH_MULTIPLE) * WIDTH_MULTIPLE)
