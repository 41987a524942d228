"""Token lists of different lengths as padded batches, rows of like length together."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

TOKENS_PER_BATCH = 4096
# Padding, in tokens, for which another pass is not worth its fixed cost. MiniLM on two cores reads 32 mixed
# texts in 18.0 ms each without a limit, in 10.7, 10.1, 9.3 and 10.2 with 32, 64, 128 and 256
# (docs/benchmarks.md); a larger model pays more for a token, and a GPU more for a pass.
PADDING = {"cpu": 64}
PADDING_ELSEWHERE = 1024


class Padded(NamedTuple):
    """A batch: which rows it holds, their tokens [B, L], and 1 where a token is real [B, L]."""

    rows: list[int]
    tokens: torch.Tensor
    mask: torch.Tensor


def alike(lengths: Sequence[int], device: torch.device, most: int = TOKENS_PER_BATCH) -> Iterator[list[int]]:
    """Rows that go together, by number: every row once, the shortest first.

    A batch holds at most `most` tokens or one row, and hardly more padding than a pass costs.
    """
    spared = PADDING.get(device.type, PADDING_ELSEWHERE)
    waiting = sorted(range(len(lengths)), key=lambda row: -lengths[row])
    while waiting:
        rows, padding = [waiting.pop()], 0
        while waiting:
            longer = lengths[waiting[-1]]
            padding += len(rows) * (longer - lengths[rows[-1]])
            if (len(rows) + 1) * longer > most or padding > spared:
                break
            rows.append(waiting.pop())
        yield rows


def padded_batches(
    ids: Sequence[Sequence[int] | NDArray[np.int32]],
    pad: int,
    device: torch.device,
    most: int = TOKENS_PER_BATCH,
) -> Iterator[Padded]:
    """Every row once, in batches of rows that are alike, padded on the right."""
    for rows in alike([len(row) for row in ids], device, most):
        longest = len(ids[rows[-1]])
        tokens = torch.full((len(rows), longest), pad)
        mask = torch.zeros((len(rows), longest), dtype=torch.long)
        for place, row in enumerate(rows):
            tokens[place, : len(ids[row])] = torch.tensor(ids[row], dtype=torch.long)
            mask[place, : len(ids[row])] = 1
        yield Padded(rows, tokens.to(device), mask.to(device))


def masked_mean(states: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Mean over real tokens, [B, L, D] and [B, L] -> [B, D]."""
    weights = mask.unsqueeze(-1).to(states.dtype)
    return (states * weights).sum(1) / weights.sum(1).clamp(min=1)
