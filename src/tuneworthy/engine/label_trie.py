"""Labels as a token tree, so that what they share is computed once."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

ROOT = -1  # the prompt's end


@dataclass(frozen=True, slots=True)
class LabelTrie:
    """Labels as a token tree.

    Inner nodes are fed to the model; a leaf (the stop token) is only read off its parent's logits.

    Attributes:
        tokens: token of each inner node, parents before children, shape [M].
        parents: the node above, or `ROOT`, shape [M].
        depth: 0 for a first token, shape [M].
        ancestors: ancestors[i, j] is True when j is i or an ancestor of i, shape [M, M].
        steps: per label, (source, token) pairs: log p(token) is read at source.
    """

    tokens: tuple[int, ...]
    parents: tuple[int, ...]
    depth: tuple[int, ...]
    ancestors: NDArray[np.bool_]
    steps: tuple[tuple[tuple[int, int], ...], ...]

    @classmethod
    def build(cls, labels: Sequence[Sequence[int]]) -> "LabelTrie":
        """The trie of some labels' token ids, each ending in its stop token."""
        index: dict[tuple[int, int], int] = {}  # (node above, token) to node
        tokens: list[int] = []
        parents: list[int] = []
        steps = []
        for label in labels:
            sources = [ROOT]
            for token in label[:-1]:
                below = (sources[-1], token)
                if below not in index:
                    index[below] = len(tokens)
                    tokens.append(token)
                    parents.append(sources[-1])
                sources.append(index[below])
            steps.append(tuple(zip(sources, label, strict=True)))
        ancestors = np.eye(len(tokens), dtype=bool)
        depth = [0] * len(tokens)
        for node, parent in enumerate(parents):
            if parent != ROOT:
                ancestors[node] |= ancestors[parent]
                depth[node] = depth[parent] + 1
        return cls(tuple(tokens), tuple(parents), tuple(depth), ancestors, tuple(steps))

    def path(self, node: int) -> list[int]:
        """From the first token down to a node, itself included."""
        way = [node]
        while self.parents[way[-1]] != ROOT:
            way.append(self.parents[way[-1]])
        return way[::-1]
