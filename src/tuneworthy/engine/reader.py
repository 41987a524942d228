"""`Reader`: an encoder with a head that learns to label what it reads, and the logits it gives afterwards."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

from tuneworthy.engine.batches import padded_pieces
from tuneworthy.engine.head import without_head
from tuneworthy.engine.precision import multiplied_in
from tuneworthy.models.headed import Head, HeadedEncoder
from tuneworthy.models.padded import alike

IGNORED = -100  # a token that no label is asked for
ALIKE, WORTH_A_PASS = 1.3, 128  # lengths that may share a pass; tokens that fill one whatever their lengths


@dataclass(frozen=True, slots=True)
class ReadRow:
    """One text, or one window of it.

    Attributes:
        example_id: the row it belongs to.
        tokens: its token ids, special tokens included.
        wanted: what the head should say: one label; a flag (0 or 1) for each label; a label, or the token
            that a mask hides, for each token, `IGNORED` for none; or the positions of a span's first and last
            token. Empty when it is only read.
    """

    example_id: str
    tokens: tuple[int, ...]
    wanted: tuple[int, ...] = ()

    @property
    def length(self) -> int:
        """Tokens in all."""
        return len(self.tokens)


@dataclass(frozen=True, slots=True)
class Reader:
    """A trainee: cross entropy of a text's label or several, of tokens' labels, of gaps, or of span ends."""

    encoder: HeadedEncoder
    head: Head
    method: str
    mixed: str | None = None  # what its float32 weights are multiplied in, where it is not float32

    @property
    def model(self) -> Any:
        """The transformers model, all of it trainable."""
        return self.encoder.model

    @property
    def device(self) -> torch.device:
        """Where it computes."""
        return self.encoder.device

    def pieces(self, batch: Sequence[ReadRow], tokens: int) -> list[list[ReadRow]]:
        """Rows of like length stand together, so that little is padding."""
        return padded_pieces(batch, tokens, ALIKE, WORTH_A_PASS)

    def loss(self, piece: Sequence[ReadRow]) -> torch.Tensor:
        """Cross entropy summed over what is supervised, in float32."""
        if self.head == "masked":
            return self._gaps(piece)
        with multiplied_in(self.mixed, self.model, self.device):
            found = self.model(**padded(self.encoder, piece))
        if self.head == "span":
            ends = torch.tensor([row.wanted for row in piece], device=self.device)
            return cross_entropy(found.start_logits.float(), ends[:, 0], reduction="sum") + cross_entropy(
                found.end_logits.float(), ends[:, 1], reduction="sum"
            )
        logits = found.logits.float()
        if self.head == "sequence":
            labels = torch.tensor([row.wanted[0] for row in piece], device=self.device)
            return cross_entropy(logits, labels, reduction="sum")
        if self.head == "labels":
            flags = torch.tensor([row.wanted for row in piece], device=self.device, dtype=logits.dtype)
            return binary_cross_entropy_with_logits(logits, flags, reduction="sum")
        wanted = self._wanted(piece)
        return cross_entropy(logits.flatten(0, 1), wanted.flatten(), reduction="sum")

    def _wanted(self, piece: Sequence[ReadRow]) -> torch.Tensor:
        """What is wanted of each token, [rows, longest]."""
        wanted = torch.full((len(piece), max(row.length for row in piece)), IGNORED)
        for i, row in enumerate(piece):
            wanted[i, : len(row.wanted)] = torch.tensor(row.wanted)
        return wanted.to(self.device)

    def _gaps(self, piece: Sequence[ReadRow]) -> torch.Tensor:
        """Of the hidden tokens; the vocabulary's logits are computed at gaps and nowhere else."""
        wanted = self._wanted(piece)
        gaps = wanted != IGNORED
        with multiplied_in(self.mixed, self.model, self.device):
            with without_head(self.model) as head:
                hidden = self.model(**padded(self.encoder, piece)).logits[gaps]
            logits = head(hidden)
        return cross_entropy(logits.float(), wanted[gaps], reduction="sum")

    def supervised(self, batch: Sequence[ReadRow]) -> int:
        """Labels, flags, tagged tokens or span ends."""
        return max(1, sum(sum(one != IGNORED for one in row.wanted) for row in batch))


def padded(encoder: HeadedEncoder, rows: Sequence[ReadRow]) -> dict[str, torch.Tensor]:
    """Token ids and attention mask, each [rows, longest]."""
    longest = max(row.length for row in rows)
    tokens = torch.full((len(rows), longest), encoder.tokenizer.pad_token_id or 0)
    mask = torch.zeros((len(rows), longest), dtype=torch.long)
    for i, row in enumerate(rows):
        tokens[i, : row.length] = torch.tensor(row.tokens)
        mask[i, : row.length] = 1
    return {"input_ids": tokens.to(encoder.device), "attention_mask": mask.to(encoder.device)}


@torch.inference_mode()
def read(
    encoder: HeadedEncoder,
    rows: Sequence[ReadRow],
    head: Head,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> list[NDArray[np.float64]]:
    """Logits of each row: [labels], [tokens, labels], or [2, tokens] of starts and ends."""
    encoder.model.eval()
    found: list[NDArray[np.float64]] = [np.zeros(0)] * len(rows)
    done = 0
    for batch in alike([row.length for row in rows], encoder.device):
        given = encoder.model(**padded(encoder, [rows[i] for i in batch]))
        spans = head == "span"
        logits = torch.stack([given.start_logits, given.end_logits], 1) if spans else given.logits
        for whole, i in zip(logits.double().cpu().numpy(), batch, strict=True):
            tokens = rows[i].length
            found[i] = whole[:, :tokens] if spans else whole[:tokens] if head == "token" else whole
        done += len(batch)
        progress(done, len(rows))
    return found
