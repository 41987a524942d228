"""Many texts as token ids, in little memory."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

# A tokenizer's own record of a text (offsets, masks, pieces) takes some fifty times what its ids do, and it
# keeps those of a whole call: 10,000 texts of 200 tokens took 450 MiB at once, and 31 so, in the same time.
AT_A_TIME = 256

TokenRow = NDArray[np.int32]


def token_rows(tokenizer: Any, texts: Sequence[str], most: int | None = None) -> list[TokenRow]:
    """The ids of each text with the model's own special tokens, cut at `most`: arrays [tokens], int32."""
    cut = {} if most is None else {"truncation": True, "max_length": most}
    return [np.asarray(ids, dtype=np.int32) for ids in _each(tokenizer, texts, **cut)]


def token_counts(tokenizer: Any, texts: Sequence[str]) -> list[int]:
    """Tokens of each text, special ones not counted."""
    return [len(ids) for ids in _each(tokenizer, texts, add_special_tokens=False)]


def _each(tokenizer: Any, texts: Sequence[str], **options: Any) -> Iterator[list[int]]:
    for start in range(0, len(texts), AT_A_TIME):
        yield from tokenizer(list(texts[start : start + AT_A_TIME]), **options)["input_ids"]
