"""From upload to verdict to playground, as a person does it in a browser; the server dies once on the way."""

import csv
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pages_server import PagesServer, Watched

JOB = """\
data: {{path: desk.csv, input: [text], target: label}}
arms: [majority, tfidf, zero_shot, lora]
base_model: {model}
protocol: holdout
threads: 1
workers: 1
resamples: 500
curve: {{arms: []}}
zero_shot: {{calibration_rows: 6}}
lora: {{max_steps: 60, learning_rate: 0.01}}
"""


@pytest.fixture
def watched(browser: Any) -> Iterator[Watched]:
    opened = Watched(browser)
    yield opened
    opened.close()


def test_from_upload_to_playground_over_a_killed_server(server: PagesServer, watched: Watched) -> None:
    page = watched.page
    page.goto(server.address)
    page.set_input_files("#upload input[type=file]", server.home / "desk.csv")
    page.wait_for_url("**/?table=*")
    page.get_by_role("heading", name="desk.csv").wait_for()
    page.get_by_role("heading", name=re.compile("in the data")).wait_for()
    proposed = page.get_by_label("The job (YAML); edit what you like")
    assert "target: label" in proposed.input_value()

    proposed.fill("data: {path: /etc/passwd}")
    page.get_by_role("button", name="Start the run").click()
    assert "data.path" in page.get_by_role("alert").inner_text()
    proposed.fill(JOB.format(model=server.home / "model"))
    page.get_by_role("button", name="Start the run").click()

    page.wait_for_url("**/watch?run=desk-*")
    place = page.url.removeprefix(server.root)
    page.get_by_text("Running", exact=True).first.wait_for()
    page.get_by_role("heading", name="Units by arm").wait_for()
    server.restart()  # the folder is the state
    page.goto(server.at(place))
    watched.said.clear()  # of the page that lost its server
    page.get_by_text("Finished", exact=True).wait_for()
    assert server.token not in page.url
    page.get_by_role("img", name=re.compile("Training loss")).first.wait_for()
    headline = page.frame_locator("iframe.tw-report").locator("h1").inner_text()
    assert headline in page.locator("#verdict").inner_text()
    page.reload()
    page.get_by_text("Finished", exact=True).wait_for()

    page.get_by_role("link", name="Try it on your own text").click()
    page.wait_for_function("document.querySelector('#run input')?.value.startsWith('desk-')")
    page.get_by_label("Your text").fill("my parcel is late, the courier never came")
    page.get_by_role("button", name="Ask both").click()
    for side in ("Recommended model", "Base model, untuned"):
        shown = page.get_by_role("region", name=side)
        shown.get_by_text(re.compile("answered in")).wait_for()
        shares = [float(text.strip("%")) for text in shown.locator("td.tw-number").all_inner_texts()]
        assert len(shares) == 3
        assert sum(shares) == pytest.approx(100, abs=0.2)
    assert watched.said == []  # no policy was violated and nothing failed


def test_a_run_that_is_stopped_goes_on(server: PagesServer, watched: Watched) -> None:
    page = watched.page
    page.goto(server.address)
    page.set_input_files("#upload input[type=file]", server.home / "desk.csv")
    page.wait_for_url("**/?table=*")
    page.get_by_role("heading", name="desk.csv").wait_for()
    long = JOB.format(model=server.home / "model").replace("max_steps: 60", "steps: 4000, epochs: 900")
    page.get_by_label("The job (YAML); edit what you like").fill(long)
    page.get_by_role("button", name="Start the run").click()
    page.wait_for_url("**/watch?run=desk-*")
    page.get_by_text("Running", exact=True).first.wait_for()
    page.get_by_text(re.compile("step .* of 4,000")).wait_for()
    page.get_by_role("button", name="Stop").click()
    page.get_by_text("Stopped", exact=True).wait_for()
    page.get_by_role("button", name="Continue").click()
    page.get_by_text("Running", exact=True).first.wait_for()
    told = server.home / "runs" / page.url.partition("run=")[2] / "events.jsonl"
    for _ in range(600):  # what was done is not done again
        if told.read_text(encoding="utf-8").count('"event": "unit_reused", ') >= 3:
            break
        page.wait_for_timeout(100)
    else:
        pytest.fail("no unit was reused within a minute")
    page.get_by_text(re.compile("step .* of 4,000")).wait_for()
    page.get_by_role("button", name="Stop").click()
    page.get_by_text("Stopped", exact=True).wait_for()
    page.goto(server.at("/runs"))
    page.get_by_role("table").get_by_text("Stopped", exact=True).wait_for()


def test_labels_are_reviewed_by_keyboard(server: PagesServer, watched: Watched) -> None:
    page = watched.page
    page.goto(server.address)
    page.set_input_files("#upload input[type=file]", server.home / "doubts.csv")
    page.wait_for_url("**/?table=*")
    id = page.url.partition("table=")[2]
    page.goto(f"{server.root}/review?table={id}")
    card = page.get_by_role("region", name="Row in doubt")
    card.get_by_text(re.compile("Row in doubt 1 of 5; 0 decided")).wait_for()
    assert page.get_by_role("button", name="Accept").is_disabled()  # nothing is proposed for this one
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")  # the link that skips the links to other pages
    assert page.evaluate("document.activeElement.id") == "tw-title"
    assert page.title() == "Label review · tuneworthy"
    for key, told in (
        ("k", "2 of 5; 1"),
        ("d", "3 of 5; 2"),
        ("s", "4 of 5; 2"),
        ("p", "3 of 5; 2"),
        ("s", "4 of 5; 2"),
    ):
        page.keyboard.press(key)
        card.get_by_text(f"Row in doubt {told} decided").wait_for()
    page.keyboard.press("c")
    page.keyboard.press("Control+a")
    page.keyboard.type("refund")
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Change", exact=True).press("Enter")
    card.get_by_text(re.compile("3 decided")).wait_for()
    page.get_by_label("Single keys").uncheck()
    page.keyboard.press("d")
    page.get_by_role("button", name="Write the reviewed table").press("Enter")
    page.get_by_role("link", name="Go on with the reviewed table").wait_for()

    checked = server.home / "runs" / ".ui" / "tables" / id / "checked"
    lines = list(csv.DictReader((checked / "review.csv").open(encoding="utf-8")))
    assert [line["decision"] for line in lines][:4] == ["no", "delete", "", "label:refund"]
    rows = list(csv.DictReader((checked / "reviewed.csv").open(encoding="utf-8")))
    assert len(rows) == 60
    assert {row["label"] for row in rows} == {"refund", "delivery", "account"}
    with page.expect_download() as download:
        page.get_by_role("link", name="reviewed.csv", exact=True).click()
    assert Path(download.value.path()).read_bytes() == (checked / "reviewed.csv").read_bytes()
    assert watched.said == []
