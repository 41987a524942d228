"""Texts with gaps, from which an encoder learns a language (Devlin et al. 2019)."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from tuneworthy.engine.reader import IGNORED, ReadRow
from tuneworthy.models.headed import HeadedEncoder

HIDDEN, AS_MASK, AS_OTHER = 0.15, 0.8, 0.1  # share of the tokens to guess; of those the mask, another token


def with_gaps(
    encoder: HeadedEncoder, rows: Sequence[ReadRow], copies: int, rng: np.random.Generator
) -> list[ReadRow]:
    """Each row so many times, every time with other gaps; at least one a row.

    Of 15% of the tokens 80% become the mask, 10% another token and 10% stay, and the head should say what
    they were. Every copy is a row of its own, as in the paper, so that a gap does not depend on the order of
    training. A row of special tokens alone has nothing to guess and is left out.
    """
    special = set(encoder.tokenizer.all_special_ids)
    words = [[place for place, token in enumerate(row.tokens) if token not in special] for row in rows]
    return [
        _with_gaps(encoder, row, places, rng)
        for _ in range(copies)
        for row, places in zip(rows, words, strict=True)
        if places
    ]


def _with_gaps(
    encoder: HeadedEncoder, row: ReadRow, words: Sequence[int], rng: np.random.Generator
) -> ReadRow:
    tokens, wanted = list(row.tokens), [IGNORED] * row.length
    for place in rng.choice(words, max(1, round(HIDDEN * len(words))), replace=False):
        wanted[place] = tokens[place]
        drawn = rng.random()
        if drawn < AS_MASK:
            tokens[place] = encoder.tokenizer.mask_token_id
        elif drawn < AS_MASK + AS_OTHER:
            tokens[place] = int(rng.integers(len(encoder.tokenizer)))
    return replace(row, tokens=tuple(tokens), wanted=tuple(wanted))
