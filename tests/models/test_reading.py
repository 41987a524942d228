"""Bits per byte and pooled states are what their definitions say."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import (
    AutoTokenizer,
    BertConfig,
    BertForMaskedLM,
    BertTokenizer,
    RobertaConfig,
    RobertaForMaskedLM,
)

from tiny_models import DECODERS, save_decoder, save_masked, tiny_tokenizer
from tuneworthy.models.decoder import load_decoder
from tuneworthy.models.likelihood import decoder_bits_per_byte, encoder_bits_per_byte, has_masked_head
from tuneworthy.models.states import pooled_states

TEXTS = ["refund the money", "the quick brown fox jumps over the lazy dog near the river", "ünïcode €"]


@pytest.mark.parametrize("kind", sorted(DECODERS))
def test_a_decoders_bits_are_its_own_loss_over_the_bytes(tmp_path: Path, kind: str) -> None:
    folder = save_decoder(tmp_path, kind)
    decoder, bits, count = load_decoder(folder, "float32"), 0.0, 0
    for text in TEXTS:
        ids = torch.tensor([[decoder.tokenizer.bos_token_id, *decoder.encode(text)]])
        loss: Any = decoder.model(input_ids=ids, labels=ids).loss
        bits += float(loss) * (ids.shape[1] - 1) / math.log(2)
        count += len(text.encode())
    assert decoder_bits_per_byte(folder, TEXTS) == pytest.approx(bits / count, rel=1e-4)


def test_an_encoders_bits_mask_each_token_and_what_follows_in_its_word(tmp_path: Path) -> None:
    masked = save_masked(tmp_path)
    tokenizer: Any = AutoTokenizer.from_pretrained(masked)
    model, text, nats = BertForMaskedLM.from_pretrained(masked).eval(), "refunding it", 0.0
    encoded = tokenizer(text)
    ids, words = encoded["input_ids"], encoded.word_ids()
    assert max(words.count(word) for word in words) > 1
    for place, token in enumerate(ids):
        shown = torch.tensor([ids])
        for later in range(place, len(ids)):
            if words[later] == words[place]:
                shown[0, later] = tokenizer.mask_token_id
        with torch.no_grad():
            nats -= float(model(input_ids=shown).logits[0, place].log_softmax(-1)[token])
    assert encoder_bits_per_byte(masked, [text]) == pytest.approx(nats / math.log(2) / len(text), rel=1e-4)


def test_a_text_is_read_as_far_as_a_model_has_positions_and_no_further_bytes_are_counted(
    tmp_path: Path,
) -> None:
    folder = save_masked(tmp_path)
    tokenizer = tiny_tokenizer()
    tokenizer.add_special_tokens({"mask_token": "<mask>"})
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}
    config = RobertaConfig(vocab_size=400, max_position_embeddings=34, pad_token_id=1, **sizes)
    RobertaForMaskedLM(config).save_pretrained(folder)
    text = "0123456789" * 16  # whose tokens are its digits
    assert len(tokenizer(text)["input_ids"]) == len(text)
    assert np.isfinite(pooled_states(folder, [text])["mean@2"]).all()
    alone = encoder_bits_per_byte(folder, [text[:32]])
    assert encoder_bits_per_byte(folder, [text]) == pytest.approx(alone, rel=1e-4)


def test_without_a_head_that_guesses_there_are_no_bits(embedder_folder: Path) -> None:
    assert encoder_bits_per_byte(embedder_folder, TEXTS) is None


@pytest.mark.parametrize("kind", ["llama", "gpt2", "gemma2", "bert"])
def test_states_do_not_depend_on_the_other_texts_of_a_batch(
    tmp_path: Path, embedder_folder: Path, kind: str
) -> None:
    folder = embedder_folder if kind == "bert" else save_decoder(tmp_path, kind)
    together = pooled_states(folder, [*TEXTS, ""])
    alone = [pooled_states(folder, [text]) for text in [*TEXTS, ""]]
    assert set(together) == {"mean@1", "mean@2"} | (set() if kind == "bert" else {"last@1", "last@2"})
    for name, found in together.items():
        assert np.allclose(found, np.concatenate([each[name] for each in alone]), atol=1e-4)


def save_words(folder: Path, words: list[str]) -> Path:
    """A random BERT that knows these words alone."""
    specials = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    vocabulary = {token: place for place, token in enumerate([*specials, *words])}
    tokenizer = BertTokenizer(vocab=vocabulary)
    shape = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 4, "intermediate_size": 64}
    model: Any = BertForMaskedLM(BertConfig(vocab_size=len(vocabulary), **shape))
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def test_an_encoder_that_does_not_know_the_words_has_no_bits(tmp_path: Path) -> None:
    folder = save_words(tmp_path, ["refund", "the", "money"])
    assert encoder_bits_per_byte(folder, ["refund the money"]) is not None
    assert encoder_bits_per_byte(folder, ["refund the money", "возврат денег"]) is None


def test_a_discriminator_has_no_head_that_guesses(tmp_path: Path) -> None:
    for name, guesses in (("ElectraForPreTraining", False), ("BertForPreTraining", True)):
        (tmp_path / "config.json").write_text(json.dumps({"architectures": [name]}))
        assert has_masked_head(tmp_path) is guesses
