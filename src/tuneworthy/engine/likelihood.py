"""The log-likelihood of each of many answers, every token that they share computed once.

The rows are packed as for training (`packing`), without gradients, and the output head runs a few positions
at a time. Each prompt may have answers of its own; the labels of `scoring` are those of all prompts.
"""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from tuneworthy.engine.batches import micro_batches
from tuneworthy.engine.encoding import EncodedRow
from tuneworthy.engine.head import slices_head, without_head
from tuneworthy.engine.loss import WIDTH_MULTIPLE
from tuneworthy.engine.packing import in_order, pack
from tuneworthy.models.decoder import Decoder
from tuneworthy.models.padded import padded_batches
from tuneworthy.models.tree_attention import tree_mask

TOKENS_PER_PASS = 1024  # on a CPU: activations stay in the allocator's small pages
TOKENS_PER_PADDED_PASS = 256  # there all logits are in memory
LOGITS_AT_A_TIME = 6_000_000  # float32 values of a slice of the head: 24 MB


@torch.inference_mode()
def log_likelihoods(decoder: Decoder, rows: Sequence[EncodedRow]) -> NDArray[np.float64]:
    """log p(answer | prompt) of each row in nats, shape [rows].

    Args:
        decoder: the model, with or without an adapter.
        rows: each with a prompt and an answer of at least one token.
    """
    found = np.zeros(len(rows))
    if not decoder.full_attention_only:
        _padded(decoder, rows, found)
        return found
    place = {id(row): at for at, row in enumerate(rows)}
    for piece in micro_batches(rows, TOKENS_PER_PASS, packed=True):
        tokens = _packed(decoder, piece)
        ordered = in_order(piece)
        ends = np.cumsum([len(row.answer) for row in ordered])[:-1]
        for row, part in zip(ordered, np.split(tokens, ends), strict=True):
            found[place[id(row)]] = part.sum()
    return found


def _packed(decoder: Decoder, rows: Sequence[EncodedRow]) -> NDArray[np.float64]:
    """log p of every supervised token of the rows' token tree, shape [S]."""
    tree = pack(rows, WIDTH_MULTIPLE, decoder.tokenizer.eos_token_id)
    where = decoder.device
    inputs = {
        "input_ids": tree.tokens.unsqueeze(0).to(where),
        "attention_mask": tree_mask(tree.allowed, decoder.model.dtype, where),
        "position_ids": tree.positions.unsqueeze(0).to(where),
        "logits_to_keep": tree.sources.to(where),
        "use_cache": False,
    }
    targets = tree.targets.to(where)[:, None]
    if not slices_head(decoder):
        logits = decoder.model(**inputs).logits[0].float()
        return _read(logits, targets)
    with without_head(decoder.model) as head:
        hidden = decoder.model(**inputs).logits[0].to(head.weight.dtype)
    at_a_time = max(1, LOGITS_AT_A_TIME // head.weight.shape[0])
    parts = zip(torch.split(hidden, at_a_time), torch.split(targets, at_a_time), strict=True)
    return np.concatenate([_read(head(states).float(), wanted) for states, wanted in parts])


def _read(logits: torch.Tensor, targets: torch.Tensor) -> NDArray[np.float64]:
    """log p of the targets [S, 1] by the logits [S, V], shape [S]."""
    found = logits.gather(1, targets)[:, 0].double() - logits.logsumexp(-1).double()
    return np.asarray(found.cpu().numpy())


def _padded(decoder: Decoder, rows: Sequence[EncodedRow], found: NDArray[np.float64]) -> None:
    """The reference, and the way of architectures without plain full attention: a padded row each."""
    ids = [[*row.prompt, *row.answer] for row in rows]
    filler = decoder.tokenizer.eos_token_id
    for batch in padded_batches(ids, filler, decoder.device, most=TOKENS_PER_PADDED_PASS):
        logits = decoder.model(input_ids=batch.tokens, attention_mask=batch.mask, use_cache=False).logits
        for at, row in enumerate(batch.rows):
            start, end = len(rows[row].prompt), rows[row].length
            wanted = batch.tokens[at, start:end, None]
            found[row] = _read(logits[at, start - 1 : end - 1].float(), wanted).sum()
