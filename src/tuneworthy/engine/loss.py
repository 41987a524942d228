"""The supervised loss of a few rows: summed cross-entropy over answers and stop tokens only.

What the rows share at their beginning (system turn, instruction, label list) is computed once: all rows stand
in one sequence, `[prefix][row 1][row 2]...`, positions restart after the prefix, and a row attends to the
prefix and to itself only. That is exact, and with a long instruction several times fewer tokens than one
padded row each, which remains as the reference and for architectures without plain full attention.
"""

from collections.abc import Sequence

import torch

from tuneworthy.engine.encoding import EncodedRow, shared_prefix
from tuneworthy.models.decoder import Decoder

IGNORE = -100
WIDTH_MULTIPLE = 32  # few distinct shapes: matrix kernels are generated once per shape


def supervised_loss(decoder: Decoder, rows: Sequence[EncodedRow]) -> torch.Tensor:
    """Summed cross-entropy in nats, packed where the architecture allows it."""
    return packed_loss(decoder, rows) if decoder.full_attention_only else padded_loss(decoder, rows)


def packed_loss(decoder: Decoder, rows: Sequence[EncodedRow]) -> torch.Tensor:
    """One sequence with the shared prefix once; the output head runs at supervised positions only."""
    prefix = shared_prefix([row.prompt for row in rows]) if len(rows) > 1 else 0
    length = prefix + sum(row.length - prefix for row in rows)
    width = _rounded(length)
    tokens = torch.full((width,), decoder.tokenizer.eos_token_id)
    positions = torch.zeros(width, dtype=torch.long)
    allowed = torch.zeros((width, width), dtype=torch.bool)
    tokens[:prefix] = torch.tensor(rows[0].prompt[:prefix])
    positions[:prefix] = torch.arange(prefix)
    allowed[:prefix, :prefix] = torch.ones((prefix, prefix), dtype=torch.bool).tril()
    sources: list[int] = []
    targets: list[int] = []
    start = prefix
    for row in rows:
        own = [*row.prompt[prefix:], *row.answer]
        end = start + len(own)
        tokens[start:end] = torch.tensor(own)
        positions[start:end] = torch.arange(prefix, prefix + len(own))
        allowed[start:end, :prefix] = True
        allowed[start:end, start:end] = torch.ones((len(own), len(own)), dtype=torch.bool).tril()
        sources += range(end - len(row.answer) - 1, end - 1)
        targets += row.answer
        start = end
    mask = torch.zeros((width, width), dtype=decoder.model.dtype)
    mask.masked_fill_(~allowed, torch.finfo(mask.dtype).min)
    where = decoder.device
    logits = decoder.model(
        input_ids=tokens.unsqueeze(0).to(where),
        attention_mask=mask[None, None].to(where),
        position_ids=positions.unsqueeze(0).to(where),
        use_cache=False,
        logits_to_keep=torch.tensor(sources, device=where),
    ).logits[0]
    return torch.nn.functional.cross_entropy(
        logits.float(), torch.tensor(targets, device=where), reduction="sum"
    )


def padded_loss(decoder: Decoder, rows: Sequence[EncodedRow]) -> torch.Tensor:
    """One row per example, padded on the left, so that answers end together and the head runs on the last
    positions only.
    """
    width = _rounded(max(row.length for row in rows))
    kept = max(len(row.answer) for row in rows)
    tokens = torch.full((len(rows), width), decoder.tokenizer.eos_token_id)
    mask = torch.zeros((len(rows), width), dtype=torch.long)
    targets = torch.full((len(rows), kept), IGNORE)
    for i, row in enumerate(rows):
        tokens[i, width - row.length :] = torch.tensor([*row.prompt, *row.answer])
        mask[i, width - row.length :] = 1
        targets[i, kept - len(row.answer) :] = torch.tensor(row.answer)
    positions = (mask.cumsum(-1) - 1).clamp(min=0)
    where = decoder.device
    logits = decoder.model(
        input_ids=tokens.to(where),
        attention_mask=mask.to(where),
        position_ids=positions.to(where),
        use_cache=False,
        logits_to_keep=kept + 1,
    ).logits[:, :-1]
    return torch.nn.functional.cross_entropy(
        logits.float().flatten(0, 1), targets.to(where).flatten(), ignore_index=IGNORE, reduction="sum"
    )


def _rounded(width: int) -> int:
    return -(-width // WIDTH_MULTIPLE) * WIDTH_MULTIPLE
