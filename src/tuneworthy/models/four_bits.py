"""Packing a model's linear layers in four bits, through bitsandbytes."""

from importlib.util import find_spec
from typing import Any

import torch

from tuneworthy.core.errors import ModelError


def has_four_bits() -> bool:
    """Whether bitsandbytes is installed."""
    return find_spec("bitsandbytes") is not None


def four_bits(dtype: torch.dtype, where: torch.device) -> dict[str, Any]:
    """What `from_pretrained` needs to pack a model on the way to its device; multiplies in `dtype`.

    NF4, double quantisation (Dettmers et al. 2023, arXiv:2305.14314).

    Raises:
        ModelError: bitsandbytes is not installed.
    """
    if not has_four_bits():
        raise ModelError("a base model in four bits needs bitsandbytes: pip install 'tuneworthy[qlora]'.")
    from transformers import BitsAndBytesConfig

    packing = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=dtype,
    )
    return {"quantization_config": packing, "device_map": {"": where}}
