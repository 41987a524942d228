"""Takes the pictures in docs/images/ui/ from a real server, a made-up table and a tiny random model.

Run `python docs/take_ui_screenshots.py` after a change to a page; it wants Chromium and Playwright.
"""

import argparse
import csv
import itertools
import re
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from chromium import CHROMIUM, FLAGS  # noqa: E402
from pages_server import PagesServer, Watched  # noqa: E402
from tiny_models import save_decoder  # noqa: E402

TARGET = ROOT / "docs" / "images" / "ui"
WIDE, PHONE = 1120, 390
COLOURS = 48
SAID = {
    "delivery": (
        "The parcel with my {thing} was due on {day} and has not come",
        "The courier left the {thing} with a neighbour on {day}",
        "Where is the {thing} that was to arrive on {day}",
        "Tracking says the {thing} is still at the depot since {day}",
    ),
    "refund": (
        "I sent the {thing} back on {day} and want my money back",
        "Please pay back what I paid for the {thing} on {day}",
        "The refund for the {thing} that was promised on {day} is missing",
        "I was charged twice for the {thing} on {day}",
    ),
    "account": (
        "I cannot log in to see the {thing} I ordered on {day}",
        "Change the mail address of my account before the {thing} ships on {day}",
        "Since {day} my password is refused and the {thing} is in my basket",
        "Close my account once the {thing} from {day} is paid",
    ),
}
THINGS = ("lamp", "desk", "kettle", "chair", "radio", "mirror")
DAYS = ("Monday", "Tuesday", "Friday")
JOB = """\
data:
  path: helpdesk.csv
  input: [message]
  target: topic

arms: [majority, tfidf, zero_shot, lora]
base_model: {model}
protocol: holdout
curve: {{arms: [tfidf]}}

lora:
  learning_rate: {rate}
  epochs: {epochs}
"""


def write_table(path: Path) -> None:
    """Some 150 made-up messages, of which a few have a doubtful topic."""
    rows = []
    for number, (thing, day) in enumerate(itertools.product(THINGS, DAYS)):
        for topic, sentences in SAID.items():
            for part, sentence in enumerate(sentences):
                if (number + part) % 4:
                    rows.append((sentence.format(thing=thing, day=day), topic))
    rows = [rows[(17 * i) % len(rows)] for i in range(len(rows))]
    rows[12] = (rows[12][0], "delivery" if rows[12][1] != "delivery" else "refund")
    rows.append((f"{rows[5][0]}, write to jo.doe@mail.example.org", rows[5][1]))
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("message", "topic"), *rows])


class Camera:
    """A browser in which a page is pictured, wide and as on a phone."""

    def __init__(self, browser: Any, server: PagesServer) -> None:
        self._browser, self._server = browser, server

    def take(self, name: str, place: str, ready: str, phone: bool = True, act: Any = None) -> None:
        """Opens a place, waits for what has to be there, and keeps the picture as PNG."""
        shapes = [(WIDE, "light", name)] + ([(PHONE, "dark", f"{name}_390")] if phone else [])
        for width, scheme, file in shapes:
            watched = Watched(self._browser, width, scheme)
            watched.page.goto(self._server.at(place))
            if act is not None:
                act(watched.page)
            watched.page.locator(ready).first.wait_for()
            watched.page.wait_for_timeout(1500)
            watched.page.screenshot(path=TARGET / f"{file}.png", full_page=True)
            shrink(TARGET / f"{file}.png")
            print(f"{file}: {watched.page.evaluate('document.documentElement.scrollWidth')} px wide")
            watched.close()


def shrink(picture: Path) -> None:
    """Few colours are enough for a page, and take a third of the bytes."""
    from PIL import Image

    with Image.open(picture) as whole:
        few = whole.convert("RGB").quantize(COLOURS)
    few.save(picture, optimize=True)


def upload(page: Any, table: Path) -> str:
    """Drops the table and returns its id."""
    page.set_input_files("#upload input[type=file]", table)
    page.wait_for_url("**/?table=*")
    page.locator("#tw-findings").wait_for()
    return str(page.url.partition("table=")[2])


def start(page: Any, server: PagesServer, id: str, rate: float, epochs: int, more: str = "") -> str:
    """Starts a job on the table and returns the run's name."""
    page.goto(f"{server.root}/?table={id}")
    page.locator("#tw-findings").wait_for()
    job = JOB.format(model=server.home / "model", rate=rate, epochs=epochs)
    page.locator("#job textarea").fill(job + more)
    page.locator("#start").click()
    page.wait_for_url("**/watch?run=*")
    return str(page.url.partition("run=")[2])


def main() -> None:
    """Every page in turn; two runs are made on the way."""
    from playwright.sync_api import sync_playwright

    argparse.ArgumentParser(description=__doc__).parse_args()
    TARGET.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        home = Path(folder)
        save_decoder(home / "model")
        write_table(home / "helpdesk.csv")
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        with PagesServer(home) as server:
            camera = Camera(browser, server)
            page = Watched(browser).page
            page.set_default_timeout(1_800_000)  # two runs are made, perhaps on a busy machine
            page.goto(server.address)
            id = upload(page, home / "helpdesk.csv")
            camera.take("new", f"/?table={id}", "#tw-findings")
            runs = [start(page, server, id, rate, epochs) for rate, epochs in ((0.002, 1),)]
            page.get_by_text("Finished", exact=True).wait_for()
            long = start(page, server, id, 0.004, 900, "  steps: 4000\n")  # it outlives its pictures
            page.get_by_text(re.compile(r"step \d{2,} of")).wait_for()
            page.locator("figure svg circle, figure svg use").first.wait_for(state="attached")
            camera.take("watch", f"/watch?run={long}", ".tw-now")
            page.get_by_role("button", name="Stop").click()
            page.get_by_text("Stopped", exact=True).wait_for()
            runs.append(start(page, server, id, 0.01, 6))
            page.get_by_text("Finished", exact=True).wait_for()
            camera.take("verdict", f"/watch?run={runs[1]}", "#verdict h2", act=read)
            camera.take("runs", "/runs", "table.tw-runs")
            camera.take("compare", f"/compare?first={runs[0]}&second={runs[1]}", "#comparison table")
            camera.take("playground", f"/playground?run={runs[1]}", "#base .tw-bars", act=ask)
            camera.take("review", f"/review?table={id}", ".tw-card")
        browser.close()


def read(page: Any) -> None:
    """Waits for the report in its frame."""
    page.frame_locator("iframe.tw-report").locator("h1").wait_for()


def ask(page: Any) -> None:
    """Asks both models one question."""
    page.wait_for_function("document.querySelector('#run input')?.value.startsWith('helpdesk')")
    page.locator("#text textarea").fill("My kettle has not come, the courier was to bring it on Friday")
    page.locator("#ask").click()


if __name__ == "__main__":
    main()
