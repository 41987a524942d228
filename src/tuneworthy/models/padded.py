"""Token lists of different lengths as padded batches, rows of like length together."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch

TOKENS_PER_BATCH = 4096


class Padded(NamedTuple):
    """A batch: which rows it holds, their tokens [B, L], and 1 where a token is real [B, L]."""

    rows: list[int]
    tokens: torch.Tensor
    mask: torch.Tensor


def padded_batches(
    ids: Sequence[Sequence[int]], pad: int, device: torch.device, most: int = TOKENS_PER_BATCH
) -> Iterator[Padded]:
    """Every row once, the shortest first, at most `most` tokens a batch or one row; padded on the right."""
    waiting = sorted(range(len(ids)), key=lambda row: -len(ids[row]))
    while waiting:
        rows = [waiting.pop()]
        while waiting and (len(rows) + 1) * len(ids[waiting[-1]]) <= most:
            rows.append(waiting.pop())
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
