"""Keys and values of single tokens, each kept once and read by whoever needs them.

An ordinary cache grows by a column for every row of its batch. Here every token has a place of its own, a row
of a forward pass says which places it sees, and places are used again when nobody needs them. So rows of
different lengths, and rows that begin alike, go through one pass without padding or copies that stay.
"""

from collections.abc import Sequence
from typing import Any

import torch

from tuneworthy.engine.prefix import Prefix
from tuneworthy.models.decoder import Decoder
from tuneworthy.models.tree_attention import additive, prefix_mask


class TokenStore:
    """The tokens of many rows after one prefix."""

    def __init__(self, decoder: Decoder, prefix: Prefix) -> None:
        self._decoder, self._prefix = decoder, prefix
        self._shared = prefix.cache is not None and decoder.shares_prefix
        self._cache = _Places()
        self._free: list[int] = []
        self._size = 0
        self._before: list[int] = []
        if prefix.cache is not None and not self._shared:  # then the prefix is one more thing to read
            self._before = self.take(prefix.length)
            self._cache.write = torch.tensor(self._before)
            for number, layer in enumerate(prefix.cache.layers):
                self._cache.put(layer.keys, layer.values, number, self._size)

    def take(self, count: int) -> list[int]:
        """Places for `count` new tokens."""
        reused = [self._free.pop() for _ in range(min(count, len(self._free)))]
        fresh = range(self._size, self._size + count - len(reused))
        self._size += len(fresh)
        return [*reused, *fresh]

    def give_back(self, places: Sequence[int]) -> None:
        """These tokens are needed no more."""
        self._free.extend(places)

    def run(
        self,
        tokens: torch.Tensor,
        depths: torch.Tensor,
        write: torch.Tensor,
        read: torch.Tensor,
        seen: torch.Tensor,
        keep: torch.Tensor,
    ) -> torch.Tensor:
        """Logits in float32, shape [B, kept, V].

        Args:
            tokens: token ids, shape [B, n].
            depths: their positions after the prefix, shape [B, n].
            write: where they are to be kept, shape [B, n].
            read: the places that each row reads, its new ones included, shape [B, W].
            seen: which of those each token attends to, shape [B, n, W]; the prefix is always seen.
            keep: which of the n positions get logits.
        """
        decoder, where = self._decoder, self._decoder.device
        if self._shared:
            mask = prefix_mask(seen, decoder.model.dtype, where, self._prefix.cache)
        else:
            read = torch.cat([torch.tensor([self._before] * len(read), dtype=torch.long), read], 1)
            before = torch.ones((*seen.shape[:2], len(self._before)), dtype=torch.bool)
            mask = additive(torch.cat([before, seen], -1), decoder.model.dtype, where)
        self._cache.write, self._cache.read = write.flatten().to(where), read.to(where)
        self._cache.size = self._size
        logits: torch.Tensor = decoder.model(
            input_ids=tokens.to(where),
            position_ids=(depths + self._prefix.length).to(where),
            attention_mask=mask,
            past_key_values=self._cache,
            use_cache=True,
            logits_to_keep=keep.to(where),
        ).logits
        return logits.float()


class _Places:
    """What transformers' models ask of a cache: store these, and give me what the pass reads."""

    is_compileable = False

    def __init__(self) -> None:
        self.write = self.read = torch.zeros(0, dtype=torch.long)
        self.size = 0
        self._layers: dict[int, tuple[torch.Tensor, torch.Tensor]] = {}
        self._rows: tuple[torch.Tensor, torch.Tensor] | None = None  # `read`, and the rows it means

    def update(
        self, keys: torch.Tensor, values: torch.Tensor, layer: int, *_: Any, **__: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Stores [B, groups, n, size] of both and returns those that are read, [B, groups, W, size]."""
        kept_keys, kept_values = self.put(keys, values, layer, self.size)
        groups, size = keys.shape[1], keys.shape[3]
        if self._rows is None or self._rows[0] is not self.read:
            group = torch.arange(groups, device=self.read.device)[:, None]
            self._rows = self.read, (self.read[:, None] * groups + group).flatten()
        shape = (len(self.read), groups, -1, size)
        return tuple(  # type: ignore[return-value]
            kept.view(-1, size).index_select(0, self._rows[1]).view(shape)
            for kept in (kept_keys, kept_values)
        )

    def put(
        self, keys: torch.Tensor, values: torch.Tensor, layer: int, size: int
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Stores both at the places `write`, and returns what is stored of this layer."""
        flat = [part.transpose(1, 2).reshape(-1, part.shape[1], part.shape[3]) for part in (keys, values)]
        kept = self._layers.get(layer) or (flat[0].new_empty(0, *flat[0].shape[1:]),) * 2
        if len(kept[0]) < size:
            kept = _grown(kept[0], size), _grown(kept[1], size)
            self._layers[layer] = kept
        for stored, part in zip(kept, flat, strict=True):
            stored.index_copy_(0, self.write, part)
        return kept

    def get_seq_length(self, layer: int = 0) -> int:
        """Positions are given with each pass; nothing is derived from the length."""
        return 0


def _grown(stored: torch.Tensor, size: int) -> torch.Tensor:
    """A copy with at least `size` places; twice as many as before, so that growing stays cheap."""
    grown = stored.new_zeros(max(size, 2 * len(stored)), *stored.shape[1:])
    grown[: len(stored)] = stored
    return grown
