"""Who may ask: this browser, on this machine, with the token; and what its pages may load.

A page bound to loopback is still reachable by every other local user, by any web page the browser has open
(cross-site requests) and by names that are made to resolve to 127.0.0.1 (DNS rebinding). Hence a token,
a same-site cookie, a check of Host and Origin, and a content policy under which nothing foreign is loaded
and no script runs that the server did not send.
"""

import hmac
import html
import re
import secrets
from collections.abc import Awaitable, Callable, MutableMapping
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

TOKEN_BYTES = 32
LOOPBACK = ("127.0.0.1", "localhost", "::1")
SAFE = ("GET", "HEAD", "OPTIONS")
LARGEST_BODY = 64 * 2**20  # bytes of a request, uploads included
# Gradio compiles its HTML component's template with `Function`, hence 'unsafe-eval'; an inline handler or a
# script without this answer's nonce does not run.
POLICY = (
    "default-src 'self'; script-src 'self' 'nonce-{nonce}' 'strict-dynamic' 'unsafe-eval'; "
    "style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; font-src 'self' data:; "
    "connect-src 'self'; frame-src 'self'; "
    "object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'"
)
REFUSED_POLICY = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"
_SCRIPT = re.compile(rb"<script(?=[\s>])")
_FOREIGN = re.compile(rb"""<(?:meta|link)\b[^>]*https?://[^>]*>""")
# What Gradio says of itself to sites that preview a link; nobody shares an address of this machine.
_PREVIEW = re.compile(rb"""<meta\s+(?:property|name)="(?:og|twitter):[^>]*>""")
_REFUSED = """<!doctype html><html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1"><title>tuneworthy: {status}</title></head>
<body style="font: 16px/1.5 system-ui, sans-serif; max-width: 36em; margin: 3em auto; padding: 0 1em">
<h1>{title}</h1><p>{why}</p></body></html>"""


class TooLargeError(Exception):
    """A request's body is longer than allowed."""


class Guard:
    """An ASGI application in front of another: it refuses, or it passes on."""

    def __init__(self, app: App, token: str, port: int, largest_body: int = LARGEST_BODY) -> None:
        self._app = app
        self._token = token
        self._session = secrets.token_urlsafe(TOKEN_BYTES)  # the cookie; the token is for addresses
        self._cookie = f"tuneworthy-{port}"  # browsers share cookies among the ports of a host
        self._largest = largest_body

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuses what is not this browser's; hands over the rest, with its answers' headers hardened."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":  # the pages use no web sockets
            await receive()
            await send({"type": "websocket.close", "code": 1008})
            return
        headers = {name.lower().decode("latin-1"): each.decode("latin-1") for name, each in scope["headers"]}
        if not _is_loopback(headers.get("host", "")) or not _own(headers):
            await _refuse(send, 403, "This address is not served", "Open the one that `tuneworthy ui` shows.")
            return
        if b"token=" in scope["query_string"] or not self._knows(headers.get("cookie", "")):
            await self._visit(scope, send)
            return
        length = headers.get("content-length", "")
        if length.isdecimal() and (len(length) > 18 or int(length) > self._largest):
            await self._too_large(send)
            return
        try:
            await self._app(scope, _bounded(receive, self._largest), _hardened(send))
        except TooLargeError:
            await self._too_large(send)

    def _knows(self, cookies: str) -> bool:
        try:
            found = SimpleCookie(cookies).get(self._cookie)
        except CookieError:
            return False
        return found is not None and _same(found.value, self._session)

    async def _visit(self, scope: Scope, send: Send) -> None:
        """With the right token in the address: a cookie, and the same address without the token; else no."""
        query = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        given = [value for name, value in query if name == "token"]
        if scope["method"] != "GET" or len(given) != 1 or not _same(given[0], self._token):
            await _refuse(
                send,
                403,
                "The token is missing or old",
                "Open the address that `tuneworthy ui` shows in its terminal: it holds a token, which is new "
                "each time the server starts.",
            )
            return
        rest = urlencode([pair for pair in query if pair[0] != "token"])
        path = quote("/" + scope["path"].lstrip("/"))  # "//host" would be another host's address
        cookie = f"{self._cookie}={self._session}; Path=/; HttpOnly; SameSite=Strict"
        await send(
            {
                "type": "http.response.start",
                "status": 303,
                "headers": [
                    (b"location", f"{path}{'?' if rest else ''}{rest}".encode()),
                    (b"set-cookie", cookie.encode()),
                    (b"referrer-policy", b"no-referrer"),
                    (b"cache-control", b"no-store"),
                    (b"content-length", b"0"),
                ],
            }
        )
        await send({"type": "http.response.body", "body": b""})

    async def _too_large(self, send: Send) -> None:
        whole = self._largest // 2**20
        await _refuse(send, 413, "Too large", f"At most {whole} MiB can be sent; upload a sample.")


def _same(given: str, wanted: str) -> bool:
    """Equal, in a time that does not depend on where they differ."""
    return hmac.compare_digest(given.encode(), wanted.encode())


def _is_loopback(host: str) -> bool:
    """Whether a Host header names this machine itself, whatever the port (it may be forwarded).

    >>> _is_loopback("localhost:8377"), _is_loopback("[::1]"), _is_loopback("rebound.example")
    (True, True, False)
    """
    try:
        name = urlsplit(f"//{host}").hostname
    except ValueError:
        return False
    return name in LOOPBACK


def _own(headers: dict[str, str]) -> bool:
    """Whether the browser says that a request comes from one of our own pages, or from the address bar."""
    if headers.get("sec-fetch-site", "none") not in ("none", "same-origin"):
        return headers.get("sec-fetch-mode") == "navigate" and headers.get("sec-fetch-dest") == "document"
    origin = headers.get("origin")
    try:
        return origin is None or urlsplit(origin).netloc == headers.get("host")
    except ValueError:  # such as http://[
        return False


def _bounded(receive: Receive, largest: int) -> Receive:
    read = 0

    async def bounded() -> Message:
        nonlocal read
        message = await receive()
        read += len(message.get("body", b""))
        if read > largest:
            raise TooLargeError
        return message

    return bounded


def _hardened(send: Send) -> Send:
    """Answers with our headers; scripts of a page get the nonce that lets them run, foreign links are cut."""
    nonce = secrets.token_urlsafe(16)
    start: Message = {}
    page: list[bytes] = []

    async def hardened(message: Message) -> None:
        if message["type"] == "http.response.start":
            start.update(message)
            start["headers"] = [*_kept(message["headers"]), *_added(message["headers"], nonce)]
            if not _is_page(message["headers"]):
                await send(start)
            return
        if not _is_page(start["headers"]):
            await send(message)
            return
        page.append(message.get("body", b""))
        if message.get("more_body"):
            return
        body = _SCRIPT.sub(f'<script nonce="{nonce}"'.encode(), b"".join(page))
        body = _PREVIEW.sub(b"", _FOREIGN.sub(b"", body))
        start["headers"].append((b"content-length", str(len(body)).encode()))
        await send(start)
        await send({"type": "http.response.body", "body": body})

    return hardened


Headers = list[tuple[bytes, bytes]]


def _is_page(headers: Headers) -> bool:
    return any(name.lower() == b"content-type" and value.startswith(b"text/html") for name, value in headers)


def _kept(headers: Headers) -> Headers:
    """What the application answered, without another site's permission to read it."""
    dropped = (b"access-control-", b"content-length") if _is_page(headers) else (b"access-control-",)
    return [(name, value) for name, value in headers if not name.lower().startswith(dropped)]


def _added(headers: Headers, nonce: str) -> Headers:
    said = {name.lower() for name, _ in headers}
    ours = {
        b"content-security-policy": POLICY.format(nonce=nonce).encode(),
        b"x-content-type-options": b"nosniff",
        b"referrer-policy": b"no-referrer",
        b"cross-origin-opener-policy": b"same-origin",
        b"cross-origin-resource-policy": b"same-origin",
    }
    if _is_page(headers):
        ours[b"cache-control"] = b"no-store"
        said.discard(b"cache-control")
    return [(name, value) for name, value in ours.items() if name not in said]


async def _refuse(send: Send, status: int, title: str, why: str) -> None:
    body = _REFUSED.format(status=status, title=html.escape(title), why=html.escape(why)).encode()
    headers = [
        (b"content-type", b"text/html; charset=utf-8"),
        (b"content-length", str(len(body)).encode()),
        (
            b"content-security-policy",
            b"default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
        ),
        (b"x-content-type-options", b"nosniff"),
        (b"referrer-policy", b"no-referrer"),
        (b"cache-control", b"no-store"),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
