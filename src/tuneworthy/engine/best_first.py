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

from tuneworthy.engine.encoding import shared_prefix
from tuneworthy.engine.label_trie import ROOT, LabelTrie
from tuneworthy.engine.scoring import Progress, continued, prefix_cache, score_labels
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
    answer: int | None = None


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
    prefix = shared_prefix(prompts) if len(prompts) > 1 else 0
    if not decoder.shares_prefix or not prefix:
        scores = score_labels(decoder, prompts, labels, progress)
        return [int(row.argmax()) for row in scores / offsets.divisor - offsets.prior]
    trie = LabelTrie.build(labels)
    below = _below(trie)
    cache = prefix_cache(decoder, list(prompts[0][:prefix]))
    order = sorted(range(len(prompts)), key=lambda row: len(prompts[row]))
    answers = [0] * len(prompts)
    for start in range(0, len(order), TEXTS_PER_BATCH):
        batch = order[start : start + TEXTS_PER_BATCH]
        rows = [list(prompts[row][prefix:]) for row in batch]
        for row, answer in zip(
            batch, _search(decoder, rows, trie, below, offsets, cache, prefix), strict=True
        ):
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
    rows: Sequence[list[int]],
    trie: LabelTrie,
    below: dict[int, _Below],
    offsets: Offsets,
    cache: object,
    prefix: int,
) -> list[int]:
    """The answers of one batch: the prompts' own tokens, then one opened node per unfinished text a round."""
    size, width = len(rows), max(map(len, rows))
    tokens = torch.zeros((size, width), dtype=torch.long)
    positions = torch.zeros((size, width), dtype=torch.long)
    visible = torch.zeros((size, width), dtype=torch.bool)  # the row's own tokens; the prefix always is
    for i, row in enumerate(rows):
        tokens[i, width - len(row) :] = torch.tensor(row)
        positions[i, width - len(row) :] = torch.arange(prefix, prefix + len(row))
        visible[i, width - len(row) :] = True
    causal = visible.unsqueeze(1) & torch.ones((width, width), dtype=torch.bool).tril()
    seen = torch.cat([torch.ones((size, width, prefix), dtype=torch.bool), causal], -1)
    own, mask = continued(decoder, seen, cache, prefix)
    log_p = _forward(decoder, tokens, positions, mask, own)
    searches = [_Search(row=i, length=len(row)) for i, row in enumerate(rows)]
    finished: list[_Search] = []
    nodes = [ROOT] * size
    reached = [0.0] * size
    while True:
        for i, search in enumerate(searches):
            _open(search, nodes[i], reached[i], log_p[i], below, offsets)
        left = [i for i, search in enumerate(searches) if not _settled(search)]
        finished += [search for search in searches if search.answer is not None]
        if not left:
            break
        if len(left) < len(searches):
            keep = torch.tensor(left, device=decoder.device)
            own.batch_select_indices(keep)
            searches, visible = [searches[i] for i in left], visible[keep.cpu()]
        chosen = [heapq.heappop(search.open) for search in searches]
        nodes, reached = [entry[2] for entry in chosen], [entry[4] for entry in chosen]
        column = visible.shape[1]
        visible = torch.cat([visible, torch.zeros((len(searches), 1), dtype=torch.bool)], 1)
        seen = visible.clone()
        for i, (search, node) in enumerate(zip(searches, nodes, strict=True)):
            search.columns[node] = column
            seen[i, [search.columns[j] for j in np.flatnonzero(trie.ancestors[node]).tolist()]] = True
        log_p = _forward(
            decoder,
            torch.tensor([[trie.tokens[node]] for node in nodes]),
            torch.tensor(
                [[prefix + s.length + trie.depth[node]] for s, node in zip(searches, nodes, strict=True)]
            ),
            _own_mask(decoder, seen, mask),
            own,
        )
    answers = [0] * size
    for search in finished:
        assert search.answer is not None
        answers[search.row] = search.answer
    return answers


def _forward(
    decoder: Decoder, tokens: torch.Tensor, positions: torch.Tensor, mask: torch.Tensor, own: object
) -> NDArray[np.float32]:
    """Log-probabilities after each row's last token, shape [B, V]; the cache grows."""
    logits = decoder.model(
        input_ids=tokens.to(decoder.device),
        position_ids=positions.to(decoder.device),
        attention_mask=mask,
        past_key_values=own,
        use_cache=True,
        logits_to_keep=1,
    ).logits[:, 0]
    found: NDArray[np.float32] = logits.float().log_softmax(-1).cpu().numpy()
    return found


def _own_mask(decoder: Decoder, seen: torch.Tensor, before: torch.Tensor) -> torch.Tensor:
    """The mask of one new token per row, which reads the same prefix as `before`."""
    mask = torch.zeros(seen.shape, dtype=decoder.model.dtype)
    mask = mask.masked_fill_(~seen, torch.finfo(mask.dtype).min)[:, None, None].to(decoder.device)
    mask.prefix = before.prefix  # type: ignore[attr-defined]
    return mask


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


def _settled(search: _Search) -> bool:
    """True, with the answer kept, when the best open entry is a label."""
    if search.answer is None and search.open[0][3]:
        search.answer = search.open[0][2]
    return search.answer is not None
