"""How many tokens one forward pass may have: measured on this model, these rows and this machine.

What backward needs is counted during one forward pass, through autograd's own hooks, so it holds for every
architecture, precision, quantisation and for gradient checkpointing. Memory that runs out all the same halves
the bound later; this only saves the attempts, which on a CPU end in the kernel's killer.
"""

from collections.abc import Sequence

import torch

from tuneworthy.engine.batches import R
from tuneworthy.engine.loss import WIDTH_MULTIPLE
from tuneworthy.engine.trainee import Trainee
from tuneworthy.models.hardware import free_memory
from tuneworthy.models.process_group import sharers

SHARE = 0.5  # of the free memory; the rest is for gradients, optimiser, temporaries and fragmentation
FEWEST = 64
SAYS_MEMORY = (
    *("can't allocate memory", "not enough memory", "std::bad_alloc"),  # torch on the CPU
    "could not create a primitive",  # oneDNN under it, which has no error of its own for it
    "can't start new thread",  # Python, which has no room for a thread's stack
)


def fitting_tokens(trainee: Trainee[R], rows: Sequence[R], wanted: int) -> int:
    """`wanted` tokens, halved until what backward keeps of them fits into `SHARE` of the free memory."""
    try:
        free = free_memory(trainee.device) / sharers(trainee.device)
        room = SHARE * free / kept_per_token(trainee, rows)
    except (MemoryError, RuntimeError) as error:
        if not out_of_memory(error):
            raise
        return FEWEST  # the first update says it if not even a single row fits
    tokens = wanted
    while tokens > room and tokens // 2 >= FEWEST:
        tokens //= 2
    return tokens


def kept_per_token(trainee: Trainee[R], rows: Sequence[R]) -> float:
    """Bytes that backward needs of each computed token, parameters not counted, on the longest row."""
    longest = max(rows, key=lambda row: (row.length, row.example_id))
    return kept_bytes(trainee, [longest]) / (-(-longest.length // WIDTH_MULTIPLE) * WIDTH_MULTIPLE)


def kept_bytes(trainee: Trainee[R], piece: Sequence[R]) -> int:
    """Bytes that one forward pass keeps for its backward pass, parameters not counted."""
    own = [p for p in trainee.model.parameters() if not hasattr(p, "to_local")]  # not of a split layer
    counted = {p.untyped_storage().data_ptr() for p in own}
    kept = 0

    def count(tensor: torch.Tensor) -> torch.Tensor:
        nonlocal kept
        storage = tensor.untyped_storage()
        fetched = isinstance(tensor, torch.nn.Parameter)  # of a split layer, and gone after it
        if not fetched and storage.data_ptr() not in counted:
            counted.add(storage.data_ptr())
            kept += storage.nbytes()
        return tensor.detach()  # a node that held its own output would hold itself, and the graph, for good

    with torch.autograd.graph.saved_tensors_hooks(count, lambda tensor: tensor):
        trainee.loss(piece)
    return kept


def out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory ran out: on the CPU torch raises a plain RuntimeError."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    text = str(error)
    return any(words in text for words in SAYS_MEMORY)
