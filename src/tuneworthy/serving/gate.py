"""What stands before every route: who may ask, how much, and whether the server still takes anything."""

import asyncio
import hashlib
import hmac
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from ipaddress import ip_address
from urllib.parse import urlsplit

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tuneworthy.serving.problems import ProblemError
from tuneworthy.serving.rates import Rates

SWAGGER = ("swagger-ui-bundle.js", "swagger-ui.css", "favicon-32x32.png")
# Answered without a key: they hold nothing of the user's.
HEALTH = ("/health", "/ping")  # answered while the server shuts down, too: they say so
OPEN = (*HEALTH, "/docs", "/openapi.json", *(f"/swagger/{name}" for name in SWAGGER))
METHODS = ("GET", "POST", "HEAD", "OPTIONS")  # counted by name: others could be anything
Told = Callable[[str, str, int, float], None]
Headers = list[tuple[bytes, bytes]]
BODY_S = 60.0  # that a client may take for a body
# What every answer says to a browser. The OpenAPI page has a script of its own in it; nothing else is a page.
HEADERS = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}
POLICY = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
DOCS_POLICY = (
    f"{POLICY}; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; connect-src 'self'"
)


def is_loopback(host: str) -> bool:
    """Whether this address is this machine's own."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


@dataclass
class Gatekeeper:
    """What the gate knows, and how the server and the gate tell each other.

    Attributes:
        hosts: names that a request may address the server by; empty for any. A page on the internet whose
            name is rebound to 127.0.0.1 sends its own name here, and is refused.
        key: the API key, or None where none is asked for.
        most_bytes: of a body.
        rates: how often a client may ask; None for as often as it likes.
        draining: whether what is new is refused.
        active: requests that are being answered.
    """

    hosts: frozenset[str]
    key: str | None
    most_bytes: int
    rates: Rates | None = None
    draining: bool = False
    active: int = 0
    told: Told = field(default=lambda method, route, status, seconds: None)

    def refuse(self, scope: Scope) -> ProblemError | None:
        """Why a request is not let in, or None."""
        headers = {
            name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]
        }
        if self.hosts and not self._addressed(headers.get("host", "")):
            return ProblemError(
                421,
                "this server answers to its own name alone: use http://127.0.0.1 or localhost.",
                code="host",
            )
        if self.key is None and not _own(headers):
            return ProblemError(
                403, "pages of other sites may not ask this server: call it from a program.", code="origin"
            )
        path = str(scope["path"])
        if path in HEALTH:
            return None
        if self.draining:
            return ProblemError(
                503,
                "the server is shutting down.",
                code="draining",
                headers={"Retry-After": "5", "Connection": "close"},
            )
        if self.rates is not None and (wait := self.rates.wait_s(_client(scope))):
            return ProblemError(
                429,
                f"one client may ask {self.rates.per_minute} times a minute: ask again in {wait} s.",
                code="rate_limited",
                headers={"Retry-After": str(wait)},
            )
        if self.key is not None and path not in OPEN and not self._knows_key(headers):
            return ProblemError(
                401,
                "the API key is missing or wrong: send it as 'Authorization: Bearer KEY'.",
                code="invalid_api_key",
                headers={"WWW-Authenticate": "Bearer"},
            )
        length = headers.get("content-length", "")
        if length.isdecimal() and (len(length) > 18 or int(length) > self.most_bytes):
            return self.too_large()
        return None

    def too_large(self) -> ProblemError:
        """A body over the limit."""
        return ProblemError(
            413,
            f"the body is larger than {self.most_bytes} bytes: send fewer texts a request.",
            code="too_large",
        )

    def _addressed(self, host: str) -> bool:
        try:
            return (urlsplit(f"//{host}").hostname or "") in self.hosts
        except ValueError:
            return False

    def _knows_key(self, headers: dict[str, str]) -> bool:
        """Compares in constant time, whatever was sent and however long it is."""
        scheme, _, sent = headers.get("authorization", "").partition(" ")
        given = sent.strip() if scheme.lower() == "bearer" else headers.get("x-api-key", "")
        return hmac.compare_digest(_digest(given), _digest(self.key or ""))


def _own(headers: dict[str, str]) -> bool:
    """Whether a request comes from a program, or from a page of this very server.

    A server without a key answers whoever is on this machine, and every page that its browser has open is.
    """
    origin, site = headers.get("origin"), headers.get("sec-fetch-site", "none")
    try:
        if origin is not None and urlsplit(origin).netloc != headers.get("host"):
            return False
    except ValueError:  # such as http://[
        return False
    return site in ("none", "same-origin") or headers.get("sec-fetch-mode") == "navigate"


def _client(scope: Scope) -> str:
    """The address that asks; behind a proxy on this machine the one that it forwards."""
    return str((scope.get("client") or ("unknown",))[0])


def loopback_names(host: str, more: Iterable[str] = ()) -> frozenset[str]:
    """What a server bound to this machine alone is called."""
    return frozenset({"localhost", "127.0.0.1", "::1", host, *more})


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


class Gate:
    """The keeper's rules around an application."""

    def __init__(self, app: ASGIApp, keeper: Gatekeeper) -> None:
        self._app, self._keeper = app, keeper

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Lets a request in or refuses it, and counts what is under way."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        keeper, started = self._keeper, time.monotonic()
        status = 500

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = int(message["status"])
                message = {**message, "headers": [*message["headers"], *_added(message["headers"])]}
            await send(message)

        problem = keeper.refuse(scope)
        try:
            if problem is not None:
                await problem.response(scope["path"])(scope, receive, watched)
                return
            keeper.active += 1
            try:
                await self._app(scope, self._measured(receive), watched)
            finally:
                keeper.active -= 1
        finally:
            route = getattr(scope.get("route"), "path", "refused" if problem else "unknown")
            method = scope["method"] if scope["method"] in METHODS else "OTHER"
            keeper.told(method, str(route), status, time.monotonic() - started)

    def _measured(self, receive: Receive) -> Receive:
        """A body that is counted as it comes, for clients that do not say how long it is."""
        keeper, seen, whole = self._keeper, 0, False
        until = time.monotonic() + BODY_S

        async def measured() -> Message:
            nonlocal seen, whole
            if whole:  # what comes now is that the client has left, whenever that is
                return await receive()
            try:
                message = await asyncio.wait_for(receive(), max(0.0, until - time.monotonic()))
            except TimeoutError:
                raise HTTPException(
                    408, f"the body did not come within {BODY_S:g} s: send it again."
                ) from None
            seen += len(message.get("body", b""))
            whole = not message.get("more_body", False)
            if seen > keeper.most_bytes:
                raise HTTPException(413, keeper.too_large().message)
            return message

        return measured


def _added(headers: Headers) -> Headers:
    """Our headers, where the application has not said otherwise."""
    said = {name.lower().decode("latin-1"): value for name, value in headers}
    page = said.get("content-type", b"").startswith(b"text/html")
    ours = {**HEADERS, "content-security-policy": DOCS_POLICY if page else POLICY}
    return [(name.encode(), value.encode()) for name, value in ours.items() if name not in said]
