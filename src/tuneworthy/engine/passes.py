"""What one forward pass computes for some rows, without a model: tokens, attention pairs, logits.

The same layout as in training: the token tree of `packing`, cut into the blocks of `tree_blocks`.
"""

from collections.abc import Sequence

import torch

from tuneworthy.engine.encoding import EncodedRow
from tuneworthy.engine.loss import WIDTH_MULTIPLE
from tuneworthy.engine.packing import pack
from tuneworthy.models.tree_blocks import cut_blocks
from tuneworthy.models.way import Pass


def packed_pass(rows: Sequence[EncodedRow], pieces: int = 1, blocks: bool = True) -> Pass:
    """Rows that share what they have in common; without `blocks` no pair is kept, as on a GPU."""
    tree = pack(rows, WIDTH_MULTIPLE)
    sizes = [0]
    if blocks:
        allowed = tree.allowed
        nothing = torch.zeros(1).expand(allowed.shape)  # takes no memory: sizes alone are asked for
        sizes = [sheet.mask.numel() for sheet in cut_blocks(allowed, nothing).sheets]
    return Pass(
        tokens=len(tree.tokens),
        pairs=sum(sizes),
        widest=max(sizes),
        supervised=len(tree.targets),
        pieces=pieces,
    )


def padded_pass(lengths: Sequence[int], answer: int = 0, pieces: int = 1, multiple: int = 1) -> Pass:
    """Rows of their own, filled up to the longest; `answer` positions of each have a vocabulary's logits."""
    width = -(-max(lengths) // multiple) * multiple
    pairs = len(lengths) * width**2
    return Pass(
        tokens=len(lengths) * width,
        pairs=pairs,
        widest=pairs,
        supervised=len(lengths) * answer,
        pieces=pieces,
    )
