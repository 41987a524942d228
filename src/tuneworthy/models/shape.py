"""`Shape`: the sizes of a model that memory and time follow from, read from its configuration alone."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tuneworthy.core.errors import ModelError
from tuneworthy.models.catalogue import Entry, catalogue
from tuneworthy.models.quiet import quiet
from tuneworthy.models.resolve import at_hand, resolve
from tuneworthy.models.strangers import AS_DATA

ENCODERS = (
    *("bert", "roberta", "xlm-roberta", "camembert", "distilbert", "electra", "mpnet", "deberta-v2"),
    "modernbert",
)
GATES = {"gate_proj", "gate_up_proj", "Wi"}
# What the catalogue's architectures are, where most are otherwise; a test compares with their own layers.
UNGATED = ("bert", "roberta", "xlm-roberta", "deberta-v2")
PADDED = ("gemma2", "gemma3_text", "olmo3", "modernbert")  # of mistral and phi3 each entry says it
NORMED_HEADS = ("qwen3", "gemma3_text", "olmo2", "olmo3")
CHANGED_LOGITS = ("gemma2", "granite")
AFTER_HEAD = ("final_logit_softcapping", "logits_scaling", "logit_scale")  # as in `engine.head`


@dataclass(frozen=True, slots=True)
class Shape:
    """Sizes of a transformer.

    Attributes:
        parameters: all of them, tied ones once.
        layers: transformer blocks.
        hidden: width of the residual stream.
        intermediate: width of a feed-forward block.
        heads, kv_heads, head_dim: of attention; query heads may share a key head.
        vocabulary: rows of the embedding matrix.
        tied: whether the output head is the embedding matrix.
        context: tokens that it was made for.
        gated: whether a feed-forward block has three matrices (gate, up, down) or two.
        encoder: whether it only reads, as BERT does.
        packed: whether rows can share what they have in common; else they are padded.
        plain_head: whether the logits are the head's output and nothing else.
        head_norms: whether queries and keys are normalised, head by head.
    """

    parameters: int
    layers: int
    hidden: int
    intermediate: int
    heads: int
    kv_heads: int
    head_dim: int
    vocabulary: int
    tied: bool
    context: int
    gated: bool = True
    encoder: bool = False
    packed: bool = True
    plain_head: bool = True
    head_norms: bool = False

    @property
    def query_width(self) -> int:
        """Width of all query heads side by side."""
        return self.heads * self.head_dim

    @property
    def key_width(self) -> int:
        """Width of all key heads side by side."""
        return self.kv_heads * self.head_dim

    @property
    def matrices(self) -> tuple[tuple[int, int], ...]:
        """Inputs and outputs of each linear layer of one block."""
        h, q, k, i = self.hidden, self.query_width, self.key_width, self.intermediate
        widening = ((h, i), (h, i)) if self.gated else ((h, i),)
        return ((h, q), (h, k), (h, k), (q, h), *widening, (i, h))

    @property
    def linear(self) -> int:
        """Weights of all blocks' linear layers: what four bits pack and adapters stand beside."""
        return self.layers * sum(inputs * outputs for inputs, outputs in self.matrices)

    @property
    def head(self) -> int:
        """Weights of the output head."""
        return self.vocabulary * self.hidden

    def learning(self, layers: int | None) -> int:
        """Parameters that learn when the last so many layers do, and what comes after them; None is all.

        Two norms a layer and a last one; of an encoder its pooler. Biases are left out.
        """
        if layers is None:
            return self.parameters
        after = self.hidden**2 if self.encoder else self.hidden
        return min(layers, self.layers) * (self.linear // self.layers + 2 * self.hidden) + after

    def adapters(self, rank: int) -> int:
        """Parameters of LoRA adapters on every linear layer of the blocks."""
        return self.layers * rank * sum(inputs + outputs for inputs, outputs in self.matrices)


def shape_of(config: Any) -> Shape:
    """The shape of a model with this transformers configuration, which is built without its weights."""
    text = config.get_text_config()
    encoder = text.model_type in ENCODERS
    model = _without_weights(config, encoder)
    parts = {name.rpartition(".")[2] for name, _ in model.named_modules()}
    hidden, heads = int(text.hidden_size), int(text.num_attention_heads)
    kinds = set(getattr(text, "layer_types", None) or ["full_attention"]) - {"full_attention"}
    sliding = getattr(text, "sliding_window", None) and getattr(text, "use_sliding_window", True)
    return Shape(
        parameters=sum(parameter.numel() for parameter in model.parameters()),
        layers=int(text.num_hidden_layers),
        hidden=hidden,
        intermediate=int(getattr(text, "intermediate_size", None) or 4 * hidden),
        heads=heads,
        kv_heads=int(getattr(text, "num_key_value_heads", None) or heads),
        head_dim=int(getattr(text, "head_dim", None) or hidden // heads),
        vocabulary=int(text.vocab_size),
        tied=not encoder and bool(getattr(text, "tie_word_embeddings", False)),
        context=int(getattr(text, "max_position_embeddings", 512)),
        gated=bool(parts & GATES),
        encoder=encoder,
        packed=not (kinds or sliding or getattr(text, "alibi", False)),
        plain_head=not any(getattr(text, name, None) for name in AFTER_HEAD),
        head_norms="q_norm" in parts,
    )


def _without_weights(config: Any, encoder: bool) -> Any:
    import torch
    from transformers import AutoModel, AutoModelForCausalLM

    with torch.device("meta"):
        return (AutoModel if encoder else AutoModelForCausalLM).from_config(config)


def shape_of_entry(entry: Entry) -> Shape:
    """The shape of a model of the catalogue, from its facts there: nothing is read or built."""
    sizes, kind = entry.shape, entry.shape.model_type
    return Shape(
        parameters=entry.parameters,
        layers=sizes.layers,
        hidden=sizes.hidden,
        intermediate=sizes.intermediate,
        heads=sizes.heads,
        kv_heads=sizes.key_value_heads,
        head_dim=sizes.head_dim,
        vocabulary=sizes.vocabulary,
        tied=entry.role == "decoder" and sizes.tied_embeddings,
        context=sizes.context,
        gated=kind not in UNGATED,
        encoder=entry.role == "encoder",
        packed=kind not in PADDED and sizes.sliding_window is None,
        plain_head=kind not in CHANGED_LOGITS,
        head_norms=kind in NORMED_HEADS,
    )


def shape_named(name: str) -> Shape:
    """The shape of a model by its short name, folder or Hugging Face id; weights are neither needed nor read.

    The configuration of a folder or of a model on this machine comes first, then the catalogue, then the Hub.

    Raises:
        NotFoundError: there is no such folder or name.
        ModelError: there is no configuration, or transformers does not know the architecture.
    """
    folder = Path(name).expanduser()
    if folder.is_dir():
        return shape_of_folder(folder)
    if (known := at_hand(name)) is not None:
        return shape_of_folder(known)
    if (entry := catalogue().get(name)) is not None:
        return shape_of_entry(entry)
    if name.count("/") == 1 and not name.startswith((".", "/", "~")):
        return _shape_at(name, local=False)
    return shape_of_folder(resolve(name))


def shape_of_folder(folder: Path) -> Shape:
    """The shape that a folder's `config.json` describes; raises ModelError for none."""
    return _shape_at(str(folder), local=True)


def _shape_at(place: str, local: bool) -> Shape:
    quiet()
    from transformers import AutoConfig

    try:
        return shape_of(AutoConfig.from_pretrained(place, **{**AS_DATA, "local_files_only": local}))
    except Exception as error:  # hub, configuration and architecture fail in many ways; none loads weights
        first = (str(error).strip() or type(error).__name__).splitlines()[0][:200]
        raise ModelError(
            f"{place} cannot be planned from its config.json ({first}): check the name and the network, or "
            "name a folder that holds one."
        ) from error
