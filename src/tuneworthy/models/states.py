"""What a base model makes of texts before it is fine-tuned: pooled hidden states of a few of its layers."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from tuneworthy.core.errors import ModelError
from tuneworthy.models.configuration import read_config, readable_tokens
from tuneworthy.models.decoder import shared_decoder
from tuneworthy.models.embedder import load_embedder
from tuneworthy.models.padded import masked_mean, padded_batches
from tuneworthy.models.quiet import quiet
from tuneworthy.models.token_rows import token_rows

Kind = Literal["decoder", "encoder"]
States = dict[str, NDArray[np.float32]]
DEPTHS = (0.5, 0.75, 1.0)  # of the layers: the upper half holds what texts are about (Tenney et al. 2019)
LONGEST = 256  # tokens of a text that are read


def kind_of(folder: Path) -> Kind:
    """Whether the model writes from left to right or reads both ways, as its configuration says.

    Raises:
        ModelError: that is no JSON object.
    """
    quiet()
    from transformers.models.auto.modeling_auto import MODEL_FOR_MASKED_LM_MAPPING_NAMES

    config = read_config(folder)
    causal = any(name.endswith(("ForCausalLM", "LMHeadModel")) for name in config.get("architectures") or ())
    both_ways = config.get("model_type") in MODEL_FOR_MASKED_LM_MAPPING_NAMES
    return "encoder" if both_ways and not causal else "decoder"


@dataclass(frozen=True, slots=True)
class StatesOf:
    """One pooling of one layer of a model, as vectors of texts."""

    folder: Path
    name: str

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Shape [texts, D]."""
        return pooled_states(self.folder, texts)[self.name]


@torch.inference_mode()
def pooled_states(folder: Path, texts: Sequence[str]) -> States:
    """Hidden states of the beginning of each text, by pooling and layer: "mean@30" is [texts, D].

    Of an encoder the mean over tokens; of a decoder also the last token's, which has seen all others.

    Raises:
        ModelError: the folder cannot be loaded, or states are no finite numbers.
    """
    kind = kind_of(folder)
    loaded = shared_decoder(folder, "float32") if kind == "decoder" else load_embedder(folder)
    tokenizer, found = loaded.tokenizer, dict[str, NDArray[np.float32]]()
    nothing = np.array([tokenizer.eos_token_id or 0], dtype=np.int32)
    most = min(LONGEST, readable_tokens(loaded.model.config))
    encoded = [ids if len(ids) else nothing for ids in token_rows(tokenizer, texts, most)]
    for batch in padded_batches(encoded, tokenizer.pad_token_id or 0, loaded.device):
        keep = {"logits_to_keep": 1, "use_cache": False} if kind == "decoder" else {}
        output = loaded.model(
            input_ids=batch.tokens, attention_mask=batch.mask, output_hidden_states=True, **keep
        )
        last = batch.mask.sum(1) - 1
        for depth in DEPTHS:
            layer = round(depth * (len(output.hidden_states) - 1))
            states = output.hidden_states[layer].float()
            pooled = {"mean": masked_mean(states, batch.mask)}
            if kind == "decoder":
                pooled["last"] = states[torch.arange(len(states)), last]
            for pooling, vectors in pooled.items():
                whole = found.setdefault(
                    f"{pooling}@{layer}", np.zeros((len(texts), states.shape[-1]), dtype=np.float32)
                )
                whole[batch.rows] = vectors.cpu().numpy()
        del output, states  # or every layer's are alive while the next batch is read
    if not all(np.isfinite(vectors).all() for vectors in found.values()):
        raise ModelError(
            f"{folder} makes states of a text that are no finite numbers: its weights are damaged."
        )
    return found
