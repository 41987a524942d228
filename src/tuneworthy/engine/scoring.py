"""Constrained scoring: log p(label, stop | prompt) for every label, each token computed once.

What prompts share at their beginning (instruction, label list, demonstrations) is run once and kept as a
key/value cache that every row reads and none copies. The labels form a trie that is appended to each prompt
in one forward pass: a node attends to the prompt and to its own ancestors only, and its position is its
depth. So a label costs only the tokens it does not share. The result equals scoring each prompt + label on
its own, which `score_labels_padded` does and which architectures without plain full attention fall back to.
"""

import copy
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from tuneworthy.engine.encoding import shared_prefix
from tuneworthy.engine.label_trie import LabelTrie
from tuneworthy.models.decoder import Decoder, new_cache
from tuneworthy.models.tree_attention import prefix_mask

TOKENS_PER_BATCH = 4096
LOGITS_PER_BATCH = 150_000_000  # float32 values: 0.6 GB
Progress = Callable[[int, int], None]
Scores = NDArray[np.float64]


@torch.inference_mode()
def score_labels(
    decoder: Decoder,
    prompts: Sequence[Sequence[int]],
    labels: Sequence[Sequence[int]],
    progress: Progress = lambda done, total: None,
) -> Scores:
    """Summed log-likelihood in nats of every label after every prompt, shape [prompts, labels].

    Args:
        decoder: the model, with or without an adapter.
        prompts: token ids, one list per row.
        labels: token ids of each label's answer, its stop token included.
        progress: told rows done and rows in all.
    """
    if not prompts:
        return np.zeros((0, len(labels)))
    if not decoder.full_attention_only:
        return score_labels_padded(decoder, prompts, labels, progress)
    trie = LabelTrie.build(labels)
    prefix = shared_prefix(prompts) if len(prompts) > 1 else 0
    cache = prefix_cache(decoder, list(prompts[0][:prefix])) if prefix else None
    order = sorted(range(len(prompts)), key=lambda row: len(prompts[row]))
    scores = np.zeros((len(prompts), len(labels)))
    done = 0
    for batch in _batches(decoder, order, [len(prompt) - prefix for prompt in prompts], len(trie.tokens)):
        rows = [prompts[row][prefix:] for row in batch]
        scores[batch] = _score_batch(decoder, rows, trie, cache, prefix)
        done += len(batch)
        progress(done, len(prompts))
    return scores


def _batches(decoder: Decoder, order: list[int], lengths: list[int], nodes: int) -> list[list[int]]:
    """Rows in order of length, as many at a time as tokens and logits allow."""
    vocabulary = int(decoder.model.config.get_text_config().vocab_size)
    by_logits = max(1, LOGITS_PER_BATCH // ((nodes + 1) * vocabulary))
    batches: list[list[int]] = []
    for row in order:
        rows_so_far = len(batches[-1]) if batches else 0
        fits = (rows_so_far + 1) * (lengths[row] + nodes) <= TOKENS_PER_BATCH and rows_so_far < by_logits
        if batches and fits:
            batches[-1].append(row)
        else:
            batches.append([row])
    return batches


def prefix_cache(decoder: Decoder, prefix: list[int]) -> Any:
    """The key/value cache of some tokens, batch 1."""
    tokens = torch.tensor([prefix], device=decoder.device)
    return decoder.model(input_ids=tokens, use_cache=True, logits_to_keep=1).past_key_values


def _score_batch(
    decoder: Decoder, rows: Sequence[Sequence[int]], trie: LabelTrie, cache: Any, prefix: int
) -> Scores:
    """One forward pass over [left-padded prompt | trie] for a few rows."""
    size, width, nodes = len(rows), max(len(row) for row in rows), len(trie.tokens)
    tokens = torch.zeros((size, width + nodes), dtype=torch.long)
    positions = torch.zeros((size, width + nodes), dtype=torch.long)
    allowed = torch.zeros((size, width + nodes, prefix + width + nodes), dtype=torch.bool)
    causal = torch.ones((width, width), dtype=torch.bool).tril()
    depth = torch.tensor(trie.depth, dtype=torch.long)
    for i, row in enumerate(rows):
        pad = width - len(row)
        tokens[i, pad:width] = torch.tensor(row)
        tokens[i, width:] = torch.tensor(trie.tokens, dtype=torch.long)
        positions[i, pad:width] = torch.arange(prefix, prefix + len(row))
        positions[i, width:] = prefix + len(row) + depth
        allowed[i, :, :prefix] = True
        allowed[i, pad:width, prefix + pad : prefix + width] = causal[pad:, pad:]
        allowed[i, width:, prefix + pad : prefix + width] = True
        allowed[i, width:, prefix + width :] = torch.from_numpy(trie.ancestors)
    own, mask = continued(decoder, allowed, cache, prefix)
    keep = torch.arange(width - 1, width + nodes, device=decoder.device)
    logits = decoder.model(
        input_ids=tokens.to(decoder.device),
        position_ids=positions.to(decoder.device),
        attention_mask=mask,
        past_key_values=own,
        use_cache=own is not None,
        logits_to_keep=keep,
    ).logits.float()
    return _read_off(logits - logits.logsumexp(-1, keepdim=True), trie)


def _read_off(log_p: torch.Tensor, trie: LabelTrie) -> Scores:
    """Sums each label's steps; position 0 of `log_p` [B, 1 + M, V] is the prompt's end."""
    columns = []
    for steps in trie.steps:
        source = torch.tensor([1 + at for at, _ in steps], device=log_p.device)
        token = torch.tensor([token for _, token in steps], device=log_p.device)
        columns.append(log_p[:, source, token].double().sum(-1))
    return np.asarray(torch.stack(columns, -1).cpu().numpy(), dtype=np.float64)


def continued(decoder: Decoder, allowed: torch.Tensor, cache: Any, prefix: int) -> tuple[Any, torch.Tensor]:
    """The cache and the mask with which a batch goes on after a shared prefix.

    Args:
        decoder: the model.
        allowed: what each query may see, the prefix first, shape [B, queries, prefix + own keys].
        cache: the prefix's, batch 1, or None; it is not changed.
        prefix: its length in tokens.
    """
    if cache is not None and decoder.shares_prefix:
        return new_cache(decoder), prefix_mask(
            allowed[..., prefix:], decoder.model.dtype, decoder.device, cache
        )
    own = copy.deepcopy(cache)
    if own is not None:
        own.batch_repeat_interleave(len(allowed))
    mask = torch.zeros(allowed.shape, dtype=decoder.model.dtype)
    mask = mask.masked_fill_(~allowed, torch.finfo(decoder.model.dtype).min)
    return own, mask.unsqueeze(1).to(decoder.device)


@torch.inference_mode()
def score_labels_padded(
    decoder: Decoder,
    prompts: Sequence[Sequence[int]],
    labels: Sequence[Sequence[int]],
    progress: Progress = lambda done, total: None,
) -> Scores:
    """The reference: every prompt + label is a row of its own, padded, ordinary causal attention."""
    scores = np.zeros((len(prompts), len(labels)))
    longest = max(len(label) for label in labels)
    for i, prompt in enumerate(prompts):
        width = len(prompt) + longest
        tokens = torch.zeros((len(labels), width), dtype=torch.long)
        mask = torch.zeros((len(labels), width), dtype=torch.long)
        for j, label in enumerate(labels):
            tokens[j, : len(prompt) + len(label)] = torch.tensor([*prompt, *label])
            mask[j, : len(prompt) + len(label)] = 1
        logits = decoder.model(
            input_ids=tokens.to(decoder.device),
            attention_mask=mask.to(decoder.device),
            logits_to_keep=longest + 1,
        ).logits.float()
        log_p = logits.log_softmax(-1)
        for j, label in enumerate(labels):
            at = torch.arange(len(label))
            scores[i, j] = float(log_p[j, at, torch.tensor(label)].double().sum())
        progress(i + 1, len(prompts))
    return scores
