"""What a model's configuration says, read without its weights."""

import json
from pathlib import Path
from typing import Any

from tuneworthy.core.errors import ModelError
from tuneworthy.models.quiet import quiet
from tuneworthy.models.strangers import AS_DATA

COUNT_FROM = 2  # the first position of RoBERTa and its kin, which have as many fewer of them


def read_config(folder: Path) -> dict[str, Any]:
    """What stands in `config.json`; raises ModelError where it is no JSON object."""
    try:
        stored = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        stored = None
    if not isinstance(stored, dict):
        raise ModelError(
            f"{folder / 'config.json'} is no JSON object: fetch the model again, or mend the file."
        )
    return stored


def hidden_size(folder: Path) -> int:
    """Width of the residual stream."""
    quiet()
    from transformers import AutoConfig

    config = AutoConfig.from_pretrained(folder, **AS_DATA)
    return int(config.get_text_config().hidden_size)


def context_length(folder: Path) -> int:
    """Tokens that a causal language model reads and writes in all."""
    quiet()
    from transformers import AutoConfig

    config = AutoConfig.from_pretrained(folder, **AS_DATA)
    return _positions(config)


def readable_tokens(config: Any) -> int:
    """Tokens of a text, special ones included, that a model of this configuration reads at once."""
    return _positions(config) - COUNT_FROM


def _positions(config: Any) -> int:
    return int(getattr(config.get_text_config(), "max_position_embeddings", 2048))
