"""Every file in `deployers/` keeps the contract: a dry run is a complete plan; no secrets, no network."""

import json
import re
import socket
from pathlib import Path

import pytest

from deployed import wanted
from tuneworthy import deploying
from tuneworthy.core.errors import ConsentError, MissingExtraError
from tuneworthy.deployers import DEPLOYERS, Deployment
from tuneworthy.serving.container import BEHIND, GUARDS

CANARY = "canary-91be"
SECRETS = ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AZURE_CLIENT_SECRET", "TUNEWORTHY_SERVE_KEY")


@pytest.fixture
def made(name: str, finished_run: Path, monkeypatch: pytest.MonkeyPatch) -> Deployment:
    """A plan, made with secrets in the environment and a network that raises."""

    def refused(*_: object, **__: object) -> None:
        raise AssertionError("a dry run has asked the network")

    for secret in SECRETS:
        monkeypatch.setenv(secret, CANARY)
    monkeypatch.setattr(socket.socket, "connect", refused)
    monkeypatch.setattr(socket, "getaddrinfo", refused)
    return deploying.dry_run(finished_run, None, wanted(name))


@pytest.mark.parametrize("name", DEPLOYERS.names())
def test_a_dry_run_is_a_complete_plan_and_leaves_nothing(name: str, made: Deployment) -> None:
    assert {file.what for file in made.cargo.files} >= {"fit", "what it is"}
    assert all(len(file.sha256) == 64 for file in made.cargo.files)
    assert made.plan.image and made.plan.place and made.plan.requests
    assert made.terms.price.source and made.terms.usd <= made.terms.max_cost
    said = json.dumps(made.plan.requests)
    assert f'"{BEHIND}": "{name}"' in said and name in GUARDS
    assert made.terms.instance in said and made.plan.image in said
    assert list(Path().iterdir()) == [] and CANARY not in made.model_dump_json()
    assert made.plan.endpoint in deploying.ask(made)


@pytest.mark.parametrize("name", DEPLOYERS.names())
def test_another_model_machine_or_image_has_another_name(name: str, made: Deployment) -> None:
    deployer, cargo, terms = DEPLOYERS.get(name), made.cargo, made.terms
    again = deployer.plan(cargo, terms).endpoint
    image = terms.model_copy(update={"options": {**terms.options, "image": f"{terms.options['image']}2"}})
    others = {
        deployer.plan(cargo.model_copy(update={"digest": "0" * 16}), terms).endpoint,
        deployer.plan(cargo, terms.model_copy(update={"instance": "another"})).endpoint,
        deployer.plan(cargo, image).endpoint,
    }
    assert again == made.plan.endpoint and len(others | {again}) == 4
    long = deployer.plan(cargo.model_copy(update={"stem": "a-b" * 50}), terms).endpoint
    assert len(long) <= 63 and re.fullmatch(r"[a-z0-9](-*[a-z0-9])*", long)


@pytest.mark.parametrize("name", DEPLOYERS.names())
def test_nothing_leaves_without_consent(name: str, made: Deployment, finished_run: Path) -> None:
    with pytest.raises((ConsentError, MissingExtraError)):
        deploying.deploy(finished_run, None, wanted(name))
    assert list(Path().iterdir()) == []


@pytest.mark.parametrize("name", DEPLOYERS.names())
def test_every_option_is_described(name: str) -> None:
    fields = DEPLOYERS.get(name).options.model_fields
    assert [key for key, field in fields.items() if not field.description] == []
