"""How many tokens texts have for a model; only its tokenizer is loaded."""

from collections.abc import Sequence
from pathlib import Path

import torch

from tuneworthy.core.errors import ModelError
from tuneworthy.models.decoder import PLAIN_TEMPLATE, Decoder
from tuneworthy.models.quiet import quiet
from tuneworthy.models.strangers import AS_DATA
from tuneworthy.models.token_rows import token_counts


def count_tokens(folder: Path, texts: Sequence[str]) -> list[int]:
    """Tokens of each text, special ones not counted."""
    quiet()
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder, **AS_DATA)
    return token_counts(tokenizer, texts)


def tokenizer_of(folder: Path) -> Decoder:
    """A decoder without its model: it renders and encodes, and computes nothing.

    Raises:
        ModelError: the folder has no tokenizer.
    """
    quiet()
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, **AS_DATA)
    except (OSError, ValueError, KeyError) as error:
        raise ModelError(f"{folder} has no tokenizer that can be read.") from error
    if tokenizer.chat_template is None:
        tokenizer.chat_template = PLAIN_TEMPLATE
    return Decoder(model=None, tokenizer=tokenizer, folder=folder, device=torch.device("cpu"))
