"""How well a base model reads texts: bits per byte, which does not depend on the tokenizer.

A decoder's is the code length of the text, token after token. An encoder's is the pseudo-log-likelihood
(Salazar et al. 2020): each token is masked in turn, together with those to the right of it in the same word,
which would give it away (Kauf & Ivanova 2023). An encoder sees both sides of a gap, so its bits are fewer:
the two kinds are not compared with each other.
"""

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from tuneworthy.models.configuration import read_config, readable_tokens
from tuneworthy.models.decoder import shared_decoder
from tuneworthy.models.hardware import device
from tuneworthy.models.padded import padded_batches
from tuneworthy.models.quiet import quiet
from tuneworthy.models.strangers import AS_DATA, WEIGHTS

LONGEST = {"decoder": 800, "encoder": 200}  # characters of a text that are read; an encoder runs once a token
# Share of the words. An unknown one is a single token, soon guessed, that stands for all of its bytes: a
# model that cannot read a script at all would seem to read it best.
MOST_UNKNOWN = 0.01


def has_masked_head(folder: Path) -> bool:
    """Whether the folder holds the head that guesses masked tokens, as its configuration says.

    What ELECTRA is pre-trained for is to tell replaced tokens: its discriminator has no such head.
    """
    names = read_config(folder).get("architectures") or ()
    return any(
        name.endswith(("ForMaskedLM", "ForPreTraining")) and name != "ElectraForPreTraining" for name in names
    )


@torch.inference_mode()
def decoder_bits_per_byte(folder: Path, texts: Sequence[str]) -> float:
    """Code length of the texts in bits over their UTF-8 bytes.

    A text is preceded by the model's start token, so that its first token is counted too.
    """
    decoder = shared_decoder(folder, "float32")
    most = readable_tokens(decoder.model.config) - 1  # and the start token
    cut = [_beginning(text[: LONGEST["decoder"]], decoder.encode, most) for text in texts]
    ids = [[decoder.start_token, *decoder.encode(text)] for text in cut]
    nats = 0.0
    for batch in padded_batches(ids, decoder.tokenizer.pad_token_id or 0, decoder.device, most=1024):
        logits = decoder.model(input_ids=batch.tokens, attention_mask=batch.mask).logits[:, :-1].float()
        chosen = logits.gather(-1, batch.tokens[:, 1:, None])[..., 0] - logits.logsumexp(-1)
        nats -= float((chosen * batch.mask[:, 1:]).double().sum())
    return nats / math.log(2) / _bytes(cut)


@torch.inference_mode()
def encoder_bits_per_byte(folder: Path, texts: Sequence[str]) -> float | None:
    """Pseudo-log-likelihood of the texts in bits over their UTF-8 bytes.

    None where the folder has no masked-LM head, or its tokenizer no token that masks, or where it does not
    know more than `MOST_UNKNOWN` of the words. An uncased model is not charged for case, nor one that drops
    accents for those: its tokenizer has taken them away before it guesses.
    """
    if not has_masked_head(folder):
        return None
    quiet()
    from transformers import AutoConfig, AutoModelForMaskedLM, AutoTokenizer

    most = readable_tokens(AutoConfig.from_pretrained(folder, **AS_DATA))
    tokenizer = AutoTokenizer.from_pretrained(folder, **AS_DATA)
    if tokenizer.mask_token_id is None:
        return None
    nothing_known = tokenizer.unk_token_id
    cut = [
        _beginning(text[: LONGEST["encoder"]], lambda t: tokenizer(t)["input_ids"], most) for text in texts
    ]
    rows, places, answers = [], [], []
    seen, unknown = 0, 0
    for text in cut:
        encoded = tokenizer(text)
        ids, words = encoded["input_ids"], encoded.word_ids()
        seen += len({word for word in words if word is not None})
        unknown += len({word for token, word in zip(ids, words, strict=True) if token == nothing_known})
        for place, word in enumerate(words):
            if word is None:
                continue
            hidden = [at >= place and other == word for at, other in enumerate(words)]
            pairs = zip(ids, hidden, strict=True)
            rows.append([tokenizer.mask_token_id if covered else token for token, covered in pairs])
            places.append(place)
            answers.append(ids[place])
    if unknown > MOST_UNKNOWN * seen:
        return None
    model: Any = AutoModelForMaskedLM.from_pretrained(folder, **WEIGHTS, dtype=torch.float32)
    where = device()
    model = model.to(where).eval()
    nats = 0.0
    for batch in padded_batches(rows, tokenizer.pad_token_id or 0, where):
        logits = model(input_ids=batch.tokens, attention_mask=batch.mask).logits
        at = torch.arange(len(batch.rows)), torch.tensor([places[row] for row in batch.rows])
        answer = torch.tensor([[answers[row]] for row in batch.rows], device=where)
        nats -= float(logits[at].float().log_softmax(-1).gather(-1, answer).double().sum())
    return nats / math.log(2) / _bytes(cut)


def _beginning(text: str, encode: Callable[[str], Sequence[int]], most: int) -> str:
    """As much of the text as takes at most so many tokens."""
    while text and (taken := len(encode(text))) > most:
        text = text[: min(len(text) - 1, len(text) * most // taken)]
    return text


def _bytes(texts: Sequence[str]) -> int:
    return max(1, sum(len(text.encode()) for text in texts))
