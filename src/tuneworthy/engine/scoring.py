"""Constrained scoring: log p(label, stop | prompt) for every label, each token computed once.

What prompts share at their beginning (instruction, label list, demonstrations) is run once and kept as a
key/value cache that every row reads and none copies. The labels form a trie that is appended to each prompt
in one forward pass: a node attends to the prompt and to its own ancestors only, and its position is its
depth. So a label costs only the tokens it does not share. The result equals scoring each prompt + label on
its own, which `score_labels_padded` does and which architectures without plain full attention fall back to.
"""

from collections.abc import Callable, Sequence
from contextlib import nullcontext

import numpy as np
import torch
from numpy.typing import NDArray

from tuneworthy.engine.head import slices_head, without_head
from tuneworthy.engine.label_trie import LabelTrie
from tuneworthy.engine.prefix import Continuation, Prefix, causal, left_padded
from tuneworthy.models.decoder import Decoder

TOKENS_PER_BATCH = {"cpu": 1024, "cuda": 8192}  # on a CPU: activations stay in the allocator's small pages
LOGITS_PER_BATCH = 150_000_000  # float32 values: 0.6 GB, where the head cannot be sliced
LOGITS_AT_A_TIME = 6_000_000  # float32 values of a slice of the head: 24 MB
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
    trie, prefix = LabelTrie.build(labels), Prefix(decoder, prompts)
    order = sorted(range(len(prompts)), key=lambda row: len(prompts[row]))
    scores = np.zeros((len(prompts), len(labels)))
    done = 0
    for batch in _batches(decoder, order, [len(p) - prefix.length for p in prompts], len(trie.tokens)):
        rows = [prompts[row][prefix.length :] for row in batch]
        scores[batch] = _score_batch(decoder, rows, trie, prefix)
        done += len(batch)
        progress(done, len(prompts))
    return scores


def _batches(decoder: Decoder, order: list[int], lengths: list[int], nodes: int) -> list[list[int]]:
    """Rows in order of length, as many at a time as tokens and logits allow."""
    vocabulary = int(decoder.model.config.get_text_config().vocab_size)
    by_logits = max(1, LOGITS_PER_BATCH // ((nodes + 1) * vocabulary))
    tokens = TOKENS_PER_BATCH.get(decoder.device.type, 1024)
    batches: list[list[int]] = []
    for row in order:
        rows_so_far = len(batches[-1]) if batches else 0
        fits = (rows_so_far + 1) * (lengths[row] + nodes) <= tokens and rows_so_far < by_logits
        if batches and fits:
            batches[-1].append(row)
        else:
            batches.append([row])
    return batches


def _score_batch(decoder: Decoder, rows: Sequence[Sequence[int]], trie: LabelTrie, prefix: Prefix) -> Scores:
    """One forward pass over [left-padded prompt | trie] for a few rows."""
    size, nodes = len(rows), len(trie.tokens)
    tokens, depths, real = left_padded(rows)
    width = tokens.shape[1]
    lengths = torch.tensor([[len(row)] for row in rows])
    seen = torch.zeros((size, width + nodes, width + nodes), dtype=torch.bool)
    seen[:, :width, :width] = causal(real)
    seen[:, width:, :width] = real.unsqueeze(1)
    seen[:, width:, width:] = torch.from_numpy(trie.ancestors)
    with without_head(decoder.model) if slices_head(decoder) else nullcontext() as head:
        states = Continuation(decoder, prefix, size).run(
            torch.cat([tokens, torch.tensor([trie.tokens] * size, dtype=torch.long)], 1),
            torch.cat([depths, lengths + torch.tensor(trie.depth, dtype=torch.long)], 1),
            seen,
            keep=torch.arange(width - 1, width + nodes),
        )
    return _read_off(states, trie, head)


def _read_off(states: torch.Tensor, trie: LabelTrie, head: torch.nn.Linear | None) -> Scores:
    """Sums each label's steps.

    Args:
        states: what the head reads, or without a head the logits, shape [B, 1 + M, H or V]; position 0 is the
            prompt's end.
        trie: the labels.
        head: turns states into logits; a few positions at a time for the normaliser, and only the labels' own
            tokens for the rest.
    """
    source = torch.tensor([1 + at for steps in trie.steps for at, _ in steps], device=states.device)
    token = torch.tensor([token for steps in trie.steps for _, token in steps], device=states.device)
    if head is None:
        whole, chosen = states.logsumexp(-1), states[:, source, token]
    else:
        states = states.to(head.weight.dtype)
        rows = max(1, LOGITS_AT_A_TIME // head.weight.shape[0])
        pieces = torch.split(states.flatten(0, 1), rows)
        whole = torch.cat([_logits(part, head).logsumexp(-1) for part in pieces]).view(states.shape[:2])
        chosen = (states[:, source].float() * head.weight[token].float()).sum(-1)
        if head.bias is not None:
            chosen += head.bias[token].float()
    steps = (chosen.double() - whole[:, source].double()).cpu().numpy()
    ends = np.cumsum([len(steps) for steps in trie.steps])[:-1]
    return np.stack([part.sum(-1) for part in np.split(steps, ends, axis=1)], axis=1)


def _logits(states: torch.Tensor, head: torch.nn.Linear) -> torch.Tensor:
    logits: torch.Tensor = head(states)
    return logits.float()


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
