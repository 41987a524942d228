"""Rows as one token tree: what rows share at their beginning stands there once.

The instruction, a label list, demonstrations, a document that several questions are asked about: every run of
tokens that rows have in common is one node. Nodes are laid out depth first in one sequence, positions restart
at every branch, and a token attends to its ancestors only: each token is computed once, no number changes.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from tuneworthy.engine.encoding import EncodedRow


@dataclass(frozen=True, slots=True)
class TokenTree:
    """Some rows, packed.

    Attributes:
        tokens: token ids in layout order, shape [T].
        positions: distance from the beginning of the row, shape [T].
        ends: one past the last token below each, shape [T]: token i sees token j when j <= i < ends[j].
        sources: where each supervised token is predicted, shape [S].
        targets: the supervised tokens, shape [S].
    """

    tokens: torch.Tensor
    positions: torch.Tensor
    ends: torch.Tensor
    sources: torch.Tensor
    targets: torch.Tensor

    @property
    def allowed(self) -> torch.Tensor:
        """allowed[i, j] is True when token i attends to token j, shape [T, T]; computed at each call."""
        at = torch.arange(len(self.tokens))
        return (at <= at.unsqueeze(1)) & (at.unsqueeze(1) < self.ends)


def pack(rows: Sequence[EncodedRow], width_multiple: int = 1, filler: int = 0) -> TokenTree:
    """The token tree of some rows; a row's last token is only a target and is not laid out.

    Args:
        rows: at least one.
        width_multiple: T is filled up to a multiple of this; filler tokens go on after the last row.
        filler: token id of those.
    """
    ordered = in_order(rows)
    tokens: list[int] = []
    depths: list[int] = []
    ends: list[int] = []
    path: list[int] = []  # where each token of the last row stands
    sources: list[int] = []
    targets: list[int] = []
    last: list[int] = []
    for row in ordered:
        laid = [*row.prompt, *row.answer[:-1]]
        shared = _common(last, laid)
        start = len(tokens)
        for left in path[shared:]:
            ends[left] = start
        del path[shared:]
        tokens += laid[shared:]
        depths += range(shared, len(laid))
        path += range(start, len(tokens))
        ends += [0] * (len(tokens) - start)
        sources += path[len(row.prompt) - 1 :]
        targets += row.answer
        last = laid
    width = -(-len(tokens) // width_multiple) * width_multiple
    filled = width - len(tokens)
    for left in path:
        ends[left] = width  # filler goes on where the last row ends, which costs attention least
    return TokenTree(
        tokens=torch.tensor([*tokens, *[filler] * filled]),
        positions=torch.tensor([*depths, *[0] * filled]),
        ends=torch.tensor([*ends, *[width] * filled]),
        sources=torch.tensor(sources),
        targets=torch.tensor(targets),
    )


def in_order(rows: Sequence[EncodedRow]) -> list[EncodedRow]:
    """The rows as they stand in their tree, neighbours in token order, and so their supervised tokens."""
    return sorted(rows, key=lambda row: row.prompt + row.answer)


def _common(a: Sequence[int], b: Sequence[int]) -> int:
    length = 0
    while length < min(len(a), len(b)) and a[length] == b[length]:
        length += 1
    return length
