"""Endpoints, the hub and a cloud that are out of reach, slow, or lie: bounded, tried again, one sentence."""

import time
from pathlib import Path
from typing import Any

import pytest

from fault_server import Fault, FaultServer
from tuneworthy.core.endpoint import endpoint_of
from tuneworthy.core.errors import LaunchError, ModelError
from tuneworthy.launchers import sagemaker
from tuneworthy.models import chat, resolve
from tuneworthy.models.chat import ChatClient

FAULTS: tuple[Fault, ...] = ("refuse", "error", "half", "lie", "no JSON", "hang", "drip")
QUESTION: Any = [[{"role": "user", "content": "which label?"}]]


@pytest.mark.parametrize("fault", FAULTS)
def test_an_endpoint_on_a_bad_day_costs_bounded_time_and_is_one_sentence(
    fault: Fault, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chat, "TIMEOUT_S", 0.5)
    monkeypatch.setattr(chat, "RETRIES", 1)
    with FaultServer(fault) as server:
        endpoint = endpoint_of(f"openai:m@{server.url}/v1")
        assert endpoint is not None
        began = time.monotonic()
        with pytest.raises(ModelError, match=r"answered none of 1 questions|nothing answers at"):
            ChatClient(endpoint).ask(QUESTION, 5)
        assert time.monotonic() - began < 20
        tries = {"refuse": 0, "lie": 1, "no JSON": 1}.get(fault, 2)
        assert len(server.requests) == tries
    assert not list(Path().rglob("answers/*/*.json")), "what is no answer must not be kept as one"


@pytest.mark.parametrize("fault", ["hang", "drip"])
def test_a_hub_that_never_comes_to_an_end_is_left_behind(
    fault: Fault, monkeypatch: pytest.MonkeyPatch
) -> None:
    import huggingface_hub

    monkeypatch.setattr(resolve, "ANSWERS_IN_S", 1.0)
    with FaultServer(fault) as server:
        client = huggingface_hub.HfApi(endpoint=server.url)
        monkeypatch.setattr(huggingface_hub, "HfApi", lambda: client)
        began = time.monotonic()
        with pytest.raises(ModelError, match=r"did not give 'nobody/nothing' \(TimeoutError\)"):
            resolve.resolve("nobody/nothing")
        assert time.monotonic() - began < 15


@pytest.mark.parametrize("fault", ["refuse", "error", "half", "no JSON", "hang"])
def test_a_cloud_on_a_bad_day_is_one_sentence_after_a_few_tries(
    fault: Fault, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sagemaker, "CONNECT_S", 1)
    monkeypatch.setattr(sagemaker, "READ_S", 1)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    with FaultServer(fault) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)
        began = time.monotonic()
        with pytest.raises(LaunchError, match="cannot be asked"), sagemaker.asking_aws("AWS cannot be asked"):
            client = sagemaker.aws_client("sagemaker", {"profile": None, "region": "us-east-1"})
            client.describe_training_job(TrainingJobName="mine")["TrainingJobStatus"]
        assert time.monotonic() - began < 40
        assert len(server.requests) <= sagemaker.TRIES + 1
