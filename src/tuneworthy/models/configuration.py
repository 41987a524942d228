"""What a model's configuration says, read without its weights."""

from pathlib import Path

from tuneworthy.models.quiet import quiet
from tuneworthy.models.strangers import AS_DATA


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
    return int(getattr(config.get_text_config(), "max_position_embeddings", 2048))
