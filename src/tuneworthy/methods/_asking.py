"""Answers of a model behind an endpoint: it writes, the task reads; no scores, so no prior to correct."""

import statistics
from collections.abc import Sequence
from typing import Any

from tuneworthy.core.endpoint import Endpoint
from tuneworthy.core.example import Example
from tuneworthy.core.prediction import Prediction
from tuneworthy.methods import Setting
from tuneworthy.methods._writing import MARGIN, MOST
from tuneworthy.models.chat import AT_A_TIME, Answer, ChatClient, Progress, Unanswered, counted_tokens
from tuneworthy.tasks import Message

CHARACTERS_PER_ANSWER_TOKEN = 2  # fewer than in English prose: its tokenizer is not here, an answer must fit
CHARACTERS_PER_INPUT_TOKEN = 4


def longest_written(setting: Setting, rows: Sequence[Example]) -> int:
    """Tokens an answer may have: the longest label or training answer, in characters, and a margin."""
    targets = [str(row.target) for row in rows] if setting.task.open else setting.labels
    answers = (setting.task.format(target) for target in targets)
    characters = max(map(len, answers), default=CHARACTERS_PER_ANSWER_TOKEN * MOST)
    return min(MOST, MARGIN + -(-characters // CHARACTERS_PER_ANSWER_TOKEN))


def ask_endpoint(
    endpoint: Endpoint,
    setting: Setting,
    rows: Sequence[Example],
    chats: Sequence[Sequence[Message]],
    longest: int,
    tell: Progress,
) -> tuple[list[Prediction], dict[str, Any]]:
    """One prediction per row, in order, and what the answers cost.

    Raises:
        ModelError: see `ChatClient.ask`.
    """
    answers = ChatClient(endpoint).ask(chats, longest, tell)
    predictions = [_prediction(setting, row, answer) for row, answer in zip(rows, answers, strict=True)]
    return predictions, _usage([answer for answer in answers if isinstance(answer, Answer)])


def _prediction(setting: Setting, row: Example, answer: Answer | Unanswered) -> Prediction:
    if isinstance(answer, Unanswered):
        return Prediction(example_id=row.id, value=None, status="failed", raw=answer.why)
    value = setting.task.parse(answer.said, setting.labels)
    status = "unparseable" if value is None else "parsed"
    return Prediction(example_id=row.id, value=value, status=status, raw=answer.text)


def _usage(answers: Sequence[Answer]) -> dict[str, Any]:
    """Facts of the answers, whether they were asked now or before: the same run costs the same again."""
    read, written = counted_tokens(answers)
    return {
        "answered_by": sorted({answer.model for answer in answers}),
        "requests": len(answers),
        "prompt_tokens": read,
        "completion_tokens": written,
        "answers_cut": sum(not answer.whole for answer in answers),
        "seconds_per_request": statistics.median(answer.seconds for answer in answers),
        "temperature": 0 if all(answer.greedy for answer in answers) else "the model's own",
        "seconds_answered_before": round(sum(a.seconds for a in answers if a.stored) / AT_A_TIME, 4),
    }
