"""The label trie scores exactly what scoring every prompt + label on its own gives."""

from pathlib import Path

import numpy as np
import pytest

from tiny_models import DECODERS, save_decoder
from tuneworthy.engine.encoding import encode_labels, encode_prompt, shared_prefix
from tuneworthy.engine.scoring import LabelTrie, score_labels, score_labels_padded
from tuneworthy.models.decoder import Decoder, load_decoder
from tuneworthy.tasks import TASKS

TASK = TASKS.get("text-classification")
LABELS = ["refund", "refund late", "price change", "price", "the quick brown fox", "x"]
TEXTS = ["my parcel is late", "money", "the dog jumps over the river bank again and again and again", "?"]
FULL_ATTENTION = {"llama", "llama_wide", "qwen2", "qwen3", "mistral", "gemma", "gpt2", "phi"}


def prompts_and_labels(decoder: Decoder) -> tuple[list[list[int]], list[tuple[int, ...]]]:
    prompts = [encode_prompt(decoder, TASK, "Answer.", text) for text in TEXTS]
    return prompts, encode_labels(decoder, TASK, "Answer.", LABELS)


@pytest.mark.parametrize("kind", sorted(DECODERS))
def test_trie_scores_equal_padded_scores(kind: str, tmp_path: Path) -> None:
    decoder = load_decoder(save_decoder(tmp_path, kind), "float32")
    prompts, labels = prompts_and_labels(decoder)
    expected = score_labels_padded(decoder, prompts, labels)
    assert np.abs(score_labels(decoder, prompts, labels) - expected).max() < 1e-4


@pytest.mark.parametrize("kind", sorted(DECODERS))
def test_architectures_that_a_4d_mask_would_break_are_detected(kind: str, tmp_path: Path) -> None:
    decoder = load_decoder(save_decoder(tmp_path, kind), "float32")
    assert decoder.full_attention_only == (kind in FULL_ATTENTION)


def test_a_row_scores_the_same_alone_and_among_others(decoder_folder: Path) -> None:
    decoder = load_decoder(decoder_folder, "float32")
    prompts, labels = prompts_and_labels(decoder)
    together = score_labels(decoder, prompts, labels)
    alone = np.concatenate([score_labels(decoder, [prompt], labels) for prompt in prompts])
    assert np.abs(together - alone).max() < 1e-4


def test_probabilities_of_all_answers_of_a_closed_alphabet_sum_to_one(decoder_folder: Path) -> None:
    decoder = load_decoder(decoder_folder, "float32")
    prompts, _ = prompts_and_labels(decoder)
    vocabulary = decoder.model.config.vocab_size
    scores = score_labels(decoder, prompts[:1], [(token,) for token in range(vocabulary)])
    assert np.exp(scores).sum() == pytest.approx(1, abs=1e-5)


def test_a_label_that_is_a_prefix_of_another_keeps_its_own_stop_token() -> None:
    trie = LabelTrie.build([(5, 6, 2), (5, 6, 7, 2)])
    assert trie.tokens == (5, 6, 7)
    assert trie.steps[0][-1] == (1, 2)
    assert trie.steps[1][-1] == (2, 2)


def test_the_shared_prefix_leaves_every_prompt_a_token_of_its_own() -> None:
    assert shared_prefix([[1, 2, 3], [1, 2, 3]]) == 2
    assert shared_prefix([[1, 2, 3, 4], [1, 2, 9]]) == 2


def test_models_without_a_chat_template_get_a_plain_one(tmp_path: Path) -> None:
    decoder = load_decoder(save_decoder(tmp_path, chat=False), "float32")
    prompts, labels = prompts_and_labels(decoder)
    assert score_labels(decoder, prompts, labels).shape == (4, 6)
    assert all(label[-1] == decoder.tokenizer.eos_token_id for label in labels)
