"""`POST /v1/systemone` as `transformers serve` speaks it, `POST /v1/decisions` as the openai client does."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import APIRouter

from tuneworthy.core.strict_json import is_whole
from tuneworthy.serving.problems import SYSTEMONE, ProblemError
from tuneworthy.serving.questions import (
    Asked,
    QuestionError,
    choice,
    choice_confidence,
    score,
    score_and_confidence,
    yes_or_no,
)
from tuneworthy.serving.served import ServedRun
from tuneworthy.serving.service import Service
from tuneworthy.serving.wire import OpenAIDecisionRequest, OpenAIQuestion, SystemOneRequest

FIELDS = {"noul": {"type", "instructions", "criteria"}}
FIELDS |= {"choice": FIELDS["noul"], "score": FIELDS["noul"]}


def router(service: Service) -> APIRouter:
    """The two routes."""
    routes = APIRouter(tags=["decisions"])

    async def shares_of(run: ServedRun, given: Any, param: str) -> tuple[Mapping[str, float], int]:
        text = service.read(run, given, param)
        tokens = run.count_tokens(text)
        [prediction] = await service.predict(run, [text])
        found = run.probabilities(prediction)
        if found is None:
            raise ProblemError(
                400, f"'{run.name}' gives no probabilities: ask it by POST /predict.", param="model"
            )
        service.measures.answered(run.name, "decided")
        return found, tokens

    def labelled(name: str | None) -> ServedRun:
        run = service.run(name)
        if run.open:
            raise ProblemError(
                400, f"'{run.name}' answers no question with options: POST /predict.", param="model"
            )
        return run

    @routes.post(SYSTEMONE)
    async def systemone(request: SystemOneRequest) -> dict[str, Any]:
        """Typed questions about a state: choice, score, noul. Options are labels of the run."""
        run = labelled(request.model)
        asked = parsed(request.questions, run.labels)
        if request.assets:
            raise ProblemError(400, "Images need a model whose processor handles them.", param="assets")
        shares, tokens = await shares_of(run, request.state, "state")
        answers = {
            name: systemone_answer(one, shares, request.questions[name].get("criteria"))
            for name, one in asked.items()
        }
        usage = {"input_tokens": tokens, "output_tokens": 0}
        return {"model": run.name, "answers": answers, "usage": usage}

    @routes.post("/v1/decisions")
    async def decisions(request: OpenAIDecisionRequest) -> dict[str, Any]:
        """Predicates, choices and scores about an input, as `client.decisions.create` asks them."""
        run = labelled(request.model)
        asked = []
        for place, question in enumerate(request.questions):
            try:
                asked.append(openai_asked(question, run.labels))
            except QuestionError as error:
                raise ProblemError(
                    400, str(error), param=f"questions[{place}]", code="unknown_option"
                ) from None
        shares, tokens = await shares_of(run, openai_input(request.input), "input")
        answers = [
            openai_answer(question, one, shares)
            for question, one in zip(request.questions, asked, strict=True)
        ]
        usage = {
            "input_tokens": tokens,
            "input_tokens_details": {"cache_write_tokens": 0, "cached_tokens": 0},
            "output_tokens": 0,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": tokens,
        }
        return {"model": run.name, "answers": answers, "usage": usage}

    return routes


def parsed(questions: Mapping[str, Any], labels: Sequence[str]) -> dict[str, Asked]:
    """System One questions in the run's terms; raises ProblemError that names all that are wrong."""
    found, wrong = {}, []
    for name, question in questions.items():
        try:
            if not is_whole(name):
                raise QuestionError("its name holds NUL or half a character.")
            found[name] = systemone_asked(question, labels)
        except QuestionError as error:
            wrong.append(f"Question {name!r}: {error}")
    if wrong:
        raise ProblemError(422, "\n".join(wrong), param="questions", code="unknown_option")
    return found


def systemone_asked(question: Mapping[str, Any], labels: Sequence[str]) -> Asked:
    """One System One question; raises QuestionError."""
    kind, criteria = question.get("type"), question.get("criteria")
    if not isinstance(kind, str) or kind not in FIELDS:
        raise QuestionError(f"`type` must be one of {', '.join(FIELDS)}, got {kind!r}.")
    unknown = set(question) - FIELDS[kind]
    if unknown:
        raise QuestionError(f"unknown field {min(unknown)!r}: it has type, instructions, criteria.")
    if kind == "noul":
        if criteria is not None and (not isinstance(criteria, dict) or set(criteria) - {"true", "false"}):
            raise QuestionError("`criteria` of a noul question maps 'true' and 'false' to descriptions.")
        said = criteria or {}
        return yes_or_no(said.get("true"), said.get("false"), labels)
    if kind == "choice":
        if not isinstance(criteria, dict) or not criteria:
            raise QuestionError("a choice question needs `criteria` with its options.")
        return choice(list(criteria), labels)
    if not isinstance(criteria, list) or not criteria:
        raise QuestionError("a score question needs `criteria` with its options.")
    return score(criteria, labels)


def systemone_answer(asked: Asked, probabilities: Mapping[str, float], criteria: Any) -> dict[str, Any]:
    """The answer as transformers' `Question.answer` shapes it."""
    shares = asked.shares(probabilities)
    if asked.kind == "noul":
        return {"type": "noul", "noul": shares[0]}
    by_option = dict(zip(asked.options, shares, strict=True))
    if asked.kind == "choice":
        return {
            "type": "choice",
            "choice": max(by_option, key=lambda option: by_option[option]),
            "confidence": choice_confidence(shares),
            "probabilities": by_option,
        }
    mean, confidence = score_and_confidence(shares)
    return {
        "type": "score",
        "score": mean,
        "legend": dict(zip(asked.options, criteria, strict=True)),
        "confidence": confidence,
        "probabilities": by_option,
    }


def openai_asked(question: OpenAIQuestion, labels: Sequence[str]) -> Asked:
    """One question of OpenAI's; raises QuestionError."""
    if question.type == "predicate":
        return yes_or_no(question.name, None, labels)
    if question.type == "choice":
        if not question.choices:
            raise QuestionError("a choice needs `choices`.")
        return choice([one.value for one in question.choices], labels)
    if not question.levels:
        raise QuestionError("a score needs `levels`.")
    return score([level.label for level in question.levels], labels)


def openai_answer(
    question: OpenAIQuestion, asked: Asked, probabilities: Mapping[str, float]
) -> dict[str, Any]:
    """The answer as the openai client's `Decision` reads it."""
    shares = asked.shares(probabilities)
    named: dict[str, Any] = {"type": question.type, "name": question.name}
    if question.type == "predicate":
        return {**named, "probability": shares[0]}
    if question.type == "choice":
        values = [one.value for one in question.choices or ()]
        listed = [{"value": value, "probability": p} for value, p in zip(values, shares, strict=True)]
        best = max(range(len(shares)), key=lambda i: shares[i])
        confidence = choice_confidence(shares)
        return {**named, "choice": values[best], "confidence": confidence, "probabilities": listed}
    mean, confidence = score_and_confidence(shares)
    listed = [
        {"value": level, "label": one.label, "probability": p}
        for level, (one, p) in enumerate(zip(question.levels or (), shares, strict=True))
    ]
    return {**named, "score": mean, "confidence": confidence, "probabilities": listed}


def openai_input(given: str | Sequence[Mapping[str, Any]]) -> str:
    """The text of an OpenAI input: a string, or what messages and tools say, a blank line between them.

    Raises:
        ProblemError: it holds an image, or what is no text.
    """
    if isinstance(given, str):
        return given
    said: list[str] = []
    for place, item in enumerate(given):
        content = next((item[key] for key in ("content", "output", "input", "arguments") if key in item), "")
        for part in content if isinstance(content, list) else [content]:
            if isinstance(part, str):
                said.append(part)
            elif not isinstance(part, dict):
                raise ProblemError(
                    422,
                    "a message holds text, or parts with text.",
                    param=f"input.{place}",
                    code="invalid_input",
                )
            elif part.get("type") == "input_image":
                raise ProblemError(400, "images cannot be read: this run reads text.", param="input")
            elif "text" in part:
                said.append(str(part["text"]))
            else:
                plain = {key: value for key, value in part.items() if key != "type"}
                said.append(json.dumps(plain, ensure_ascii=False))
    return "\n\n".join(text for text in said if text)
