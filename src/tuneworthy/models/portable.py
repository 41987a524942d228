"""Language models as ordinary folders: an adapter with its words, or a whole model with the adapter in it."""

import json
import shutil
from pathlib import Path
from typing import Any

import torch

from tuneworthy.core.errors import ModelError
from tuneworthy.models.decoder import PLAIN_TEMPLATE, Decoder
from tuneworthy.models.quiet import quiet
from tuneworthy.models.strangers import AS_DATA, WEIGHTS

SIXTEEN_BITS = ("bfloat16", "float16")


def speaking(folder: Path) -> Decoder:
    """A decoder without its weights: it renders and encodes, and can do nothing else."""
    quiet()
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder, **AS_DATA)
    if tokenizer.chat_template is None:
        tokenizer.chat_template = PLAIN_TEMPLATE
    return Decoder(model=None, tokenizer=tokenizer, folder=folder, device=torch.device("cpu"))


def sixteen_bits(base: Path) -> str:
    """The 16-bit type that a model is kept in: its own, or bfloat16 where it has 32 bits."""
    config = json.loads((base / "config.json").read_text(encoding="utf-8"))
    own = str(config.get("dtype") or config.get("torch_dtype") or "")
    return own if own in SIXTEEN_BITS else "bfloat16"


def save_words(speaker: Decoder, stop: int, folder: Path) -> None:
    """Tokenizer with its chat template, and a generation configuration: greedy, ended by `stop`.

    A base model's own configuration may end texts with another token than the one that was trained, or ask
    for random draws: then a model that was good in training never stops.
    """
    from transformers import GenerationConfig

    tokenizer = speaker.tokenizer
    tokenizer.save_pretrained(folder)
    stops = sorted({stop, tokenizer.eos_token_id})
    pad = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else stop
    GenerationConfig(
        bos_token_id=tokenizer.bos_token_id, eos_token_id=stops, pad_token_id=pad, do_sample=False
    ).save_pretrained(folder)


def save_portable_adapter(adapter: Path, base: str, folder: Path) -> None:
    """The adapter's weights and its configuration, which names `base` as what it is for."""
    config = json.loads((adapter / "adapter_config.json").read_text(encoding="utf-8"))
    config["base_model_name_or_path"] = base
    config["inference_mode"] = True
    (folder / "adapter_config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    shutil.copyfile(adapter / "adapter_model.safetensors", folder / "adapter_model.safetensors")


def merged_model(base: Path, adapter: Path | None, dtype: str = "float32") -> Any:
    """The base with the adapter added to its weights: added in float32, then rounded once.

    The base is loaded as it is stored, in 16 or 32 bits, whatever the adapter was trained on: four bits hold
    no sum exactly.

    Raises:
        ModelError: the folder holds no causal language model that can be loaded.
    """
    quiet()
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    try:
        model = AutoModelForCausalLM.from_pretrained(base, **WEIGHTS, dtype=torch.float32)
    except (OSError, ValueError, KeyError) as error:
        raise ModelError(f"{base} cannot be loaded as a causal language model: {error}") from error
    if adapter is not None:
        model = PeftModel.from_pretrained(model, str(adapter)).merge_and_unload()
    return model.to(getattr(torch, dtype)).eval()


def save_whole(base: Path, adapter: Path | None, dtype: str, folder: Path) -> None:
    """The merged model's weights and configuration in `dtype`, safetensors; `save_words` adds the rest."""
    model = merged_model(base, adapter, dtype)
    model.config.dtype = getattr(torch, dtype)
    model.save_pretrained(folder)


def different_weights(base: Path, adapter: Path | None, folder: Path, most: float = 0.02) -> list[str]:
    """The tensors of a saved model that are not the merged ones: by name, with the relative distance.

    Args:
        base, adapter: what was merged.
        folder: of the saved model.
        most: relative distance that 16 bits explain, of a tensor's norm.
    """
    from transformers import AutoModelForCausalLM

    wanted = merged_model(base, adapter).state_dict()
    held = AutoModelForCausalLM.from_pretrained(folder, **WEIGHTS, dtype=torch.float32).state_dict()
    found = []
    for name, weight in wanted.items():
        other = held.get(name)
        if other is None or other.shape != weight.shape:
            found.append(f"{name} is missing or of another shape")
        elif not bool(other.any()) and bool(weight.any()):
            found.append(f"{name} is all zeros")
        elif (away := float((other - weight).norm() / weight.norm().clamp(min=1e-12))) > most:
            found.append(f"{name} differs by {away:.0%} of its size")
    return found
