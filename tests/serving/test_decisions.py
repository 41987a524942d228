"""System One as transformers speaks it, and OpenAI's decisions as its own client asks for them."""

import json
from typing import Any

import openai
import pytest
from transformers.decision import DecisionConfig, parse_questions

from tuneworthy.serving.decisions import openai_input, parsed, systemone_answer
from tuneworthy.serving.problems import ProblemError
from tuneworthy.serving.questions import QuestionError, choice, yes_or_no

LABELS = ("account", "delivery", "refund")
QUESTIONS: dict[str, dict[str, Any]] = {
    "which": {"type": "choice", "instructions": "?", "criteria": {"refund": "money", "delivery": None}},
    "all": {"type": "choice", "criteria": dict.fromkeys(LABELS)},
    "one": {"type": "choice", "criteria": {"refund": None}},
    "order": {"type": "score", "instructions": "?", "criteria": ["account", "refund", "delivery"]},
    "yes": {"type": "noul", "criteria": {"true": "refund", "false": "delivery"}},
}


@pytest.mark.parametrize(
    "shares",
    [{"account": 0.2, "delivery": 0.5, "refund": 0.3}, {"account": 0.0, "delivery": 1.0, "refund": 0.0}],
)
def test_answers_have_the_fields_and_numbers_of_transformers(shares: dict[str, float]) -> None:
    ours = parsed(QUESTIONS, LABELS)
    for theirs in parse_questions(QUESTIONS, DecisionConfig()):
        asked = ours[theirs.name]
        found = systemone_answer(asked, shares, QUESTIONS[theirs.name]["criteria"])
        expected = theirs.answer(asked.shares(shares))
        assert found == pytest.approx(expected) if theirs.type == "noul" else found.keys() == expected.keys()
        for key, value in expected.items():
            assert found[key] == (pytest.approx(value) if isinstance(value, float | dict) else value) or (
                key == "legend" and found[key] == value
            )


@pytest.mark.parametrize(
    "question",
    [
        {"type": "rank"},
        {"type": "choice"},
        {"type": "choice", "criteria": ["a"]},
        {"type": "choice", "criteria": {"refund": None}, "extra": 1},
        {"type": "score", "criteria": {}},
        {"type": "noul", "criteria": {"maybe": "refund"}},
        "no question",
    ],
)
def test_what_transformers_refuses_is_refused(question: Any, both: Any) -> None:
    with pytest.raises(ValueError):
        parse_questions({"q": question}, DecisionConfig())
    body = {"model": "probe", "state": "x", "questions": {"q": question}}
    response = both.post("/v1/systemone", body)
    assert response.status_code == 422
    assert response.json()["detail"][0]["loc"][:2] == ["body", "questions"]
    assert response.json()["error"]["message"]


def test_an_option_that_is_no_label_is_named_with_the_labels_there_are(both: Any) -> None:
    body = {
        "model": "probe",
        "state": "x",
        "questions": {"q": {"type": "choice", "criteria": {"spam": None}}},
    }
    message = both.post("/v1/systemone", body).json()["error"]["message"]
    assert "'spam'" in message and "'refund'" in message


@pytest.mark.parametrize("name", ["probe", "lora"])
def test_systemone_gives_the_probabilities_of_predict(name: str, both: Any) -> None:
    text = "my parcel is late"
    body = {"model": name, "state": text, "questions": QUESTIONS}
    answer = both.post("/v1/systemone", body).json()
    plain = both.post("/predict", {"model": name, "input": text}).json()
    assert answer["model"] == name
    assert answer["answers"]["all"]["probabilities"] == pytest.approx(plain["probabilities"], abs=2e-6)
    assert answer["answers"]["all"]["choice"] == plain["label"]
    assert answer["usage"]["input_tokens"] > 0 and answer["usage"]["output_tokens"] == 0


def test_more_options_than_letters() -> None:
    labels = [f"label number {i}" for i in range(77)]
    shares = {label: (i + 1) / sum(range(78)) for i, label in enumerate(labels)}
    answer = systemone_answer(choice(labels, labels), shares, None)
    assert answer["choice"] == labels[-1] and len(answer["probabilities"]) == 77


def test_yes_or_no_is_known_by_its_words_or_by_what_the_request_says() -> None:
    assert yes_or_no(None, None, ("No", "Yes")).labels == ("Yes", "No")
    assert (
        yes_or_no("refund", None, LABELS).shares({"account": 0.1, "delivery": 0.2, "refund": 0.7})[0] == 0.7
    )
    with pytest.raises(QuestionError, match="criteria"):
        yes_or_no("is it angry?", None, LABELS)


def test_the_openai_client_asks_and_reads(both: Any) -> None:
    client = openai.OpenAI(base_url=f"{both.url}/v1", api_key="none", max_retries=0)
    assert [one.id for one in client.models.list()] == ["probe", "lora"]
    assert client.models.retrieve("lora").id == "lora"
    found = client.decisions.create(
        model="probe",
        input=[{"role": "user", "content": [{"type": "input_text", "text": "my parcel is late"}]}],
        questions=[
            {
                "type": "choice",
                "name": "which",
                "instructions": "?",
                "choices": [{"value": "delivery"}, {"value": "refund", "description": "money"}],
            },
            {"type": "predicate", "name": "refund", "instructions": "Is it a refund?"},
            {
                "type": "score",
                "instructions": "?",
                "levels": [{"label": "account"}, {"label": "delivery"}, {"label": "refund"}],
            },
        ],
    )
    plain = both.post("/predict", {"model": "probe", "input": "my parcel is late"}).json()["probabilities"]
    which, predicate, rated = found.answers
    assert which.type == "choice" and which.name == "which"
    assert sum(one.probability for one in which.probabilities) == pytest.approx(1)
    assert predicate.type == "predicate" and predicate.probability == pytest.approx(plain["refund"], abs=2e-6)
    assert rated.type == "score" and [one.label for one in rated.probabilities] == list(LABELS)
    assert found.usage.total_tokens > 0


def test_errors_reach_the_openai_client_as_its_own(both: Any) -> None:
    client = openai.OpenAI(base_url=f"{both.url}/v1", api_key="none", max_retries=0)
    asked: Any = [{"type": "choice", "instructions": "?", "choices": [{"value": "a"}, {"value": "b"}]}]
    with pytest.raises(openai.NotFoundError) as unknown:
        client.decisions.create(model="gpt", input="x", questions=asked)
    assert unknown.value.code == "model_not_found" and unknown.value.param == "model"
    with pytest.raises(openai.BadRequestError, match="no label of this run"):
        client.decisions.create(model="probe", input="x", questions=asked)


def test_what_messages_and_tools_say_is_the_text_and_images_are_refused() -> None:
    said = openai_input(
        [
            {"role": "user", "content": "one"},
            {"role": "user", "content": [{"type": "input_text", "text": "two"}, {"type": "json", "a": 1}]},
            {"type": "function_call_output", "call_id": "1", "output": "three"},
        ]
    )
    assert said == 'one\n\ntwo\n\n{"a": 1}\n\nthree'
    with pytest.raises(ProblemError, match="images"):
        openai_input([{"role": "user", "content": [{"type": "input_image", "image_url": "data:"}]}])


CHOICE = {"type": "choice", "choices": [{"value": "refund"}, {"value": "account"}]}


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/v1/systemone", {"state": "a", "questions": {"q": {"type": ["choice"]}}}, 422),
        ("/v1/systemone", {"state": "a", "questions": {"\ud800": {"type": "noul"}}}, 422),
        ("/v1/decisions", {"input": [{"content": None}], "questions": [CHOICE]}, 422),
        ("/v1/decisions", {"input": [{"content": [5]}], "questions": [CHOICE]}, 422),
        ("/predict", {"input": "a", "model": "\ud800"}, 404),
        ("/predict", {"input": "a", "\ud800": 1}, 422),
    ],
)
def test_what_broke_the_server_once_is_the_clients_mistake(
    path: str, body: dict[str, Any], status: int, both: Any
) -> None:
    sent = json.dumps({"model": "probe", **body}).encode()
    response = both.client.post(path, content=sent, headers={"Content-Type": "application/json"})
    assert (response.status_code, response.json()["error"]["type"]) == (status, "invalid_request_error")
