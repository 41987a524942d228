"""Many texts as token ids: what one call of the tokenizer gives, in a fraction of its memory."""

import subprocess
import sys
from typing import Any

import pytest
from tests.tiny_models import tiny_tokenizer

from tuneworthy.models.token_rows import AT_A_TIME, token_counts, token_rows

TEXTS = ["", *(f"the cat {'sat ' * (number % 7)}number {number}" for number in range(2 * AT_A_TIME + 3))]
PEAK = """
import resource, sys
sys.path.insert(0, {root!r})
from tests.tiny_models import tiny_tokenizer
from tuneworthy.models.token_rows import token_rows
tokenizer = tiny_tokenizer()
texts = [f"{{number}} " + "the cat sat on the mat " * 40 for number in range({texts})]
token_rows(tokenizer, texts[:256])
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
rows = token_rows(tokenizer, texts)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before, sum(map(len, rows)))
"""


@pytest.mark.parametrize("most", [None, 5])
def test_rows_are_those_of_one_call_of_the_tokenizer(most: int | None) -> None:
    tokenizer = tiny_tokenizer()
    options: dict[str, Any] = {} if most is None else {"truncation": True, "max_length": most}
    whole = tokenizer(TEXTS, **options)["input_ids"]
    assert [row.tolist() for row in token_rows(tokenizer, TEXTS, most)] == whole


def test_counts_are_of_the_texts_own_tokens() -> None:
    tokenizer = tiny_tokenizer()
    assert token_counts(tokenizer, TEXTS) == [
        len(tokenizer(text, add_special_tokens=False)["input_ids"]) for text in TEXTS
    ]


def test_memory_is_that_of_the_ids_and_not_of_what_a_tokenizer_records_beside_them(
    pytestconfig: pytest.Config,
) -> None:
    code = PEAK.format(root=str(pytestconfig.rootpath), texts=4000)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    kibibytes, tokens = map(int, done.stdout.split())
    assert 1024 * kibibytes < 40 * tokens  # an id has 4 bytes; one call for all takes 100 a token and more
