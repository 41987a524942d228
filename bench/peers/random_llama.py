"""A Llama-shaped model with random weights on disk, for speed and memory where no weights are to be had."""

import json
import shutil
from pathlib import Path

import torch
from safetensors.torch import save_file
from transformers import LlamaConfig, LlamaForCausalLM

SHAPES = {
    "7b": {"hidden_size": 4096, "intermediate_size": 11008, "layers": 32, "heads": 32},  # Llama 2 7B's
    "tiny": {"hidden_size": 128, "intermediate_size": 256, "layers": 2, "heads": 2},  # to try the command
}
TOKENIZER_FILES = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "chat_template.jinja",
)


def write_random_llama(folder: Path, shape: str, tokenizer: Path, vocabulary: int) -> Path:
    """Writes bfloat16 safetensors, a layer to a file, and the tokenizer; returns the folder."""
    if (folder / "model.safetensors.index.json").exists():
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    sizes = SHAPES[shape]
    config = LlamaConfig(
        vocab_size=vocabulary,
        hidden_size=sizes["hidden_size"],
        intermediate_size=sizes["intermediate_size"],
        num_hidden_layers=sizes["layers"],
        num_attention_heads=sizes["heads"],
        max_position_embeddings=4096,
        tie_word_embeddings=False,
        dtype="bfloat16",
        architectures=["LlamaForCausalLM"],
    )
    with torch.device("meta"):
        wanted = LlamaForCausalLM(config).state_dict()
    where = "cuda" if torch.cuda.is_available() else "cpu"
    torch.manual_seed(0)
    files: dict[str, dict[str, torch.Size]] = {}
    for name, tensor in wanted.items():
        part = name.split(".")[2] if ".layers." in name else "outside"
        files.setdefault(f"model-{part}.safetensors", {})[name] = tensor.shape
    for file, tensors in files.items():
        made = {}
        for name, size in tensors.items():
            fresh = (
                torch.ones(size, device=where) if "norm" in name else torch.randn(size, device=where) * 0.02
            )
            made[name] = fresh.to(torch.bfloat16).cpu()
        save_file(made, folder / file, metadata={"format": "pt"})
    config.save_pretrained(folder)
    for file in TOKENIZER_FILES:
        if (tokenizer / file).exists():
            shutil.copyfile(tokenizer / file, folder / file)
    index = {"metadata": {}, "weight_map": {name: file for file, names in files.items() for name in names}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index), encoding="utf-8")
    return folder
