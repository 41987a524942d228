"""`Trainee`: what the training loop trains, and how a batch becomes a loss; `Writer`: a decoder."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch

from tuneworthy.engine.batches import R, micro_batches
from tuneworthy.engine.encoding import EncodedRow
from tuneworthy.engine.loss import supervised_loss
from tuneworthy.engine.precision import multiplied_in
from tuneworthy.models.decoder import Decoder


class Trainee(Protocol[R]):
    """A model under training.

    Attributes:
        model: the module whose parameters with `requires_grad` are trained.
        device: where it computes.
        method: the section of a job that has its settings, for messages.
    """

    @property
    def model(self) -> Any: ...
    @property
    def device(self) -> torch.device: ...
    @property
    def method(self) -> str: ...

    def pieces(self, batch: Sequence[R], tokens: int) -> list[list[R]]:
        """The batch cut into forward passes of at most `tokens` computed tokens; a longer row is alone."""

    def loss(self, piece: Sequence[R]) -> torch.Tensor:
        """The loss summed over what is supervised in the piece, a scalar with a graph."""

    def supervised(self, batch: Sequence[R]) -> int:
        """How much is supervised in the batch: the loss is divided by it."""


@torch.no_grad()
def mean_loss(trainee: Trainee[R], rows: Sequence[R], tokens: int) -> float:
    """The loss over what is supervised in the rows, in nats, by a model that is not training now.

    Args:
        trainee: the model, and how a batch becomes a loss.
        rows: encoded rows.
        tokens: bound of one forward pass.
    """
    trainee.model.eval()
    losses = [float(trainee.loss(piece)) for piece in trainee.pieces(rows, tokens)]
    return sum(losses) / trainee.supervised(rows)


@dataclass(frozen=True, slots=True)
class Writer:
    """A decoder that learns to write answers: every token of an answer and its stop token are supervised."""

    decoder: Decoder
    method: str = "lora"
    mixed: str | None = None  # what float32 weights are multiplied in, where it is not float32

    @property
    def model(self) -> Any:
        """The transformers model, with its adapter where it has one."""
        return self.decoder.model

    @property
    def device(self) -> torch.device:
        """Where it computes."""
        return self.decoder.device

    def pieces(self, batch: Sequence[EncodedRow], tokens: int) -> list[list[EncodedRow]]:
        """Rows that share their beginning stand together; what they share is computed once."""
        return micro_batches(batch, tokens, packed=self.decoder.full_attention_only)

    def loss(self, piece: Sequence[EncodedRow]) -> torch.Tensor:
        """Cross entropy summed over the answers' tokens."""
        with multiplied_in(self.mixed, self.model, self.device):
            return supervised_loss(self.decoder, piece)

    def supervised(self, batch: Sequence[EncodedRow]) -> int:
        """Tokens of the answers."""
        return sum(len(row.answer) for row in batch)
