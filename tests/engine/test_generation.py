"""Generation writes what transformers' own would write, row by row."""

from pathlib import Path

import pytest
import torch

from tiny_models import save_decoder
from toy import toy_rows
from tuneworthy.engine import generation
from tuneworthy.engine.encoding import encode_prompt
from tuneworthy.engine.generation import generate
from tuneworthy.models.decoder import Decoder, load_decoder
from tuneworthy.tasks import TASKS

TASK = TASKS.get("text-classification")
LONGEST = 12


def asked(decoder: Decoder, count: int = 9) -> list[list[int]]:
    return [encode_prompt(decoder, TASK, "Answer in words.", row["text"]) for row in toy_rows(count)]


def theirs(decoder: Decoder, prompt: list[int], stop: int) -> list[int]:
    ids = torch.tensor([prompt])
    options = {"do_sample": False, "eos_token_id": stop, "pad_token_id": 0}
    whole = decoder.model.generate(
        ids, attention_mask=torch.ones_like(ids), max_new_tokens=LONGEST, **options
    )
    new = whole[0, len(prompt) :].tolist()
    return new[: new.index(stop)] if stop in new else new


@pytest.mark.parametrize("kind", ["llama", "qwen3", "gpt2", "phi"])
def test_greedy_generation_equals_transformers_own(kind: str, tmp_path: Path) -> None:
    decoder = load_decoder(save_decoder(tmp_path, kind), "float32")
    prompts = asked(decoder)
    free = generate(decoder, prompts, [], LONGEST)
    stop = free[0][4]  # a token that some rows write and others do not, so that rows stop at different times
    found = generate(decoder, prompts, [stop], LONGEST)
    assert found == [theirs(decoder, prompt, stop) for prompt in prompts]
    assert len({len(answer) for answer in found}) > 1


def test_sampled_answers_do_not_depend_on_the_batch(
    decoder_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoder = load_decoder(decoder_folder, "float32")
    prompts = asked(decoder)
    whole = generate(decoder, prompts, [], 6, temperature=1.0, seed=5)
    monkeypatch.setattr(generation, "ROWS_PER_BATCH", 2)
    assert generate(decoder, prompts, [], 6, temperature=1.0, seed=5) == whole
    assert generate(decoder, prompts, [], 6, temperature=1.0, seed=6) != whole


def test_architectures_without_plain_full_attention_write_greedily(tmp_path: Path) -> None:
    decoder = load_decoder(save_decoder(tmp_path, "mistral_sliding"), "float32")
    prompts = asked(decoder, 3)
    stop = generate(decoder, prompts, [], LONGEST)[0][4]
    assert generate(decoder, prompts, [stop], LONGEST) == [theirs(decoder, p, stop) for p in prompts]
    with pytest.raises(ValueError, match="greedily only"):
        generate(decoder, prompts, [], 4, temperature=1.0)
