"""`Embedder`: a sentence encoder; texts in, unit vectors out."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from tuneworthy.core.errors import ModelError
from tuneworthy.models.hardware import device
from tuneworthy.models.padded import masked_mean, padded_batches
from tuneworthy.models.quiet import quiet
from tuneworthy.models.sharing import kept
from tuneworthy.models.strangers import AS_DATA, WEIGHTS
from tuneworthy.models.token_rows import token_rows


@dataclass(slots=True)
class Embedder:
    """A loaded encoder with its pooling; with `known` it keeps what it has read."""

    model: Any
    tokenizer: Any
    pooling: Literal["mean", "cls"]
    max_length: int
    device: torch.device
    known: dict[str, NDArray[np.float32]] | None = None

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Unit-length embeddings, shape [len(texts), D], float32; longer texts are cut at `max_length`."""
        if self.known is None or not texts:
            return self._embed(texts)
        if new := [text for text in dict.fromkeys(texts) if text not in self.known]:
            self.known.update(zip(new, self._embed(new), strict=True))
        return np.stack([self.known[text] for text in texts])

    @torch.inference_mode()
    def _embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        encoded = token_rows(self.tokenizer, texts, self.max_length)
        vectors = np.zeros((len(encoded), int(self.model.config.hidden_size)), dtype=np.float32)
        for batch in padded_batches(encoded, self.tokenizer.pad_token_id or 0, self.device):
            hidden = self.model(input_ids=batch.tokens, attention_mask=batch.mask).last_hidden_state.float()
            pooled = hidden[:, 0] if self.pooling == "cls" else masked_mean(hidden, batch.mask)
            vectors[batch.rows] = torch.nn.functional.normalize(pooled, dim=-1).cpu().numpy()
        return vectors


_reused: Path | None = None
_kept: dict[Path, Embedder] = {}


@contextmanager
def remembered_embeddings(folder: Path | None) -> Iterator[None]:
    """Within it this encoder is loaded once a process and reads a text once: for fits that nobody times."""
    global _reused
    _reused = folder
    try:
        yield
    finally:
        _reused = None


def load_embedder(folder: Path) -> Embedder:
    """Loads any encoder folder; pooling and length as sentence-transformers' files say, else mean and 512.

    Raises:
        ModelError: the folder does not hold a usable encoder.
    """
    if folder == _reused:
        if folder not in _kept:
            _kept[folder] = replace(_loaded(folder), known={})
        return _kept[folder]
    return kept(("embedder", folder), lambda: _loaded(folder))


def _loaded(folder: Path) -> Embedder:
    quiet()
    from transformers import AutoModel, AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, **AS_DATA)
        model = AutoModel.from_pretrained(folder, **WEIGHTS, dtype=torch.float32)
    except (OSError, ValueError, KeyError) as error:
        first = str(error).strip().splitlines()[0][:200] if str(error).strip() else type(error).__name__
        raise ModelError(f"{folder} cannot be loaded as an encoder: {first}") from error
    pooling, length = read_pooling(folder, int(getattr(model.config, "max_position_embeddings", 512)))
    where = device()
    return Embedder(
        model=model.to(where).eval(),
        tokenizer=tokenizer,
        pooling=pooling,
        max_length=length,
        device=where,
    )


def read_pooling(folder: Path, limit: int) -> tuple[Literal["mean", "cls"], int]:
    """How tokens become one vector, and how many are read, as sentence-transformers' files say."""
    pooling_file = folder / "1_Pooling" / "config.json"
    says_cls = pooling_file.exists() and json.loads(pooling_file.read_text()).get("pooling_mode_cls_token")
    length_file = folder / "sentence_bert_config.json"
    stated = json.loads(length_file.read_text()).get("max_seq_length") if length_file.exists() else None
    return "cls" if says_cls else "mean", min(int(stated or 512), limit)


def embedding_of(folder: Path) -> dict[str, Any]:
    """The same in plain words, for whoever embeds without this package."""
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    pooling, length = read_pooling(folder, int(config.get("max_position_embeddings", 512)))
    return {"layer": -1, "pooling": pooling, "max_length": length, "normalise": True}
