"""What is in the data stays data: no page runs it, and no page asks another host for anything."""

import json
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import pytest

from hostile import IMAGE, NAME, SCRIPT, TEMPLATE
from pages_server import PagesServer, Watched
from toy import toy_rows, write_csv


def test_no_page_runs_data_or_asks_another_host(server: PagesServer, browser: Any) -> None:
    watched = Watched(browser)
    page = watched.page
    page.goto(server.address)
    page.set_input_files("#upload input[type=file]", next(server.home.glob("hostile*.csv")))
    page.wait_for_url("**/?table=*")
    page.wait_for_selector("#tw-findings")
    for finding in page.locator("details.tw-finding summary").all():
        finding.click()
    assert "<script>" in page.locator("body").inner_text()  # shown, as text
    _is_inert(watched)
    id = page.url.partition("table=")[2]

    name = quote(NAME)
    page.goto(f"{server.root}/runs")
    page.get_by_role("link", name=NAME).wait_for()
    _is_inert(watched)
    page.goto(f"{server.root}/watch?run={name}")
    page.frame_locator("iframe.tw-report").locator("h1").wait_for()
    _is_inert(watched)
    page.goto(f"{server.root}/compare?first={name}&second={name}")
    page.locator("#comparison table").first.wait_for()
    _is_inert(watched)
    page.goto(f"{server.root}/playground?run={name}")
    page.wait_for_function("document.querySelector('#run input')?.value.startsWith('run ')")
    page.get_by_label("Your text").fill(f"{SCRIPT} {IMAGE} {TEMPLATE}")
    page.get_by_role("button", name="Ask both").click()
    page.get_by_role("region", name="Recommended model").get_by_text("answered in").wait_for()
    page.get_by_label("Or a row of the run").click()
    page.get_by_role("option").first.wait_for()
    _is_inert(watched)
    page.goto(f"{server.root}/review?table={id}")
    page.locator(".tw-card").wait_for()
    page.get_by_label("Change to").click()
    page.get_by_role("option").first.wait_for()
    _is_inert(watched)
    page.goto(f"{server.root}/?table={quote(IMAGE)}")
    page.get_by_role("alert").wait_for()
    _is_inert(watched)
    watched.close()


def _is_inert(watched: Watched) -> None:
    """Nothing of the data became markup, nothing ran or was kept from running, nobody else was asked."""
    page = watched.page
    found = "img[src=x], [onerror], [onload], iframe[srcdoc], a[href^='javascript'], link[href*=example]"
    assert page.evaluate(f"document.querySelectorAll({json.dumps(found)}).length") == 0
    assert page.evaluate("window.pwned === undefined")
    assert watched.said == []
    hosts = {urlsplit(url).hostname for url in watched.asked if urlsplit(url).scheme not in ("data", "blob")}
    assert hosts == {"127.0.0.1"}


@pytest.mark.parametrize(
    "place", ["/", "/config", "/watch", "/gradio_api/info", "/gradio_api/upload", "/theme.css"]
)
def test_nothing_is_served_without_the_token(server: PagesServer, browser: Any, place: str) -> None:
    context = browser.new_context()
    assert context.request.get(f"{server.root}{place}").status == 403
    assert context.request.post(f"{server.root}{place}").status == 403
    context.close()


def test_with_the_cookie_too_files_stay_out_of_reach(server: PagesServer, browser: Any) -> None:
    context = browser.new_context()
    ask = context.request
    assert ask.get(server.address).status == 200
    secret = server.home / "secret.csv"
    write_csv(secret, toy_rows(12))
    for place in (
        f"/gradio_api/file={secret}",
        "/gradio_api/file=/etc/passwd",
        "/gradio_api/proxy=https://far.example/",
        f"/report/{quote('../secret', safe='')}",
        "/report/..%2f..%2fetc",
        "/table/../secret.csv",
        "/table/x/..%2f..%2fsecret.csv",
        "/monitoring/summary",
        "/docs",
    ):
        answer = ask.get(f"{server.root}{place}")
        assert answer.status in (400, 403, 404, 405, 422), place
        assert "root:" not in answer.text()
    assert ask.get(f"{server.root}/", headers={"Host": "far.example"}).status == 403
    assert (
        ask.post(f"{server.root}/gradio_api/upload", headers={"Origin": "https://far.example"}).status == 403
    )
    assert _status_of_large_body(server, context.cookies()[0]) == 413
    kept = server.home / "runs" / ".ui" / "tables"
    before = set(kept.glob("*")) if kept.exists() else set()
    said = _pretend_uploaded(ask, server, secret)
    assert "?table=" not in said
    assert (set(kept.glob("*")) if kept.exists() else set()) == before
    context.close()


def _status_of_large_body(server: PagesServer, cookie: dict[str, str]) -> int:
    """What a request is answered that announces more than may be uploaded; nothing of it is sent."""
    connection = HTTPConnection("127.0.0.1", server.port, timeout=60)
    connection.putrequest("POST", "/gradio_api/upload")
    connection.putheader("Cookie", f"{cookie['name']}={cookie['value']}")
    connection.putheader("Content-Length", str(100 * 2**20))
    connection.endheaders()
    status = connection.getresponse().status
    connection.close()
    return status


def _pretend_uploaded(ask: Any, server: PagesServer, path: Path) -> str:
    """Calls what an upload calls, with a path of the server's disk; returns all that it answers."""
    config = ask.get(f"{server.root}/config").json()
    number = next(one["id"] for one in config["dependencies"] if [*one["targets"], [0, ""]][0][1] == "upload")
    file = {"path": str(path), "meta": {"_type": "gradio.FileData"}, "orig_name": "secret.csv"}
    call = {"data": [file], "fn_index": number, "session_hash": "abc", "trigger_id": None, "event_data": None}
    joined = ask.post(f"{server.root}/gradio_api/queue/join", data=call)
    assert joined.ok, joined.text()
    return str(ask.get(f"{server.root}/gradio_api/queue/data?session_hash=abc", timeout=60_000).text())
