"""Tiny random models, made in a second: real architectures, real tokenizers, no download."""

from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    BertConfig,
    BertForMaskedLM,
    BertModel,
    Gemma2Config,
    GemmaConfig,
    GPT2Config,
    LlamaConfig,
    MistralConfig,
    PhiConfig,
    PreTrainedTokenizerFast,
    Qwen2Config,
    Qwen3Config,
)
from transformers.models.auto.modeling_auto import AutoModelForCausalLM

CHAT_TEMPLATE = (
    "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\n' + m['content'] + '<|im_end|>' + '\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
TEXT = [
    "the quick brown fox jumps over the lazy dog near the river bank",
    "refund the money price change cancel my order late delivery broken item",
    "system user assistant classify the text answer with exactly one of these labels",
]
SHAPE: dict[str, Any] = {
    "vocab_size": 400,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "max_position_embeddings": 512,
    "initializer_range": 0.2,
}
DECODERS: dict[str, Any] = {
    "llama": lambda: LlamaConfig(**SHAPE),
    "llama_wide": lambda: LlamaConfig(**{**SHAPE, "hidden_size": 64, "intermediate_size": 128}),
    "qwen2": lambda: Qwen2Config(**SHAPE),
    "qwen3": lambda: Qwen3Config(**SHAPE),
    "gpt2": lambda: GPT2Config(
        vocab_size=400, n_embd=32, n_layer=2, n_head=4, n_positions=512, initializer_range=0.2
    ),
    "phi": lambda: PhiConfig(**{k: v for k, v in SHAPE.items() if k != "head_dim"}),
    "mistral": lambda: MistralConfig(**SHAPE, sliding_window=None),
    "mistral_sliding": lambda: MistralConfig(**SHAPE, sliding_window=16),
    "gemma": lambda: GemmaConfig(**SHAPE),
    "gemma2": lambda: Gemma2Config(**SHAPE, sliding_window=16, query_pre_attn_scalar=8),
}


def tiny_tokenizer() -> PreTrainedTokenizerFast:
    """A byte-level BPE of at most 400 tokens with chat tokens."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=380,
        special_tokens=["<|endoftext|>", "<|im_start|>", "<|im_end|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(TEXT, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        bos_token="<|im_start|>",
        chat_template=CHAT_TEMPLATE,
    )


def save_decoder(folder: Path, kind: str = "llama", chat: bool = True) -> Path:
    """A random causal language model with its tokenizer, as an ordinary folder."""
    config = DECODERS[kind]()
    tokenizer = tiny_tokenizer()
    if not chat:
        tokenizer.chat_template = None
    config.bos_token_id, config.eos_token_id = tokenizer.bos_token_id, tokenizer.eos_token_id
    config.pad_token_id = tokenizer.pad_token_id
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = AutoModelForCausalLM.from_config(config)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def save_embedder(folder: Path, pickled: bool = False) -> Path:
    """A random BERT with its tokenizer; `pickled` saves only `pytorch_model.bin`."""
    tokenizer = tiny_tokenizer()
    config = BertConfig(
        vocab_size=400,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=64,
        max_position_embeddings=512,
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = BertModel(config)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    if pickled:
        torch.save(model.state_dict(), folder / "pytorch_model.bin")
        (folder / "model.safetensors").unlink()
    return folder


def save_masked(folder: Path) -> Path:
    """A random BERT with a masked-LM head, and a tokenizer that has a mask token."""
    tokenizer = tiny_tokenizer()
    tokenizer.add_special_tokens({"mask_token": "<mask>"})
    shape = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model: Any = BertForMaskedLM(BertConfig(vocab_size=400, **shape))
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
