"""`Decoder`: a causal language model with its tokenizer and chat template."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from jinja2 import TemplateError

from tuneworthy.core.bounded import TooMuchError, bounded
from tuneworthy.core.errors import ModelError
from tuneworthy.models.four_bits import four_bits as packing
from tuneworthy.models.hardware import device
from tuneworthy.models.packed_linear import pack_weights
from tuneworthy.models.quiet import quiet
from tuneworthy.models.rms_norm import quicken_norms
from tuneworthy.models.sharing import kept, sharing, twin
from tuneworthy.models.strangers import AS_DATA, WEIGHTS
from tuneworthy.models.tree_attention import NAME as TREE_ATTENTION
from tuneworthy.models.tree_attention import register_tree_attention
from tuneworthy.models.turn_marks import TurnMarks, marks_of
from tuneworthy.tasks import Message

# What a chat template may make Python do.
TEMPLATE_FAULTS: tuple[type[Exception], ...] = (TemplateError, ArithmeticError, LookupError, RecursionError)
TEMPLATE_FAULTS += (AttributeError, SyntaxError, TypeError, ValueError)
# For base models without a chat template: plain paragraphs, the answer after a cue, ended by EOS.
PLAIN_TEMPLATE = (
    "{% for m in messages %}{% if m['role'] == 'system' %}{{ m['content'] }}\n\n"
    "{% elif m['role'] == 'user' %}Text: {{ m['content'] }}\nAnswer: "
    "{% else %}{{ m['content'] }}{{ eos_token }}\n\n{% endif %}{% endfor %}"
)


@dataclass(slots=True)
class Decoder:
    """A loaded model and how text becomes its tokens.

    Attributes:
        model: the transformers model, in eval mode, on `device`.
        tokenizer: its tokenizer, with a chat template.
        folder: where it was loaded from.
        device: where it computes.
    """

    model: Any
    tokenizer: Any
    folder: Path
    device: torch.device
    _marks: TurnMarks | None = field(default=None, repr=False)

    @property
    def marks(self) -> TurnMarks:
        """The tokens that end or begin a turn."""
        if self._marks is None:
            self._marks = marks_of(self.tokenizer)
        return self._marks

    @property
    def hidden_size(self) -> int:
        """Width of the residual stream."""
        return int(self.model.config.get_text_config().hidden_size)

    @property
    def adapted(self) -> bool:
        """Whether an adapter is on it."""
        return hasattr(self.model, "peft_config")

    @property
    def context_length(self) -> int:
        """The longest sequence the model was made for, in tokens."""
        return int(getattr(self.model.config.get_text_config(), "max_position_embeddings", 2048))

    @property
    def start_token(self) -> int:
        """What stands before a text's first token, so that it is predicted too."""
        start = self.tokenizer.bos_token_id
        return int(self.tokenizer.eos_token_id if start is None else start)

    @property
    def full_attention_only(self) -> bool:
        """Whether every layer attends to all earlier tokens, so that a 4D mask means what it says."""
        return not self.padded_because

    @property
    def padded_because(self) -> str:
        """Why rows cannot share what they have in common, in a few words; empty when they can."""
        config = self.model.config.get_text_config()
        kinds = set(getattr(config, "layer_types", None) or ["full_attention"]) - {"full_attention"}
        if kinds:
            return f"layers of another kind: {', '.join(sorted(kinds)).replace('_', ' ')}"
        if getattr(config, "sliding_window", None) and getattr(config, "use_sliding_window", True):
            return "sliding attention"
        if getattr(config, "alibi", False):
            return "position biases (ALiBi)"
        return ""

    @property
    def flex_attention(self) -> bool:
        """Whether a token tree goes through FlexAttention: on a GPU with a compiler for its kernels."""
        return self.device.type == "cuda" and find_spec("triton") is not None and self.shares_prefix

    @property
    def shares_prefix(self) -> bool:
        """Whether every layer's attention is a plain softmax, so that rows can read one prefix's cache."""
        config = self.model.config.get_text_config()
        capped = getattr(config, "attn_logit_softcapping", None)
        ours = config._attn_implementation == TREE_ATTENTION
        sinks = any(hasattr(module, "sinks") for module in self.model.modules())
        return ours and self.full_attention_only and not capped and not sinks

    def render(self, messages: Sequence[Message]) -> str:
        """The prompt up to the point where the answer begins: what serving sends, byte for byte.

        Special tokens in what the turns say are written apart, here and wherever turns are made tokens of, so
        that no row, label or instruction ends its turn and speaks in another role.

        Raises:
            ModelError: the template refuses the turns, such as two of one role in a row.
        """
        try:
            return self.rendered(self.inert(messages), asked=True)
        except TEMPLATE_FAULTS as error:
            roles = ", ".join(message["role"] for message in messages)
            raise ModelError(
                f"the chat template of {self.folder.name} refuses the turns {roles} ({error}): use another "
                "base_model, or mend the rows."
            ) from None

    def rendered(self, messages: Sequence[Message], asked: bool = False) -> str:
        """The turns as the template writes them; `asked`, up to where the next answer begins.

        Raises:
            ModelError: the template takes too long, or too much memory.
        """
        try:
            with bounded():
                found = self.tokenizer.apply_chat_template(
                    list(messages), tokenize=False, add_generation_prompt=asked
                )
        except TooMuchError as error:
            raise ModelError(
                f"the chat template of {self.folder.name} does not end ({error} for one chat): use another "
                "model, or mend the template."
            ) from None
        return str(found)

    def inert(self, messages: Sequence[Message]) -> list[Message]:
        """The turns, special tokens in what they say written apart."""
        return [{"role": turn["role"], "content": self.apart(turn["content"])} for turn in messages]

    def apart(self, text: str) -> str:
        """A text of the data, in which the tokenizer sees no special token."""
        return self.marks.apart(self.tokenizer, text)

    def decode(self, tokens: Sequence[int]) -> str:
        """The text that a model has written, as the data would spell it."""
        return self.marks.together(str(self.tokenizer.decode(list(tokens), skip_special_tokens=True)))

    def encode(self, text: str) -> list[int]:
        """Token ids of rendered text; the template already wrote the special tokens."""
        return list(self.tokenizer(text, add_special_tokens=False)["input_ids"])

    def encode_answer(self, messages: Sequence[Message], answer: str) -> list[int]:
        """Token ids of an answer and its stop token, exactly as the template would continue the prompt.

        Prompt and answer are tokenised apart, so that the training prompt equals the serving prompt.

        Raises:
            ModelError: the template does not write the answer after the prompt.
        """
        prompt, answer = self.render(messages), self.apart(answer)
        turns: list[Message] = [*self.inert(messages), {"role": "assistant", "content": answer}]
        try:
            whole = self.rendered(turns)
        except TEMPLATE_FAULTS as error:
            raise ModelError(
                f"the chat template of {self.folder.name} refuses an answer ({str(error)[:200]}): use "
                "another base_model."
            ) from None
        if not whole.startswith(prompt) or not whole[len(prompt) :].startswith(answer):
            raise ModelError(
                f"the chat template of {self.folder.name} changes the prompt or the answer when a turn is "
                "complete, so training would not match serving: use another model or template."
            )
        suffix = self.encode(whole[len(prompt) + len(answer) :])
        special = set(self.tokenizer.all_special_ids)
        stop = next((token for token in suffix if token in special), self.tokenizer.eos_token_id)
        return [*self.encode(answer), stop]


def load_decoder(folder: Path, dtype: str, four_bits: bool = False, stays: bool = False) -> Decoder:
    """Loads a decoder from a local folder, no remote code, safetensors only.

    With `four_bits` its linear layers are packed as they are read (NF4, double quantisation; Dettmers et al.
    2023, arXiv:2305.14314) and multiply in `dtype`; the whole model is never in memory at 16 bits. A model
    that `stays` in the host's memory is one that no device holds: see `engine.sharded`.

    Attention is plain matrix products (transformers' "eager", by blocks where the mask has some): it takes 4D
    masks on every device, and on a CPU its bfloat16 backward pass is faster than the fused kernel's.

    Raises:
        ModelError: the folder does not hold a usable causal language model.
    """
    quiet()
    from transformers import AutoModelForCausalLM, AutoTokenizer

    where = device()
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, **AS_DATA)
        model = AutoModelForCausalLM.from_pretrained(
            folder,
            **WEIGHTS,
            attn_implementation=register_tree_attention(),
            dtype=getattr(torch, dtype),
            **(packing(getattr(torch, dtype), where) if four_bits else {}),
        )
    except (OSError, ValueError, KeyError) as error:
        first = str(error).strip().splitlines()[0][:200] if str(error).strip() else type(error).__name__
        raise ModelError(f"{folder} cannot be loaded as a causal language model: {first}") from error
    if tokenizer.eos_token_id is None:
        raise ModelError(f"the tokenizer of {folder} has no end-of-sequence token.")
    if tokenizer.chat_template is None:
        tokenizer.chat_template = PLAIN_TEMPLATE
    model = (model if four_bits or stays else model.to(where)).eval()
    for parameter in model.parameters():
        parameter.requires_grad_(False)  # an arm says what learns
    if where.type == "cpu":
        quicken_norms(model)
    return Decoder(model=model, tokenizer=tokenizer, folder=folder, device=where)


def save_decoder(decoder: Decoder, folder: Path) -> None:
    """Saves model and tokenizer as an ordinary transformers folder (safetensors)."""
    decoder.model.save_pretrained(folder)
    decoder.tokenizer.save_pretrained(folder)


def new_cache(decoder: Decoder) -> Any:
    """An empty key/value cache."""
    from transformers import DynamicCache

    return DynamicCache(config=decoder.model.config)


def shared_decoder(folder: Path, dtype: str) -> Decoder:
    """The last loaded decoder again, for methods that only read it; never put an adapter on it."""
    if sharing():
        return kept(("decoder", folder, dtype), lambda: _packed(folder, dtype))
    return _last_decoder(folder, dtype)


def base_for_adapter(folder: Path, dtype: str, four_bits: bool) -> Decoder:
    """A decoder to put a saved adapter on: its own, or where bases are shared one on their weights."""
    if not sharing():
        return load_decoder(folder, dtype, four_bits)
    base = (
        kept(("decoder", folder, dtype, four_bits), lambda: load_decoder(folder, dtype, four_bits))
        if four_bits
        else shared_decoder(folder, dtype)
    )
    return replace(base, model=twin(base.model))


def let_go() -> None:
    """Frees the last loaded decoder, for whoever needs the memory for another one."""
    _last_decoder.cache_clear()


@lru_cache(maxsize=1)
def _last_decoder(folder: Path, dtype: str) -> Decoder:
    return _packed(folder, dtype)


def _packed(folder: Path, dtype: str) -> Decoder:
    decoder = load_decoder(folder, dtype)
    pack_weights(decoder.model)
    return decoder
