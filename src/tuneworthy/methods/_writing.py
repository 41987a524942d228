"""Answers that are texts: written token by token, at most as long as the training answers were."""

from collections.abc import Sequence

from tuneworthy.core.example import Example
from tuneworthy.core.prediction import Prediction
from tuneworthy.engine.generation import generate
from tuneworthy.engine.scoring import Progress
from tuneworthy.methods import Setting
from tuneworthy.models.decoder import Decoder

MARGIN = 8  # tokens beyond the longest training answer
MOST = 512  # tokens of an answer, whatever the training answers had


def longest_answer(decoder: Decoder, setting: Setting, rows: Sequence[Example]) -> int:
    """Tokens an answer may have: the longest training answer and a margin."""
    answers = (setting.task.format(str(row.target)) for row in rows)
    return min(MOST, MARGIN + max((len(decoder.encode(answer)) for answer in answers), default=MOST))


def write_answers(
    decoder: Decoder,
    setting: Setting,
    prompts: Sequence[Sequence[int]],
    rows: Sequence[Example],
    longest: int,
    tell: Progress,
) -> list[Prediction]:
    """Greedy answers, with what the model wrote and what the task made of it."""
    messages = setting.task.messages(setting.instruction, "")
    stop = {decoder.encode_answer(messages, "x")[-1], decoder.tokenizer.eos_token_id}
    predictions = []
    for row, tokens in zip(
        rows, generate(decoder, prompts, sorted(stop), longest, progress=tell), strict=True
    ):
        raw = str(decoder.tokenizer.decode(tokens, skip_special_tokens=True))
        value = setting.task.parse(raw, setting.labels)
        predictions.append(
            Prediction(
                example_id=row.id, value=value, status="unparseable" if value is None else "parsed", raw=raw
            )
        )
    return predictions
