"""The supervised loss of a few rows: summed cross-entropy over answers and stop tokens only.

What rows share at their beginning (system turn, instruction, label list) is computed once: `packing` lays
them out as one token tree. That is exact, and with a long instruction several times fewer tokens than one
padded row each, which remains as the reference and for architectures without plain full attention.
"""

from collections.abc import Sequence

import torch

from tuneworthy.engine.encoding import EncodedRow
from tuneworthy.engine.head import slices_head, summed_cross_entropy, without_head
from tuneworthy.engine.packing import TokenTree, pack
from tuneworthy.models.decoder import Decoder
from tuneworthy.models.tree_attention import tree_mask
from tuneworthy.models.tree_flex import flex_mask

IGNORE = -100
WIDTH_MULTIPLE = 32  # few distinct shapes: matrix kernels are generated once per shape


def supervised_loss(decoder: Decoder, rows: Sequence[EncodedRow]) -> torch.Tensor:
    """Summed cross-entropy in nats, packed where the architecture allows it."""
    return packed_loss(decoder, rows) if decoder.full_attention_only else padded_loss(decoder, rows)


def packed_loss(decoder: Decoder, rows: Sequence[EncodedRow]) -> torch.Tensor:
    """One sequence, the rows' token tree; the output head runs at supervised positions only."""
    tree = pack(rows, WIDTH_MULTIPLE, decoder.tokenizer.eos_token_id)
    where = decoder.device
    targets = tree.targets.to(where)
    inputs = {
        "input_ids": tree.tokens.unsqueeze(0).to(where),
        "attention_mask": _mask(decoder, tree),
        "position_ids": tree.positions.unsqueeze(0).to(where),
        "logits_to_keep": tree.sources.to(where),
        "use_cache": False,
    }
    if slices_head(decoder):
        with without_head(decoder.model) as head:
            hidden = decoder.model(**inputs).logits[0]
        return summed_cross_entropy(hidden, head, targets)
    logits = decoder.model(**inputs).logits[0]
    return torch.nn.functional.cross_entropy(logits.float(), targets, reduction="sum")


def _mask(decoder: Decoder, tree: TokenTree) -> torch.Tensor:
    if decoder.flex_attention:
        return flex_mask(tree.ends.to(decoder.device))
    kind = decoder.device.type
    mixed = torch.is_autocast_enabled(kind)  # the lowest float32 is minus infinity in bfloat16
    dtype = torch.get_autocast_dtype(kind) if mixed else decoder.model.dtype
    return tree_mask(tree.allowed, dtype, decoder.device)


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
