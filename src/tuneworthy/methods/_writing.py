"""Answers that are texts: written token by token, at most as long as the training answers were."""

from collections.abc import Sequence

from tuneworthy.core.example import Example
from tuneworthy.core.prediction import Prediction
from tuneworthy.engine.generation import generate
from tuneworthy.engine.scoring import Progress
from tuneworthy.methods import Setting
from tuneworthy.methods._constrained import write_constrained
from tuneworthy.models.decoder import Decoder
from tuneworthy.tasks import Schema
from tuneworthy.tasks._grammar import follows, grammar

MARGIN = 8  # tokens beyond the longest training answer
MOST = 512  # tokens of an answer, whatever the training answers had


def longest_answer(decoder: Decoder, setting: Setting, rows: Sequence[Example]) -> int:
    """Tokens an answer may have: the longest training answer and a margin."""
    answers = (decoder.apart(setting.task.format(str(row.target))) for row in rows)
    return min(MOST, MARGIN + max((len(decoder.encode(answer)) for answer in answers), default=MOST))


def write_answers(
    decoder: Decoder,
    setting: Setting,
    prompts: Sequence[Sequence[int]],
    rows: Sequence[Example],
    longest: int,
    schema: Schema | None,
    tell: Progress,
) -> list[Prediction]:
    """Greedy answers, with what the model wrote and what the task made of it.

    With a JSON Schema, answers that break it are written again so that they follow it; `raw` is what the
    model wrote freely.
    """
    messages = setting.task.messages(setting.instruction, "")
    stop = sorted({decoder.encode_answer(messages, "x")[-1], decoder.tokenizer.eos_token_id})
    written = generate(decoder, prompts, stop, longest, progress=tell)
    raws = [decoder.decode(tokens) for tokens in written]
    values = [setting.task.parse(raw, setting.labels) for raw in raws]
    valid: list[bool | None] = [None] * len(rows)
    if schema is not None:
        rules = grammar(schema)
        valid = [value is not None and follows(rules, value) for value in values]
        again = [i for i, fine in enumerate(valid) if not fine]
        if again:
            texts = write_constrained(
                decoder,
                rules,
                [prompts[i] for i in again],
                stop,
                longest,
                lambda done, total: tell(len(rows) - total + done, len(rows)),
            )
            for i, text in zip(again, texts, strict=True):
                values[i] = setting.task.parse(text, setting.labels)
    return [
        Prediction(
            example_id=row.id,
            value=value,
            status="unparseable" if value is None else "parsed",
            raw=raw,
            valid_without_constraint=fine,
        )
        for row, value, raw, fine in zip(rows, values, raws, valid, strict=True)
    ]
