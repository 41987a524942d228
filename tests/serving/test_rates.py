"""How often one client may ask a served run."""

import asyncio
from collections.abc import Sequence

import httpx

from tuneworthy.serving.server import Settings, serving


def answers(
    settings: Settings, asked: Sequence[tuple[str, str]], key: str | None = None
) -> list[httpx.Response]:
    """What the server says to requests of (client's address, path), one after another."""

    async def ask() -> list[httpx.Response]:
        found = []
        with serving({}, {}, settings, key) as server:
            for address, path in asked:
                transport = httpx.ASGITransport(server.config.app, client=(address, 1))  # type: ignore[arg-type]
                async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
                    found.append(await client.get(path))
        return found

    return asyncio.run(ask())


def test_a_client_that_asks_too_often_is_told_when_to_come_back_and_the_others_are_answered() -> None:
    asked = [*[("10.0.0.1", "/v1/models")] * 4, ("10.0.0.2", "/v1/models"), ("10.0.0.1", "/health")]
    found = answers(Settings(requests_per_minute=3), asked)
    assert [one.status_code for one in found] == [200, 200, 200, 429, 200, 200]
    assert found[3].json()["error"]["code"] == "rate_limited"
    assert 1 <= int(found[3].headers["Retry-After"]) <= 60


def test_a_key_that_is_guessed_counts_as_a_request() -> None:
    found = answers(Settings(requests_per_minute=2), [("10.0.0.1", "/v1/models")] * 3, key="k" * 16)
    assert [one.status_code for one in found] == [401, 401, 429]


def test_without_the_option_a_client_may_ask_as_often_as_it_likes() -> None:
    found = answers(Settings(), [("10.0.0.1", "/v1/models")] * 30)
    assert {one.status_code for one in found} == {200}
