"""The best label by search is the best label by scoring them all."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from tiny_models import save_decoder
from toy import toy_rows
from tuneworthy.engine import best_first
from tuneworthy.engine.best_first import Offsets, best_labels
from tuneworthy.engine.encoding import encode_labels, encode_prompt
from tuneworthy.engine.scoring import score_labels
from tuneworthy.models.decoder import Decoder, load_decoder
from tuneworthy.tasks import TASKS

TASK = TASKS.get("text-classification")
LABELS = [
    "refund", "refund request", "refund request late", "late", "later", "account", "account closed", "a",
    "delivery", "delivery late", "order", "cancel my order",
]  # fmt: skip


def asked(decoder: Decoder, count: int = 40) -> tuple[list[list[int]], list[tuple[int, ...]]]:
    instruction = TASK.instruction(LABELS)
    prompts = [encode_prompt(decoder, TASK, instruction, row["text"]) for row in toy_rows(count)]
    return prompts, encode_labels(decoder, TASK, instruction, LABELS)


def corrected(raw: NDArray[np.float64], correction: str) -> Offsets:
    """Offsets of each kind; those with the mean as prior make the answer depend on the text."""
    count = raw.shape[1]
    lengths = np.random.default_rng(0).integers(1, 6, count).astype(float)
    return {
        "none": Offsets.none(count),
        "prior": Offsets(raw.mean(0), np.ones(count)),
        "length and prior": Offsets((raw / lengths).mean(0), lengths),
    }[correction]


@pytest.mark.parametrize("correction", ["none", "prior", "length and prior"])
@pytest.mark.parametrize("kind", ["llama", "qwen2", "qwen3", "gpt2", "phi", "mistral"])
def test_search_and_exhaustive_scoring_agree(kind: str, correction: str, tmp_path: Path) -> None:
    decoder = load_decoder(save_decoder(tmp_path, kind), "float32")
    prompts, labels = asked(decoder)
    raw = score_labels(decoder, prompts, labels)
    offsets = corrected(raw, correction)
    found = best_labels(decoder, prompts, labels, offsets)
    assert found == (raw / offsets.divisor - offsets.prior).argmax(1).tolist()
    assert correction == "none" or len(set(found)) > 2  # else any constant would pass


def test_a_batch_of_texts_answers_as_each_text_does(
    decoder_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoder = load_decoder(decoder_folder, "float32")
    prompts, labels = asked(decoder, 20)
    whole = best_labels(decoder, prompts, labels)
    monkeypatch.setattr(best_first, "TEXTS_AT_A_TIME", 3)
    assert best_labels(decoder, prompts, labels) == whole


def test_most_labels_are_never_computed(decoder_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    decoder = load_decoder(decoder_folder, "float32")
    prompts, labels = asked(decoder, 20)
    opened = 0
    original = best_first._Searches._open

    def count(*arguments: object) -> None:
        nonlocal opened
        opened += 1
        original(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(best_first._Searches, "_open", count)
    best_labels(decoder, prompts, labels)
    nodes = len(best_first.LabelTrie.build(labels).tokens)
    assert opened < 0.7 * len(prompts) * nodes


def test_one_text_alone_is_answered(decoder_folder: Path) -> None:
    decoder = load_decoder(decoder_folder, "float32")
    prompts, labels = asked(decoder, 1)
    assert best_labels(decoder, prompts, labels) == [int(score_labels(decoder, prompts, labels)[0].argmax())]
