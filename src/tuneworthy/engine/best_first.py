"""The best label without the scores of the others, exactly.

A label's score is a sum of log-probabilities, which only falls from token to token, less its prior. So what a
node of the label trie has reached so far bounds every label below it. Nodes are opened in the order of their
bounds, one forward pass for all texts at a time; a label whose own score is no lower than every bound left is
the best one. Most labels are never computed.
"""

import heapq
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray

from tuneworthy.engine.label_trie import ROOT, LabelTrie
from tuneworthy.engine.prefix import Continuation, Prefix, causal, left_padded
from tuneworthy.engine.scoring import Progress, score_labels
from tuneworthy.models.decoder import Decoder

TEXTS_PER_BATCH = 64


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


@dataclass
class _Below:
    """What a node leads to: inner nodes and labels by the token that leads there, and all labels below."""

    nodes: list[tuple[int, int]] = field(default_factory=list)
    labels: list[tuple[int, int]] = field(default_factory=list)
    reach: list[int] = field(default_factory=list)


@dataclass
class _Search:
    """One text's open nodes: (-bound, order, node or label, is it a label, log p so far)."""

    row: int
    length: int
    columns: dict[int, int] = field(default_factory=dict)  # where a node's key stands in the cache
    open: list[tuple[float, int, int, bool, float]] = field(default_factory=list)


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
    trie, prefix = LabelTrie.build(labels), Prefix(decoder, prompts)
    below = _below(trie)
    order = sorted(range(len(prompts)), key=lambda row: len(prompts[row]))
    answers = [0] * len(prompts)
    for start in range(0, len(order), TEXTS_PER_BATCH):
        batch = order[start : start + TEXTS_PER_BATCH]
        rows = [prompts[row][prefix.length :] for row in batch]
        for row, answer in zip(batch, _search(decoder, rows, trie, below, offsets, prefix), strict=True):
            answers[row] = answer
        progress(min(start + TEXTS_PER_BATCH, len(order)), len(order))
    return answers


def _below(trie: LabelTrie) -> dict[int, _Below]:
    """Children and reachable labels of the root and of every inner node."""
    found = {node: _Below() for node in (ROOT, *range(len(trie.tokens)))}
    for node, parent in enumerate(trie.parents):
        found[parent].nodes.append((node, trie.tokens[node]))
    for label, steps in enumerate(trie.steps):
        found[steps[-1][0]].labels.append((label, steps[-1][1]))
        for source, _ in steps:
            found[source].reach.append(label)
    return found


def _search(
    decoder: Decoder,
    rows: Sequence[Sequence[int]],
    trie: LabelTrie,
    below: dict[int, _Below],
    offsets: Offsets,
    prefix: Prefix,
) -> list[int]:
    """The answers of one batch: the prompts' own tokens, then one opened node per unfinished text a round."""
    tokens, depths, visible = left_padded(rows)
    going_on = Continuation(decoder, prefix, len(rows))
    last = torch.tensor([tokens.shape[1] - 1])
    log_p = _log_p(going_on.run(tokens, depths, causal(visible), last))
    searches = [_Search(row=i, length=len(row)) for i, row in enumerate(rows)]
    answers = [0] * len(rows)
    nodes, reached = [ROOT] * len(rows), [0.0] * len(rows)
    while True:
        for i, search in enumerate(searches):
            _open(search, nodes[i], reached[i], log_p[i], below, offsets)
        left = []
        for i, search in enumerate(searches):
            if search.open[0][3]:  # the best open entry is a label
                answers[search.row] = search.open[0][2]
            else:
                left.append(i)
        if not left:
            return answers
        if len(left) < len(searches):
            going_on.select(left)
            searches, visible = [searches[i] for i in left], visible[left]
        chosen = [heapq.heappop(search.open) for search in searches]
        nodes, reached = [entry[2] for entry in chosen], [entry[4] for entry in chosen]
        visible = torch.cat([visible, torch.zeros((len(searches), 1), dtype=torch.bool)], 1)
        seen = visible.clone()
        for i, (search, node) in enumerate(zip(searches, nodes, strict=True)):
            search.columns[node] = visible.shape[1] - 1
            seen[i, [search.columns[j] for j in np.flatnonzero(trie.ancestors[node]).tolist()]] = True
        depth = [[s.length + trie.depth[node]] for s, node in zip(searches, nodes, strict=True)]
        fed = torch.tensor([[trie.tokens[node]] for node in nodes])
        log_p = _log_p(going_on.run(fed, torch.tensor(depth), seen.unsqueeze(1), torch.tensor([0])))


def _log_p(logits: torch.Tensor) -> NDArray[np.float32]:
    """Log-probabilities [B, V] of logits [B, 1, V]."""
    found: NDArray[np.float32] = logits[:, 0].log_softmax(-1).cpu().numpy()
    return found


def _open(
    search: _Search,
    node: int,
    reached: float,
    log_p: NDArray[np.float32],
    below: dict[int, _Below],
    offsets: Offsets,
) -> None:
    """Puts what lies below a node among the open ones, each with the highest score it can still reach."""
    for child, token in below[node].nodes:
        so_far = reached + float(log_p[token])
        reach = below[child].reach
        bound = float((so_far / offsets.divisor[reach] - offsets.prior[reach]).max())
        heapq.heappush(search.open, (-bound, len(search.open), child, False, so_far))
    for label, token in below[node].labels:
        so_far = reached + float(log_p[token])
        score = so_far / offsets.divisor[label] - offsets.prior[label]
        heapq.heappush(search.open, (-float(score), len(search.open), label, True, so_far))
