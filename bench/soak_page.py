"""How long the page of runs takes in a browser: from its address to its table."""

import re
import sys
import time
from pathlib import Path

from delivery_common import Server

CHROMIUM = "/usr/bin/chromium"
FLAGS = ["--no-sandbox", "--disable-background-networking", "--disable-component-update"]
READY = r"http://127\.0\.0\.1:(\d+)"


def page_seconds(runs: Path) -> tuple[float, float]:
    """Seconds until the table is there, the first time and once more.

    Args:
        runs: the folder of the runs.
    """
    from playwright.sync_api import sync_playwright

    log = runs.parent / "ui.log"
    command = [sys.executable, "-m", "tuneworthy.cli.main", "ui", "--runs", str(runs), "--no-browser"]
    with Server(command, log, READY), sync_playwright() as playwright:
        address = re.findall(r"http://\S+", log.read_text())[0]
        root = address.partition("/?")[0]
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_page()
        page.goto(address)  # with the token; the browser's and the server's first page
        page.wait_for_selector("a[href^='/runs']", timeout=300_000)
        taken = []
        for _ in range(2):
            started = time.perf_counter()
            page.goto(f"{root}/runs")
            page.wait_for_selector("table.tw-runs", timeout=300_000)
            taken.append(time.perf_counter() - started)
        browser.close()
    return taken[0], taken[1]
