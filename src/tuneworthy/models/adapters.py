"""LoRA adapters by PEFT: put on, saved and loaded as ordinary PEFT folders."""

import json
import tempfile
from pathlib import Path

import torch

from tuneworthy.core.errors import ModelError
from tuneworthy.models.decoder import Decoder, load_decoder
from tuneworthy.models.lora_linear import quicken
from tuneworthy.models.packed_linear import pack_weights

UNORDERED = ("target_modules", "modules_to_save")


def add_lora(decoder: Decoder, rank: int, alpha: int, dropout: float, seed: int) -> None:
    """Puts fresh LoRA adapters on every linear layer but the output head, in place.

    Adapters are float32 whatever the base's precision; the base is frozen. B starts at zero, so the adapted
    model starts as the base model; A is drawn from `seed`.
    """
    from peft import LoraConfig, get_peft_model

    config = LoraConfig(
        r=rank,
        lora_alpha=alpha,
        lora_dropout=dropout,
        target_modules="all-linear",
        bias="none",
        task_type="CAUSAL_LM",
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        decoder.model = get_peft_model(decoder.model, config, autocast_adapter_dtype=True)
    quicken(decoder.model)


def save_adapter(decoder: Decoder, folder: Path) -> None:
    """Saves the adapter as a PEFT folder (safetensors)."""
    folder.mkdir(parents=True, exist_ok=True)
    decoder.model.save_pretrained(folder, save_embedding_layers=False)
    # PEFT writes the names of layers from a set, in an order that no two processes share.
    file = folder / "adapter_config.json"
    config = json.loads(file.read_text(encoding="utf-8"))
    ordered = {key: sorted(value) if key in UNORDERED and value else value for key, value in config.items()}
    file.write_text(json.dumps(ordered, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def load_adapter(decoder: Decoder, folder: Path, packed: bool = True) -> None:
    """Puts a saved adapter on a freshly loaded decoder, in place; it scores from then on, and trains no more.

    `packed` lays frozen weights out for the processor, see `packed_linear`; others cannot read them then.

    Raises:
        ModelError: the folder holds no PEFT adapter.
    """
    from peft import PeftModel

    if not (folder / "adapter_model.safetensors").exists():
        raise ModelError(f"{folder} holds no adapter (adapter_model.safetensors is missing).")
    decoder.model = PeftModel.from_pretrained(decoder.model, str(folder), is_trainable=False).eval()
    quicken(decoder.model)
    if packed:
        pack_weights(decoder.model)


def merged(decoder: Decoder) -> Decoder:
    """The base in float32, loaded anew, with the adapter of `decoder` added to its weights."""
    from peft import PeftModel

    whole = load_decoder(decoder.folder, "float32")
    with tempfile.TemporaryDirectory() as folder:
        save_adapter(decoder, Path(folder))
        whole.model = PeftModel.from_pretrained(whole.model, folder).merge_and_unload()
    return whole
