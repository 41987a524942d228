"""Which rows a step sees, and how they are cut into forward passes."""

from collections.abc import Sequence

import numpy as np

from tuneworthy.engine.encoding import EncodedRow, shared_prefix
from tuneworthy.engine.recipe import Recipe


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


def micro_batches(batch: Sequence[EncodedRow], tokens: int, packed: bool = False) -> list[list[EncodedRow]]:
    """The batch cut into pieces of at most `tokens` computed tokens (a longer row stands alone).

    Args:
        batch: the rows of one update.
        tokens: bound of one forward pass.
        packed: count what rows share at their beginning once, as `packed_loss` does, not padded rows.
    """
    if packed:
        return _packed_pieces(batch, tokens)
    pieces: list[list[EncodedRow]] = []
    for row in sorted(batch, key=lambda row: (row.length, row.example_id)):
        if pieces and (len(pieces[-1]) + 1) * row.length <= tokens:
            pieces[-1].append(row)
        else:
            pieces.append([row])
    return pieces


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
