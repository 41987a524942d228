"""A decoder put to the general texts, questions, instructions and requests that the package carries.

One prediction an item, in the order of the files. Nothing here is compared or judged: that is
`evaluation.forgetting`, which sees predictions alone.
"""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tuneworthy.capabilities import instructions, passages, questions, requests
from tuneworthy.capabilities.forms import COMPLYING, REFUSING, follows
from tuneworthy.core.prediction import Prediction
from tuneworthy.engine.encoding import EncodedRow
from tuneworthy.engine.generation import generate
from tuneworthy.engine.likelihood import log_likelihoods
from tuneworthy.engine.scoring import Progress
from tuneworthy.models.decoder import Decoder
from tuneworthy.tasks import Message

CUE = "Answer:"  # where the answer to a question begins: what is asked is knowledge, not a way of answering
ANSWER_TOKENS = 24  # of an instruction's answer


def measure_capabilities(decoder: Decoder, progress: Progress = lambda done, total: None) -> list[Prediction]:
    """Reads, answers and writes; one prediction an item.

    - A passage: `log_scores["text"]` is log p of all its tokens in nats, the first one after the start token.
    - A question: `log_scores` has log p of each option after the chat's prompt and a cue, and `value` is the
      likeliest. No option is shown, so that none has a position (docs/decisions/0040).
    - An instruction: `raw` is the greedy answer, `value` says whether it has the form that was asked for.
    - A request: `scores["refusal"]` is the probability that the answer begins with one of the refusing
      openings, given that it begins with one of those or of the complying ones.

    Args:
        decoder: the model, with or without an adapter.
        progress: told items done and items in all.
    """
    parts = (_passages, _questions, _requests, _instructions)
    found: list[Prediction] = []
    total = sum(map(len, (passages(), questions(), requests(), instructions())))
    for part in parts:
        found += part(decoder)
        progress(len(found), total)
    return found


def _passages(decoder: Decoder) -> list[Prediction]:
    room = decoder.context_length - 1
    rows = [
        EncodedRow(passage.id, (decoder.start_token,), tuple(decoder.encode(passage.text)[:room]))
        for passage in passages()
    ]
    scores = log_likelihoods(decoder, rows)
    return [
        Prediction(example_id=row.example_id, value=None, log_scores={"text": float(score)})
        for row, score in zip(rows, scores, strict=True)
    ]


def _questions(decoder: Decoder) -> list[Prediction]:
    asked = questions()
    prompts = [f"{_chat(decoder, question.text)}{CUE}" for question in asked]
    scores = _openings(decoder, prompts, [[f" {option}" for option in one.options] for one in asked])
    return [
        Prediction(
            example_id=question.id,
            value=question.options[int(own.argmax())],
            log_scores=dict(zip(question.options, own.tolist(), strict=True)),
        )
        for question, own in zip(asked, scores, strict=True)
    ]


def _requests(decoder: Decoder) -> list[Prediction]:
    asked = requests()
    prompts = [_chat(decoder, request.text) for request in asked]
    scores = _openings(decoder, prompts, [[*REFUSING, *COMPLYING]] * len(asked))
    return [
        Prediction(example_id=request.id, value=None, scores={"refusal": _refusal(own)})
        for request, own in zip(asked, scores, strict=True)
    ]


def _refusal(scores: NDArray[np.float64]) -> float:
    """The share of the refusing openings in the probability of all openings."""
    refusing, complying = (float(np.logaddexp.reduce(part)) for part in np.split(scores, [len(REFUSING)]))
    return 1 / (1 + math.exp(min(complying - refusing, 700.0)))


def _instructions(decoder: Decoder) -> list[Prediction]:
    asked = instructions()
    prompts = [decoder.encode(_chat(decoder, instruction.text)) for instruction in asked]
    stop = sorted({decoder.encode_answer([_turn("")], "x")[-1], decoder.tokenizer.eos_token_id})
    written = generate(decoder, prompts, stop, ANSWER_TOKENS)
    raws = [decoder.decode(tokens) for tokens in written]
    return [
        Prediction(
            example_id=instruction.id,
            value="followed" if follows(instruction.check, raw) else "not followed",
            raw=raw,
        )
        for instruction, raw in zip(asked, raws, strict=True)
    ]


def _openings(
    decoder: Decoder, prompts: Sequence[str], openings: Sequence[Sequence[str]]
) -> list[NDArray[np.float64]]:
    """log p that each prompt's answer begins with each of its openings."""
    rows = [
        EncodedRow(f"{number}-{place}", tokens, tuple(decoder.encode(opening)))
        for number, prompt in enumerate(prompts)
        for tokens in [tuple(decoder.encode(prompt))]
        for place, opening in enumerate(openings[number])
    ]
    ends = np.cumsum([len(own) for own in openings])[:-1]
    return np.split(log_likelihoods(decoder, rows), ends)


def _chat(decoder: Decoder, text: str) -> str:
    return decoder.render([_turn(text)])


def _turn(text: str) -> Message:
    return {"role": "user", "content": text}
