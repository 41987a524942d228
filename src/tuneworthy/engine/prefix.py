"""What prompts share at their beginning is computed once; rows go on from there as a batch.

Where the attention is ours every row reads the one key/value cache of the prefix and owns only what follows;
elsewhere the cache is repeated for each row: the same numbers, more memory.
"""

import copy
from collections.abc import Sequence
from typing import Any

import torch

from tuneworthy.engine.encoding import shared_prefix
from tuneworthy.models.decoder import Decoder, new_cache
from tuneworthy.models.tree_attention import additive, prefix_mask


class Prefix:
    """The tokens that all prompts begin with, and their cache; empty when there is one prompt only."""

    def __init__(self, decoder: Decoder, prompts: Sequence[Sequence[int]]) -> None:
        self.length = shared_prefix(prompts) if len(prompts) > 1 else 0
        self.cache: Any = None
        if self.length:
            tokens = torch.tensor([list(prompts[0][: self.length])], device=decoder.device)
            self.cache = decoder.model(input_ids=tokens, use_cache=True, logits_to_keep=1).past_key_values


class Continuation:
    """A batch of rows after a prefix; each `run` adds tokens to every row."""

    def __init__(self, decoder: Decoder, prefix: Prefix, rows: int) -> None:
        self._decoder, self._prefix = decoder, prefix
        self._shared = prefix.cache is not None and decoder.shares_prefix
        if prefix.cache is None or self._shared:
            self._own = new_cache(decoder)
        else:
            self._own = copy.deepcopy(prefix.cache)
            self._own.batch_repeat_interleave(rows)

    def run(
        self, tokens: torch.Tensor, depths: torch.Tensor, seen: torch.Tensor, keep: torch.Tensor
    ) -> torch.Tensor:
        """Logits in float32, shape [B, kept, V].

        Args:
            tokens: token ids, shape [B, n].
            depths: their positions after the prefix, shape [B, n].
            seen: which of the row's own tokens, former and new, each new one attends to, shape
                [B, n, former + n]; the prefix is always seen.
            keep: which of the n positions get logits.
        """
        decoder, where = self._decoder, self._decoder.device
        if self._shared:
            mask = prefix_mask(seen, decoder.model.dtype, where, self._prefix.cache)
        else:
            before = torch.ones((*seen.shape[:2], self._prefix.length), dtype=torch.bool)
            mask = additive(torch.cat([before, seen], -1), decoder.model.dtype, where)
        logits: torch.Tensor = decoder.model(
            input_ids=tokens.to(where),
            position_ids=(depths + self._prefix.length).to(where),
            attention_mask=mask,
            past_key_values=self._own,
            use_cache=True,
            logits_to_keep=keep.to(where),
        ).logits
        return logits.float()

    def select(self, rows: Sequence[int]) -> None:
        """Goes on with these rows only."""
        self._own.batch_select_indices(torch.tensor(list(rows), device=self._decoder.device))


def left_padded(rows: Sequence[Sequence[int]]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Tokens and depths [B, width] of rows that end together, and which of them are real."""
    width = max(map(len, rows))
    tokens = torch.zeros((len(rows), width), dtype=torch.long)
    depths = torch.zeros((len(rows), width), dtype=torch.long)
    real = torch.zeros((len(rows), width), dtype=torch.bool)
    for i, row in enumerate(rows):
        tokens[i, width - len(row) :] = torch.tensor(list(row))
        depths[i, width - len(row) :] = torch.arange(len(row))
        real[i, width - len(row) :] = True
    return tokens, depths, real


def causal(real: torch.Tensor) -> torch.Tensor:
    """What each token of left-padded rows sees: the real ones up to itself, shape [B, width, width]."""
    width = real.shape[1]
    return real.unsqueeze(1) & torch.ones((width, width), dtype=torch.bool).tril()
