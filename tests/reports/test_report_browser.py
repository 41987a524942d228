"""The page in a real browser: it fits a phone, and nothing leaves it."""

import pytest

from tuneworthy.reports.html import render_html


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("name", ["holdout", "crossfit", "many_labels", "hostile"])
def test_fits_and_asks_for_nothing(name, width, browser, run_of, tmp_path):
    path = tmp_path / "report.html"
    path.write_text(render_html(run_of(name)), encoding="utf-8")
    page = browser.new_page(viewport={"width": width, "height": 844}, color_scheme="dark")
    asked, said = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: said.append(message.text))
    page.on("dialog", lambda dialog: said.append(dialog.message))
    page.goto(path.as_uri())
    page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate("document.querySelectorAll('script, img, b b').length") == 0
    assert asked == [path.as_uri()]
    assert said == []
    shown = page.evaluate(
        "[...document.querySelectorAll('svg')].filter(s => s.getClientRects().length).map(s => s.clientWidth)"
    )
    assert shown
    assert all(0 < drawn <= width for drawn in shown)
    page.close()
