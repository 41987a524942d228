"""One server for all tests of the pages, and a headless Chromium; or a reason why not."""

from collections.abc import Iterator
from pathlib import Path

import pytest

import tuneworthy as tw
from chromium import CHROMIUM, browser
from hostile import IMAGE, NAME, SCRIPT, hostile_rows
from pages_server import PagesServer
from tiny_models import save_decoder
from toy import toy_rows, write_csv

__all__ = ["browser"]


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PagesServer]:
    """A server over a folder with a tiny model, three tables, and a run whose names are markup."""
    pytest.importorskip("gradio", reason="gradio is not installed")
    pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if not CHROMIUM.exists():
        pytest.skip(f"{CHROMIUM} is not installed")
    home = tmp_path_factory.mktemp("pages")
    save_decoder(home / "model")
    write_csv(home / "desk.csv", toy_rows(60))
    rows = toy_rows(60)
    rows[30]["label"] = "Refund"
    rows.append({"text": rows[9]["text"], "label": "account"})
    write_csv(home / "doubts.csv", rows)
    write_csv(home / "hostile<img src=x onerror=alert(1)>.csv", hostile_rows())
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(home)
        _hostile_run(home / "runs" / NAME)
    with PagesServer(home) as started:
        yield started


def _hostile_run(folder: Path) -> None:
    tw.run(
        hostile_rows(),
        target=f"label{SCRIPT}",
        input=f"text{IMAGE}",
        output=folder,
        arms=["majority", "tfidf"],
        protocol="holdout",
        resamples=200,
        curve={"arms": []},
    )
