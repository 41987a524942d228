"""How many tokens texts have for a model; only its tokenizer is loaded."""

from collections.abc import Sequence
from pathlib import Path

from tuneworthy.models.quiet import quiet


def count_tokens(folder: Path, texts: Sequence[str]) -> list[int]:
    """Tokens of each text, special ones not counted."""
    quiet()
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    return [len(ids) for ids in tokenizer(list(texts), add_special_tokens=False)["input_ids"]]
