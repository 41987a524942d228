"""The best label without the scores of the others, exactly.

A label's score is a sum of log-probabilities, which only falls from token to token, less its prior. So what a
node of the label trie has reached so far bounds every label below it. Nodes are opened in the order of their
bounds; a label whose own score is no lower than every bound left is the best one. Most labels are never
computed. Many texts are searched at a time, and one that is answered makes room for the next, so that forward
passes stay full; when few are left, each opens several nodes at once.
"""

import heapq
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray

from tuneworthy.engine.label_trie import ROOT, LabelTrie
from tuneworthy.engine.prefix import Prefix, causal, left_padded
from tuneworthy.engine.scoring import Progress, score_labels
from tuneworthy.engine.token_store import TokenStore
from tuneworthy.models.decoder import Decoder

TEXTS_AT_A_TIME = 128
TOKENS_AT_A_TIME = 8192  # of the texts that are being searched: their keys and values are in memory
PROMPT_TOKENS = 512  # of one forward pass over prompts
NODES_AT_MOST = 64  # of one forward pass
NODES_AT_LEAST = 32  # of one forward pass over nodes: on a CPU 32 take little longer than one


@dataclass(frozen=True, slots=True)
class Offsets:
    """How a label's summed log-likelihood becomes the score that is compared: sum / divisor - prior.

    Attributes:
        prior: log prior of each label, shape [K]; zeros for none.
        divisor: each label's tokens for a mean per token, ones for the sum, shape [K].
    """

    prior: NDArray[np.float64]
    divisor: NDArray[np.float64]

    @classmethod
    def none(cls, labels: int) -> "Offsets":
        """The plain sum."""
        return cls(np.zeros(labels), np.ones(labels))


class _Below:
    """What a node leads to: inner nodes and labels, the tokens that lead there, and all labels below it."""

    def __init__(self) -> None:
        self.nodes: list[int] = []
        self.labels: list[int] = []
        self.tokens: list[int] = []  # of the nodes, then of the labels
        self.reach: list[int] = []


@dataclass
class _Search:
    """One text's open nodes: (-bound, order, node or label, is it a label, log p so far)."""

    row: int
    length: int
    places: list[int]
    nodes: dict[int, int] = field(default_factory=dict)  # the place of each opened node
    open: list[tuple[float, int, int, bool, float]] = field(default_factory=list)

    @property
    def answer(self) -> int | None:
        """The best label, once it is the best open entry."""
        _, _, label, is_label, _ = self.open[0]
        return label if is_label else None

    def pop(self, count: int) -> list[tuple[int, float]]:
        """Up to `count` nodes to open and log p so far, best first; none that a label already beats."""
        popped: list[tuple[int, float]] = []
        while self.open and not self.open[0][3] and len(popped) < count:
            _, _, node, _, reached = heapq.heappop(self.open)
            popped.append((node, reached))
        return popped


@torch.inference_mode()
def best_labels(
    decoder: Decoder,
    prompts: Sequence[Sequence[int]],
    labels: Sequence[Sequence[int]],
    offsets: Offsets | None = None,
    progress: Progress = lambda done, total: None,
) -> list[int]:
    """The label with the highest score after each prompt: the arg max of `score_labels`.

    Args:
        decoder: the model, with or without an adapter.
        prompts: token ids, one list per row.
        labels: token ids of each label's answer, its stop token included.
        offsets: a correction of the labels' priors.
        progress: told rows done and rows in all.
    """
    offsets = offsets or Offsets.none(len(labels))
    if not prompts:
        return []
    if not decoder.full_attention_only:
        scores = score_labels(decoder, prompts, labels, progress)
        return [int(row.argmax()) for row in scores / offsets.divisor - offsets.prior]
    return _Searches(decoder, prompts, LabelTrie.build(labels), offsets).run(progress)


class _Searches:
    """All texts' searches, some at a time."""

    def __init__(
        self, decoder: Decoder, prompts: Sequence[Sequence[int]], trie: LabelTrie, offsets: Offsets
    ) -> None:
        prefix = Prefix(decoder, prompts)
        self._own = [prompt[prefix.length :] for prompt in prompts]
        self._trie, self._offsets, self._below = trie, offsets, _below(trie)
        self._store = TokenStore(decoder, prefix)
        self._waiting = sorted(range(len(prompts)), key=lambda row: -len(prompts[row]))  # taken from the end
        self._running: list[_Search] = []
        self._answers = [0] * len(prompts)

    def run(self, progress: Progress) -> list[int]:
        """The answers, in the order of the prompts."""
        total = len(self._answers)
        while self._waiting or self._running:
            rows = self._next_rows()
            if rows:
                self._begin(rows)
            else:
                self._open_nodes()
            self._retire()
            progress(total - len(self._waiting) - len(self._running), total)
        return self._answers

    def _next_rows(self) -> list[int]:
        """Texts to begin now, as many as one forward pass takes; none while others keep the passes full."""
        if len(self._running) >= NODES_AT_MOST:
            return []
        held = sum(len(search.places) for search in self._running)
        rows: list[int] = []
        while self._waiting:
            length = len(self._own[self._waiting[-1]])
            alone = not rows and not self._running
            fits = (
                len(self._running) + len(rows) < TEXTS_AT_A_TIME
                and held + (len(rows) + 1) * length <= TOKENS_AT_A_TIME
                and (not rows or (len(rows) + 1) * length <= PROMPT_TOKENS)
            )
            if not alone and not fits:
                break
            rows.append(self._waiting.pop())
        return rows

    def _begin(self, rows: Sequence[int]) -> None:
        """Runs the prompts' own tokens and opens the root of each text's search."""
        tokens, depths, real = left_padded([self._own[row] for row in rows])
        width = tokens.shape[1]
        places = torch.tensor(self._store.take(tokens.numel()), dtype=torch.long).view(tokens.shape)
        logits = self._store.run(
            tokens, depths, places, places, causal(real), torch.tensor([width - 1], dtype=torch.long)
        )
        started = []
        for row, own, at in zip(rows, real, places, strict=True):
            self._store.give_back(at[~own].tolist())
            started.append(_Search(row=row, length=len(self._own[row]), places=at[own].tolist()))
        self._read_off(logits[:, 0], [(search, ROOT, 0.0) for search in started])
        self._running += started

    def _open_nodes(self) -> None:
        """One forward pass over the best nodes of the oldest searches, each a row of one token.

        The oldest have the shortest texts, so that rows of one pass read about equally many tokens.
        """
        each = max(1, NODES_AT_LEAST // len(self._running))
        chosen = [(search, *entry) for search in self._running[:NODES_AT_MOST] for entry in search.pop(each)]
        fresh = self._store.take(len(chosen))
        reads = []
        for (search, node, _), place in zip(chosen, fresh, strict=True):
            above = [search.nodes[ancestor] for ancestor in self._trie.path(node)[:-1]]
            reads.append([*search.places, *above, place])
            search.nodes[node] = place
        width = max(map(len, reads))
        read = torch.tensor([[*places, *[places[0]] * (width - len(places))] for places in reads])
        seen = torch.arange(width) < torch.tensor([[len(places)] for places in reads])
        tokens = torch.tensor([[self._trie.tokens[node]] for _, node, _ in chosen])
        depths = torch.tensor([[search.length + self._trie.depth[node]] for search, node, _ in chosen])
        write = torch.tensor(fresh)[:, None]
        logits = self._store.run(tokens, depths, write, read, seen.unsqueeze(1), torch.tensor([0]))
        self._read_off(logits[:, 0], chosen)

    def _read_off(self, logits: torch.Tensor, nodes: Sequence[tuple[_Search, int, float]]) -> None:
        """Puts what lies below some nodes among their searches' open ones; logits are theirs, [nodes, V]."""
        tokens = [self._below[node].tokens for _, node, _ in nodes]
        row = torch.tensor([i for i, found in enumerate(tokens) for _ in found], device=logits.device)
        token = torch.tensor([t for found in tokens for t in found], device=logits.device)
        log_p = (logits[row, token] - logits.logsumexp(-1)[row]).double().cpu().numpy()
        at = 0
        for (search, node, reached), found in zip(nodes, tokens, strict=True):
            self._open(search, node, reached, log_p[at : at + len(found)])
            at += len(found)

    def _open(self, search: _Search, node: int, reached: float, log_p: NDArray[np.float64]) -> None:
        """Puts what lies below a node among the open ones, each with the highest score it can still reach."""
        below, offsets = self._below[node], self._offsets
        so_far = (reached + log_p).tolist()
        for child, total in zip(below.nodes, so_far, strict=False):
            reach = self._below[child].reach
            bound = float((total / offsets.divisor[reach] - offsets.prior[reach]).max())
            heapq.heappush(search.open, (-bound, len(search.open), child, False, total))
        for label, total in zip(below.labels, so_far[len(below.nodes) :], strict=True):
            score = float(total / offsets.divisor[label] - offsets.prior[label])
            heapq.heappush(search.open, (-score, len(search.open), label, True, total))

    def _retire(self) -> None:
        """Answers the texts whose best open entry is a label, and makes room."""
        running = []
        for search in self._running:
            answer = search.answer
            if answer is None:
                running.append(search)
            else:
                self._answers[search.row] = answer
                self._store.give_back([*search.places, *search.nodes.values()])
        self._running = running


def _below(trie: LabelTrie) -> dict[int, _Below]:
    """Children and reachable labels of the root and of every inner node."""
    found = {node: _Below() for node in (ROOT, *range(len(trie.tokens)))}
    for node, parent in enumerate(trie.parents):
        found[parent].nodes.append(node)
        found[parent].tokens.append(trie.tokens[node])
    for label, steps in enumerate(trie.steps):
        found[steps[-1][0]].labels.append(label)
        found[steps[-1][0]].tokens.append(steps[-1][1])
        for source, _ in steps:
            found[source].reach.append(label)
    return found
