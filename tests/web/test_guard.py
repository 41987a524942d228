"""Who is let in: the right token, the right cookie, a loopback name, and nobody from another site."""

from typing import Any

import pytest

from tuneworthy.web.guard import Guard

TOKEN = "right-token"
HOST = {"host": "127.0.0.1:8377"}


async def _app(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Reads the whole body, and answers with a page that holds a script and a foreign link."""
    while (await receive()).get("more_body"):
        pass
    page = b'<link rel="preconnect" href="https://fonts.example"><script>1</script><p>in'
    page = b'<meta property="og:title" content="Gradio" />' + page
    headers = [
        (b"content-type", b"text/html; charset=utf-8"),
        (b"content-length", str(len(page)).encode()),
        (b"access-control-allow-origin", b"*"),
    ]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": page})


def _ask(
    guard: Guard, path: str = "/", query: str = "", method: str = "GET", body: bytes = b"", **headers: str
) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body of one request."""
    sent: list[dict[str, Any]] = []
    parts = [body[i : i + 10] for i in range(0, len(body), 10)] or [b""]
    messages = [{"type": "http.request", "body": part, "more_body": part is not parts[-1]} for part in parts]

    async def receive() -> dict[str, Any]:
        return messages.pop(0)

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    given = {**HOST, **{name.replace("_", "-"): value for name, value in headers.items()}}
    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "query_string": query.encode(),
        "headers": [(name.encode(), value.encode("latin-1")) for name, value in given.items()],
    }
    with pytest.raises(StopIteration):  # nothing here waits, so no event loop is needed
        guard(scope, receive, send).send(None)
    answered = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return sent[0]["status"], answered, b"".join(message.get("body", b"") for message in sent[1:])


@pytest.fixture
def guard() -> Guard:
    return Guard(_app, TOKEN, 8377, largest_body=100)


@pytest.fixture
def cookie(guard: Guard) -> str:
    return _ask(guard, query=f"token={TOKEN}")[1]["set-cookie"].split(";")[0]


def test_the_token_is_traded_for_a_cookie_and_leaves_the_address(guard: Guard) -> None:
    status, headers, _ = _ask(guard, "/watch", f"run=a%2Fb&token={TOKEN}")
    assert (status, headers["location"]) == (303, "/watch?run=a%2Fb")
    assert "HttpOnly" in headers["set-cookie"]
    assert "SameSite=Strict" in headers["set-cookie"]
    assert TOKEN not in headers["set-cookie"]


@pytest.mark.parametrize(
    "query", ["", "token=", "token=no", f"token={TOKEN}&token={TOKEN}", f"Token={TOKEN}"]
)
def test_no_other_token_opens(guard: Guard, query: str) -> None:
    status, headers, body = _ask(guard, query=query)
    assert status == 403
    assert "set-cookie" not in headers
    assert b"<p>in" not in body


def test_a_token_does_not_open_a_post(guard: Guard) -> None:
    assert _ask(guard, query=f"token={TOKEN}", method="POST")[0] == 403


def test_a_token_leaves_the_address_on_a_later_visit_too(guard: Guard, cookie: str) -> None:
    assert _ask(guard, query=f"token={TOKEN}", cookie=cookie)[0] == 303
    assert _ask(guard, query="token=old", cookie=cookie)[0] == 403


def test_the_cookie_opens_and_one_of_another_server_does_not(guard: Guard, cookie: str) -> None:
    assert _ask(guard, cookie=cookie)[0] == 200
    assert _ask(Guard(_app, TOKEN, 8377), cookie=cookie)[0] == 403


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "192.168.0.7:8377", "", "[::2]"])
def test_a_name_that_is_not_this_machine_is_refused(guard: Guard, cookie: str, host: str) -> None:
    assert _ask(guard, cookie=cookie, host=host)[0] == 403
    assert _ask(guard, query=f"token={TOKEN}", host=host)[0] == 403


@pytest.mark.parametrize("host", ["localhost:8377", "127.0.0.1", "[::1]:8377", "localhost:9000"])
def test_names_of_this_machine_are_let_in_on_a_forwarded_port_too(
    guard: Guard, cookie: str, host: str
) -> None:
    assert _ask(guard, cookie=cookie, host=host)[0] == 200


def test_another_site_cannot_ask_even_with_the_cookie(guard: Guard, cookie: str) -> None:
    assert _ask(guard, cookie=cookie, method="POST", origin="https://evil.example")[0] == 403
    assert _ask(guard, cookie=cookie, method="POST", origin="null")[0] == 403
    assert _ask(guard, cookie=cookie, method="POST", sec_fetch_site="cross-site")[0] == 403
    assert _ask(guard, cookie=cookie, method="POST", origin="http://127.0.0.1:8377")[0] == 200


def test_a_body_that_is_too_large_is_refused_whether_or_not_it_says_so(guard: Guard, cookie: str) -> None:
    assert _ask(guard, cookie=cookie, method="POST", body=b"x" * 90)[0] == 200
    assert _ask(guard, cookie=cookie, method="POST", body=b"x" * 101)[0] == 413
    assert _ask(guard, cookie=cookie, method="POST", content_length="101")[0] == 413


def test_a_page_runs_its_own_scripts_alone_and_names_no_other_host(guard: Guard, cookie: str) -> None:
    _, headers, body = _ask(guard, cookie=cookie)
    nonce = body.split(b'nonce="')[1].split(b'"')[0].decode()
    policy = headers["content-security-policy"]
    assert f"'nonce-{nonce}'" in policy
    assert "script-src 'self' 'unsafe-inline'" not in policy
    assert b"https://" not in body and b"Gradio" not in body
    assert int(headers["content-length"]) == len(body)
    assert "access-control-allow-origin" not in headers


def test_every_answer_of_the_pages_has_the_headers_that_browsers_go_by(guard: Guard, cookie: str) -> None:
    for status, headers, _ in (
        _ask(guard),
        _ask(guard, cookie=cookie),
        _ask(guard, cookie=cookie, host="evil.example"),
        _ask(guard, cookie=cookie, method="POST", body=b"x" * 101),
    ):
        assert headers["x-content-type-options"] == "nosniff", status
        assert headers["referrer-policy"] == "no-referrer"
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert not [name for name in headers if name.startswith("access-control-")]


@pytest.mark.parametrize("length", ["-1", "abc", "1e9", ""])
def test_a_length_that_is_none_is_not_believed(guard: Guard, cookie: str, length: str) -> None:
    assert _ask(guard, cookie=cookie, method="POST", body=b"x" * 101, content_length=length)[0] == 413


@pytest.mark.parametrize("length", ["\xb2", "9" * 5000, "-1", "1e9", "abc"])
def test_a_length_that_is_no_number_is_no_failure(guard: Guard, cookie: str, length: str) -> None:
    refused = 413 if length.isdecimal() else 200
    assert _ask(guard, cookie=cookie, method="POST", content_length=length)[0] == refused


def test_an_origin_that_is_no_address_is_another_site(guard: Guard, cookie: str) -> None:
    assert _ask(guard, cookie=cookie, method="POST", origin="http://[")[0] == 403


def test_a_path_with_line_ends_writes_no_header(guard: Guard) -> None:
    status, headers, _ = _ask(guard, "/a\r\nset-cookie: b=c", f"token={TOKEN}")
    assert (status, headers["location"]) == (303, "/a%0D%0Aset-cookie%3A%20b%3Dc")
