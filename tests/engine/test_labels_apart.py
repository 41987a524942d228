"""Labels that look alike, hold one another or hold what ends an answer: told apart, or refused by name."""

import unicodedata
from pathlib import Path

import pytest
from tokenizers import normalizers

from tuneworthy.core.errors import DataError, ModelError
from tuneworthy.core.example import Example
from tuneworthy.engine.encoding import MOST_LABEL_TOKENS, encode_labels
from tuneworthy.engine.label_trie import LabelTrie
from tuneworthy.models.decoder import Decoder
from tuneworthy.models.token_counts import tokenizer_of
from tuneworthy.tasks import TASKS

TASK = TASKS.get("text-classification")
COMPOSED, APART = unicodedata.normalize("NFC", "café"), unicodedata.normalize("NFD", "café")


@pytest.fixture
def decoder(decoder_folder: Path) -> Decoder:
    return tokenizer_of(decoder_folder)


@pytest.mark.parametrize(
    "labels",
    [
        ("a", "ab", "abc", "a b"),
        (COMPOSED, APART),
        ("a", "а", "ａ"),  # Latin, Cyrillic, full width
        ("👍", "👍🏽", "👍🏾"),
        ("שלום", "שלום\u200f"),
        ("a", "a\n", "a\nb", "\na"),
        (" a", "a", "a "),
        ("x" * 1000, "x" * 999),
    ],
)
def test_every_label_has_a_path_and_an_answer_of_its_own(decoder: Decoder, labels: tuple[str, ...]) -> None:
    encoded = encode_labels(decoder, TASK, "", labels)
    trie = LabelTrie.build(encoded)
    assert len(set(trie.steps)) == len(labels)
    assert [TASK.parse(TASK.format(label), labels) for label in labels] == list(labels)


def test_twins_that_the_tokenizer_takes_for_one_are_refused_by_name(decoder: Decoder) -> None:
    decoder.tokenizer.backend_tokenizer.normalizer = normalizers.NFC()
    with pytest.raises(ModelError, match=r"caf\\xe9' and 'cafe\\u0301' as the same tokens"):
        encode_labels(decoder, TASK, "", (COMPOSED, APART))


@pytest.mark.parametrize("label", ["<|im_end|>", "yes<|im_end|>", "<|im_end|>yes"])
def test_a_label_that_holds_the_stop_token_is_text_or_refused(decoder: Decoder, label: str) -> None:
    try:
        [_, tokens] = encode_labels(decoder, TASK, "", ("yes", label))
    except ModelError as error:
        assert "holds what ends an answer" in str(error)
    else:
        assert tokens[-1] not in tokens[:-1]


def test_labels_too_long_to_be_scored_together_are_refused(decoder: Decoder) -> None:
    labels = tuple(f"{i} {'é' * 200}" for i in range(200))
    with pytest.raises(ModelError, match=f"more than the {MOST_LABEL_TOKENS}"):
        encode_labels(decoder, TASK, "", labels)


@pytest.mark.parametrize("task", ["text-classification", "multi-label"])
def test_a_label_of_ten_thousand_characters_is_a_text(task: str) -> None:
    rows = [Example(id=str(i), input="a", target="ab"[i % 2] * (10_000 if i % 2 else 1)) for i in range(40)]
    with pytest.raises(DataError, match="a label of 10000 characters"):
        TASKS.get(task).check_examples(rows)


def test_a_tree_of_a_long_label_takes_no_square_of_its_length() -> None:
    long = tuple(range(4000))
    trie = LabelTrie.build([long, (*long[:-1], 7)])
    assert len(trie.tokens) == 3999
    assert trie.path(3998) == list(range(3999))
