"""Log-likelihoods of many answers equal those of each answer on its own."""

from pathlib import Path

import numpy as np
import pytest

from tiny_models import save_decoder
from tuneworthy.engine import likelihood
from tuneworthy.engine.encoding import EncodedRow
from tuneworthy.engine.likelihood import log_likelihoods
from tuneworthy.engine.scoring import score_labels_padded
from tuneworthy.models.decoder import load_decoder

PROMPTS = ["the quick brown fox", "the quick brown fox jumps over", "refund the money"]
ANSWERS = ["the dog", "the dog near the river", "cancel"]


@pytest.mark.parametrize("kind", ["llama", "gpt2", "mistral_sliding", "gemma2"])
@pytest.mark.parametrize("tokens", [8, 1024])
def test_they_equal_scoring_each_answer_on_its_own(
    kind: str, tokens: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(likelihood, "TOKENS_PER_PASS", tokens)
    monkeypatch.setattr(likelihood, "LOGITS_AT_A_TIME", 1200)  # three positions
    decoder = load_decoder(save_decoder(tmp_path, kind), "float32")
    prompts, answers = ([tuple(decoder.encode(text)) for text in texts] for texts in (PROMPTS, ANSWERS))
    rows = [
        EncodedRow(f"{p}-{a}", prompt, answer)
        for p, prompt in enumerate(prompts)
        for a, answer in enumerate(answers)
    ]
    found = log_likelihoods(decoder, rows[::-1])[::-1].reshape(len(prompts), len(answers))
    np.testing.assert_allclose(found, score_labels_padded(decoder, prompts, answers), rtol=1e-4)


def test_equal_rows_have_equal_likelihoods(decoder_folder: Path) -> None:
    decoder = load_decoder(decoder_folder, "float32")
    row = EncodedRow("a", tuple(decoder.encode("the quick")), tuple(decoder.encode("brown fox")))
    once = log_likelihoods(decoder, [row])
    twice = log_likelihoods(decoder, [row, EncodedRow("b", row.prompt, row.answer)])
    np.testing.assert_allclose(twice, [once[0], once[0]], rtol=1e-5)
