"""Some of a job's rows as tokens, before any model is loaded."""

from collections.abc import Sequence
from pathlib import Path
from zlib import crc32

import numpy as np

from tuneworthy.core.errors import ModelError
from tuneworthy.core.example import Example
from tuneworthy.core.job import Job
from tuneworthy.engine.encoding import EncodedRow, cut_input, encode_row
from tuneworthy.methods import METHODS
from tuneworthy.models.decoder import Decoder
from tuneworthy.models.resolve import at_hand
from tuneworthy.models.token_counts import tokenizer_of
from tuneworthy.tasks import TASKS
from tuneworthy.tasks._prompted import with_prompt
from tuneworthy.units.plan import Question, validated_parameters

Rows = tuple[EncodedRow, ...]

LONGEST, DRAWN = 32, 64  # rows looked at: those with the most characters, and others drawn at random
EMBEDDED = "smollm2-135m"
CHARACTERS = 4  # of English text in a token of the usual vocabularies, where no tokenizer is at hand
ANSWER = 16


def rows_ahead(
    job: Job, question: Question, examples: Sequence[Example], folder: Path | None = None
) -> tuple[Rows, Rows, str]:
    """The longest rows, the longest first; some others drawn at random; and how their tokens were counted.

    Args:
        job: what to do.
        question: what every row is asked.
        examples: all rows.
        folder: of the job's base model, where it has been brought already.
    """
    by_length = sorted(examples, key=lambda row: len(row.input), reverse=True)
    drawn = np.random.default_rng(job.seed).permutation(len(examples))[:DRAWN]
    task = with_prompt(TASKS.get(job.task), question.prompt, question.labels)
    decoder, told = (tokenizer_of(folder), "") if folder else tokenizer_at_hand(job.base_model)
    limit = int(validated_parameters(METHODS.get("lora"), job)["max_input_tokens"])

    def encoded(example: Example) -> EncodedRow:
        if decoder is None:
            return _by_characters(question.instruction, example, limit)
        text = cut_input(decoder, example.input, limit)
        return encode_row(decoder, task, question.instruction, example.model_copy(update={"input": text}))

    longest = sorted(map(encoded, by_length[:LONGEST]), key=lambda row: row.length, reverse=True)
    return tuple(longest), tuple(encoded(examples[i]) for i in drawn), told


def rows_of_length(length: int, count: int = DRAWN) -> Rows:
    """Rows of so many tokens that share nothing; the last `ANSWER` of them are the answer."""
    answer = min(ANSWER, length - 1)
    return tuple(EncodedRow(str(row), (row,) * (length - answer), (row,) * answer) for row in range(count))


def tokenizer_at_hand(name: str) -> tuple[Decoder | None, str]:
    """The model's tokenizer, or another one that is at hand; what to say when it is not its own."""
    for known in dict.fromkeys([name, EMBEDDED]):
        folder = at_hand(known)
        try:
            if folder is not None:
                own = (
                    ""
                    if known == name
                    else f"Tokens were counted by {known}'s tokenizer, as {name} is not here."
                )
                return tokenizer_of(folder), own
        except ModelError:
            continue
    return None, f"Tokens were taken to be {CHARACTERS} characters each: no tokenizer is here."


def _by_characters(instruction: str, example: Example, limit: int) -> EncodedRow:
    """A row whose tokens are pieces of equal length; equal beginnings have equal tokens."""

    def cut(text: str) -> tuple[int, ...]:
        return tuple(crc32(text[at : at + CHARACTERS].encode()) for at in range(0, len(text), CHARACTERS))

    return EncodedRow(
        example.id, (*cut(instruction), *cut(example.input)[:limit]), (*cut(str(example.target)), 0)
    )
