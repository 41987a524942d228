"""`HeadedEncoder`: a BERT-family encoder with a head for texts, tokens, spans, or gaps.

An ordinary transformers folder with safetensors, before and after fine-tuning.
"""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch

from tuneworthy.core.errors import ModelError
from tuneworthy.models.hardware import device
from tuneworthy.models.quiet import quiet
from tuneworthy.models.strangers import AS_DATA, WEIGHTS

Head = Literal["sequence", "labels", "token", "span", "masked"]


@dataclass(slots=True)
class HeadedEncoder:
    """A loaded encoder with its head.

    Attributes:
        model: the transformers model, all of it trainable, on `device`.
        tokenizer: its fast tokenizer.
        device: where it computes.
        max_length: tokens that it reads at most.
    """

    model: Any
    tokenizer: Any
    device: torch.device
    max_length: int


def load_headed(folder: Path, head: Head, labels: int | None = None, seed: int = 0) -> HeadedEncoder:
    """An encoder in float32 with a head; a head that the folder lacks is drawn at random from `seed`.

    Args:
        folder: the model's files.
        head: "sequence" (a label per text), "labels" (any number of labels per text), "token" (a label per
            token), "span" (a start and an end), "masked" (the token that a mask hides; tied to the word
            embeddings, as the configuration says).
        labels: how many; None where the folder has a head already.
        seed: of a new head, and of the dropout that training draws afterwards.

    Raises:
        ModelError: the folder holds no encoder that can take the head.
    """
    quiet()
    from transformers import (
        AutoModelForMaskedLM,
        AutoModelForQuestionAnswering,
        AutoModelForSequenceClassification,
        AutoModelForTokenClassification,
        AutoTokenizer,
    )

    kinds: dict[Head, Any] = {
        "sequence": AutoModelForSequenceClassification,
        "labels": AutoModelForSequenceClassification,
        "token": AutoModelForTokenClassification,
        "span": AutoModelForQuestionAnswering,
        "masked": AutoModelForMaskedLM,
    }
    torch.manual_seed(seed)
    outputs: dict[str, Any] = {} if labels is None or head in ("span", "masked") else {"num_labels": labels}
    if head == "labels":
        outputs["problem_type"] = "multi_label_classification"  # pipelines of transformers go by it
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, **AS_DATA)
        model = kinds[head].from_pretrained(folder, **WEIGHTS, dtype=torch.float32, **outputs)
    except (OSError, ValueError, KeyError) as error:
        first = str(error).strip().splitlines()[0][:200] if str(error).strip() else type(error).__name__
        raise ModelError(f"{folder} cannot be loaded as an encoder with a {head} head: {first}") from error
    if not tokenizer.is_fast:
        raise ModelError(f"{folder} has no fast tokenizer (tokenizer.json), which a {head} head needs.")
    where = device()
    limit = int(getattr(model.config, "max_position_embeddings", 512))
    # RoBERTa's positions start after its padding index: two of them are never used.
    limit -= 2 if getattr(model.config, "model_type", "") in ("roberta", "xlm-roberta", "camembert") else 0
    return HeadedEncoder(model.to(where).eval(), tokenizer, where, min(limit, 8192))


def save_headed(encoder: HeadedEncoder, folder: Path) -> None:
    """Writes model (safetensors), configuration and tokenizer."""
    encoder.model.save_pretrained(folder)
    encoder.tokenizer.save_pretrained(folder)


def save_reader(encoder: HeadedEncoder, base: Path, folder: Path) -> None:
    """Writes an encoder with a masked-LM head so that it can stand in for the folder it came from.

    What the head does not use, such as a pooler, and the files of sentence-transformers come from `base`.
    """
    from transformers import AutoModel

    weights = ("*.safetensors*", "pytorch_model*", "*.h5", "*.msgpack", "*.onnx", ".*")
    shutil.copytree(base, folder, ignore=shutil.ignore_patterns(*weights), dirs_exist_ok=True)
    whole = AutoModel.from_pretrained(base, **WEIGHTS, dtype=torch.float32)
    learned = encoder.model.state_dict()
    prefix = f"{encoder.model.base_model_prefix}."
    own = {prefix + name: weight for name, weight in whole.state_dict().items()}
    encoder.model.save_pretrained(folder, state_dict={**own, **learned})
    encoder.tokenizer.save_pretrained(folder)
