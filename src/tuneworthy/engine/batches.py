"""Which rows a step sees, and how they are cut into forward passes."""

import math
from collections.abc import Sequence
from typing import Protocol, TypeVar

import numpy as np

from tuneworthy.engine.encoding import EncodedRow, shared_prefix
from tuneworthy.engine.recipe import Recipe


class Row(Protocol):
    """A training row: who it is, and its tokens in all."""

    @property
    def example_id(self) -> str: ...
    @property
    def length(self) -> int: ...


R = TypeVar("R", bound=Row)


def batch_rows(rows: int, recipe: Recipe, step: int) -> list[int]:
    """Row numbers of step 1..steps: passes over seeded permutations, batches run on across passes."""
    wanted = range((step - 1) * recipe.batch, step * recipe.batch)
    orders: dict[int, np.ndarray] = {}
    chosen = []
    for position in wanted:
        epoch = position // rows
        if epoch not in orders:
            orders[epoch] = np.random.default_rng([recipe.seed, epoch]).permutation(rows)
        chosen.append(int(orders[epoch][position % rows]))
    return chosen


def padded_pieces(batch: Sequence[R], tokens: int, alike: float = math.inf, small: int = 0) -> list[list[R]]:
    """The batch in pieces of at most `tokens` tokens, padding included (a longer row stands alone).

    Args:
        batch: the rows of one update.
        tokens: bound of one forward pass.
        alike: how many times as long as the shortest row of a piece its longest may be, ...
        small: ... unless the piece has no more than so many tokens, which fill a pass whatever their lengths.
    """
    pieces: list[list[R]] = []
    for row in sorted(batch, key=lambda row: (row.length, row.example_id)):
        size = (len(pieces[-1]) + 1) * row.length if pieces else math.inf
        if size <= tokens and (size <= small or row.length <= alike * pieces[-1][0].length):
            pieces[-1].append(row)
        else:
            pieces.append([row])
    return pieces


def micro_batches(batch: Sequence[EncodedRow], tokens: int, packed: bool = False) -> list[list[EncodedRow]]:
    """The batch cut into pieces of at most `tokens` computed tokens (a longer row stands alone).

    Args:
        batch: the rows of one update.
        tokens: bound of one forward pass.
        packed: count what rows share at their beginning once, as `packed_loss` does, not padded rows.
    """
    return _packed_pieces(batch, tokens) if packed else padded_pieces(batch, tokens)


def _packed_pieces(batch: Sequence[EncodedRow], tokens: int) -> list[list[EncodedRow]]:
    """Neighbours in token order share most; each piece computes what it shares once."""
    pieces: list[list[EncodedRow]] = []
    size = 0
    for row in sorted(batch, key=lambda row: (row.prompt + row.answer, row.example_id)):
        own = row.length - shared_prefix([pieces[-1][-1].prompt, row.prompt]) if pieces else 0
        if pieces and size + own <= tokens:
            pieces[-1].append(row)
            size += own
        else:
            pieces.append([row])
            size = row.length
    return pieces
