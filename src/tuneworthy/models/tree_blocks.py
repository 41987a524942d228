"""Which pairs of query and key a tree's attention computes: the mask cut into blocks, alike ones together.

Less than half of a packed batch's square is allowed, often a tenth. Queries that see about the same keys form
a block; blocks of about the same size form a sheet, one batched product each. Where the products fetch their
rows is worked out once per batch and used by every layer.
"""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import torch

GRAIN = 32  # a cut may fall at every so-many-th query, and where a branch ends
LONGEST = 1024  # queries of a block at most
BLOCK_COST = 12_000  # what a block costs beside its (query, key) pairs, measured in pairs
GAP = 32  # forbidden keys between two visible runs that are cheaper to mask than to leave out
WASTE = 1.25  # a sheet's padded pairs over its blocks' own, at most
Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Block:
    """Consecutive queries and the ascending runs of keys that at least one of them sees."""

    start: int
    end: int
    keys: tuple[Span, ...]

    @property
    def queries(self) -> int:
        """How many."""
        return self.end - self.start

    @property
    def width(self) -> int:
        """How many keys."""
        return sum(last - first for first, last in self.keys)


@dataclass(frozen=True, slots=True)
class Sheet:
    """Blocks padded to one shape.

    Attributes:
        blocks: n of them.
        queries, keys: where they stand, shapes [n, Q] and [n, K]; padding points at token 0.
        real: which queries are not padding, shape [n, Q].
        mask: additive, shape [n, 1, 1, Q, K].
    """

    blocks: tuple[Block, ...]
    queries: torch.Tensor
    keys: torch.Tensor
    real: torch.Tensor
    mask: torch.Tensor


@dataclass(frozen=True, slots=True)
class Rows:
    """Where the rows of a matrix [tokens x heads, size] go, for one number of heads and of key heads.

    Attributes:
        asked: rows of the queries, sheet after sheet, each [n, groups, share, Q] flattened.
        keys: rows of the keys and values, each sheet [n, groups, K] flattened.
        back: for every row of queries its place in `asked`.
        padding: places in `asked` that are padding.
    """

    asked: torch.Tensor
    keys: torch.Tensor
    back: torch.Tensor
    padding: torch.Tensor


@dataclass(frozen=True, slots=True)
class Blocks:
    """The sheets of one mask; `rows` are made on first use, once for all layers."""

    sheets: tuple[Sheet, ...]
    _rows: dict[tuple[int, int], Rows] = field(default_factory=dict)

    def rows(self, heads: int, groups: int) -> Rows:
        """Where to fetch what, when `heads` query heads share `groups` key heads."""
        if (heads, groups) not in self._rows:
            self._rows[heads, groups] = _rows(self.sheets, heads, groups)
        return self._rows[heads, groups]


def cut_blocks(allowed: torch.Tensor, mask: torch.Tensor) -> Blocks:
    """The sheets of a mask.

    Args:
        allowed: which query sees which key, shape [T, T], on the CPU.
        mask: the same as an additive mask, on the device that computes.
    """
    blocks = [Block(start, end, _runs(allowed[start:end].any(0))) for start, end in _cut(allowed)]
    return Blocks(tuple(_sheet(alike, mask) for alike in _alike(blocks)))


def _cut(allowed: torch.Tensor) -> list[Span]:
    """Where the blocks of queries begin and end: the cheapest cut, by dynamic programming.

    Long blocks pay for pairs that the mask forbids, short ones a fixed price each.
    """
    tokens = len(allowed)
    branches = (~allowed.diagonal(-1)).nonzero().flatten() + 1  # a query that does not see the one before it
    places = sorted({0, tokens, *range(0, tokens, GRAIN), *branches.tolist()})
    pieces = list(pairwise(places))
    seen = np.stack([allowed[start:end].any(0).numpy() for start, end in pieces])
    cheapest, came_from = [0.0], [0]
    for last, (_, end) in enumerate(pieces):
        first = bisect_left(places, end - LONGEST)
        visible = np.logical_or.accumulate(seen[first : last + 1][::-1])  # of blocks that begin ever earlier
        lengths = end - np.array(places[first : last + 1][::-1])
        cost = visible.sum(1) * lengths + BLOCK_COST + np.array(cheapest[first : last + 1][::-1])
        best = int(cost.argmin())
        cheapest.append(float(cost[best]))
        came_from.append(last - best)
    cut: list[Span] = []
    at = len(pieces)
    while at:
        cut.append((places[came_from[at]], places[at]))
        at = came_from[at]
    return cut[::-1]


def _runs(visible: torch.Tensor) -> tuple[Span, ...]:
    """Spans of True, those less than `GAP` apart joined."""
    runs: list[Span] = []
    for key in visible.nonzero().flatten().tolist():
        if runs and key - runs[-1][1] < GAP:
            runs[-1] = (runs[-1][0], key + 1)
        else:
            runs.append((key, key + 1))
    return tuple(runs)


def _alike(blocks: Sequence[Block]) -> list[list[Block]]:
    """Blocks whose sizes are close enough to be padded to the largest."""
    groups: list[list[Block]] = []
    for block in sorted(blocks, key=lambda block: (block.width, block.queries), reverse=True):
        for group in groups:
            together = [*group, block]
            padded = max(b.queries for b in together) * max(b.width for b in together) * len(together)
            if padded <= WASTE * sum(b.queries * b.width for b in together):
                group.append(block)
                break
        else:
            groups.append([block])
    return groups


def _sheet(blocks: Sequence[Block], dense: torch.Tensor) -> Sheet:
    size, height, width = len(blocks), max(b.queries for b in blocks), max(b.width for b in blocks)
    queries, keys = torch.zeros(size, height, dtype=torch.long), torch.zeros(size, width, dtype=torch.long)
    real = torch.zeros(size, height, dtype=torch.bool)
    mask = torch.full((size, height, width), torch.finfo(dense.dtype).min, dtype=dense.dtype)
    for i, block in enumerate(blocks):
        queries[i, : block.queries] = torch.arange(block.start, block.end)
        keys[i, : block.width] = torch.cat([torch.arange(first, last) for first, last in block.keys])
        real[i, : block.queries] = True
        within = [dense[block.start : block.end, first:last] for first, last in block.keys]
        mask[i, : block.queries, : block.width] = torch.cat(within, dim=1)
    return Sheet(tuple(blocks), queries, keys, real, mask[:, None, None].to(dense.device))


def _rows(sheets: Sequence[Sheet], heads: int, groups: int) -> Rows:
    share, where = heads // groups, sheets[0].mask.device
    head = torch.arange(heads).view(groups, share, 1)
    group = torch.arange(groups).view(groups, 1)
    asked = torch.cat([(s.queries[:, None, None] * heads + head).flatten() for s in sheets])
    keys = torch.cat([(s.keys[:, None] * groups + group).flatten() for s in sheets])
    real = torch.cat([s.real[:, None, None].expand(-1, groups, share, -1).flatten() for s in sheets])
    back = torch.empty(int(real.sum()), dtype=torch.long)
    back[asked[real]] = real.nonzero().flatten()
    padding = (~real).nonzero().flatten()
    return Rows(asked.to(where), keys.to(where), back.to(where), padding.to(where))
