"""Every file in `launchers/` keeps the contract: a dry run is a complete plan; no secrets, no network."""

import json
import socket
from pathlib import Path

import pytest

from launched import toy_job, unexamined, wanted
from tuneworthy import launching
from tuneworthy.core.errors import ConsentError, MissingExtraError
from tuneworthy.launchers import LAUNCHERS
from tuneworthy.launching import Prepared

__all__ = ["unexamined"]
CANARY = "canary-5f1d"
SECRETS = (
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AZURE_CLIENT_SECRET",
    "HF_TOKEN",
    "OPENAI_API_KEY",
    "TUNEWORTHY_API_KEY",
    "WANDB_API_KEY",
)


@pytest.fixture
def guarded(monkeypatch: pytest.MonkeyPatch, unexamined: None) -> None:
    """Secrets in the environment, and a network that raises."""

    def refused(*_: object, **__: object) -> None:
        raise AssertionError("a dry run has asked the network")

    for name in SECRETS:
        monkeypatch.setenv(name, CANARY)
    monkeypatch.setattr(socket.socket, "connect", refused)
    monkeypatch.setattr(socket, "getaddrinfo", refused)


@pytest.fixture
def made(name: str, guarded: None) -> Prepared:
    return launching.dry_run(toy_job("tracking=[wandb]"), wanted(name))


@pytest.mark.parametrize("name", LAUNCHERS.names())
def test_a_dry_run_is_a_complete_plan_and_leaves_nothing(name: str, made: Prepared) -> None:
    handle = made.handle
    assert {file.what for file in handle.parcel.files} >= {"rows", "job", "package", "versions", "script"}
    assert all(file.size >= 0 and len(file.sha256) == 64 for file in handle.parcel.files)
    assert handle.where.image and handle.where.place and handle.where.request
    assert handle.terms.instance and handle.terms.price.source and handle.terms.usd <= handle.terms.max_cost
    assert handle.parcel.tags["tuneworthy-data"] == launching_fingerprint()
    assert len(handle.parcel.name) <= 63 and made.foreseen
    assert sorted(path.name for path in Path().iterdir()) == ["toy.csv"]
    text = handle.model_dump_json() + made.foreseen
    assert CANARY not in text and "wandb" not in text
    json.loads(handle.model_dump_json())


def launching_fingerprint() -> str:
    """Of the rows, as every run says it."""
    from tuneworthy.data.loading import load

    return load(toy_job()).dataset.fingerprint


@pytest.mark.parametrize("name", LAUNCHERS.names())
def test_what_a_launcher_writes_holds_no_secret_and_rows_leave_by_consent_only(
    name: str, guarded: None
) -> None:
    launcher = LAUNCHERS.get(name)
    try:
        handle = launching.launch(toy_job(), wanted(name))
    except (ConsentError, MissingExtraError) as error:
        assert CANARY not in str(error)
        assert not list(Path().glob("runs/launched/*"))
        assert isinstance(error, MissingExtraError) or name in ("sagemaker", "azureml", "ray")
        return
    assert not handle.where.leaves
    for path in Path().rglob("*"):
        assert not path.is_file() or CANARY.encode() not in path.read_bytes()
    assert launcher.status(handle).phase == "written"


@pytest.mark.parametrize("name", LAUNCHERS.names())
def test_every_option_is_described(name: str) -> None:
    fields = LAUNCHERS.get(name).options.model_fields
    assert [key for key, field in fields.items() if not field.description] == []
