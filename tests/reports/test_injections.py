"""Texts, labels, names of columns and files that are markup: every page and card we write shows them as text.

Each page is opened by a real browser, which says whether anything ran, or anybody was asked for anything.
"""

import csv
import json
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from markdown_it import MarkdownIt

import tuneworthy as tw
from hostile import CORPUS, FENCE, MARKDOWN, OUT, STYLE, poisoned_rows
from toy import toy_rows, write_csv
from tuneworthy.api import make_job
from tuneworthy.checking import check_job
from tuneworthy.core.parity import Difference, Parity
from tuneworthy.data.safe_csv import FORMULA, NUMBER, csv_text
from tuneworthy.exporters import EXPORTERS, Subject
from tuneworthy.exporters._decoders import chat_lines
from tuneworthy.exporting import failure
from tuneworthy.launchers.colab import ABOUT, SHOW, _filled
from tuneworthy.predicting import predict_file
from tuneworthy.refitting import final_fit
from tuneworthy.repairing import fix
from tuneworthy.reports.contents import load_contents
from tuneworthy.reports.doctor import doctor_page
from tuneworthy.reports.html import render_html
from tuneworthy.reports.model_card import escaped, render_card
from tuneworthy.reports.notebook import verdict_card
from tuneworthy.reports.shared import without_rows

NAME = "run <img src=x onerror=alert(1)>"
TABLE = "table <svg onload=alert(1)> [x](javascript:alert(1)).jsonl"
LIVE = (
    "script, img, iframe, object, embed, link, base, form, video, animate, [onload], "
    "[onerror], [onfocus], [autofocus], [onbegin], a[href^='javascript' i], a[href*='far.example'], "
    "[style*=far], use:not([href^='#']), meta[http-equiv]:not([http-equiv='Content-Security-Policy'])"
)
FORMULAS = (
    "=1+1",
    "+cmd|' /C calc'!A0",
    "-2+3+cmd|' /C calc'!A0",
    '@SUM(1+9)*cmd|" /C calc"!A0',
    '\t=HYPERLINK("https://far.example")',
    "\r=1",
    "\n=1",
    "＝1+1",
    "-Infinity",
    "+1",
)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole run over a table that is one attack after another."""
    home = tmp_path_factory.mktemp("poisoned")
    table = home / TABLE
    table.write_text("".join(json.dumps(row) + "\n" for row in poisoned_rows()), encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(home)
        made = tw.run(
            table,
            input=f"text {MARKDOWN} {STYLE}",
            target=f"label {FENCE} {OUT}",
            output=home / NAME,
            arms=["majority", "tfidf"],
            protocol="holdout",
            resamples=200,
            curve={"arms": []},
            accept=["TW002", "TW003", "TW004", "TW005"],
        )
    return made.path


def pages_of(run: Path) -> dict[str, str]:
    """Everything with markup that is made of a run, by name."""
    contents = load_contents(run)
    table = next(run.parent.glob("*.jsonl"))
    columns = {"target": f"label {FENCE} {OUT}", "input": (f"text {MARKDOWN} {STYLE}",)}
    checked = check_job(make_job(table, columns, {})[0])
    texts = {row.row: row for row in checked.data.dataset.examples}
    heading = checked.heading
    pages = {
        "report": render_html(contents),
        "shared": render_html(without_rows(contents, {"data": columns["target"]})),
        "notebook": f"<!doctype html>{verdict_card(contents)}",
        "doctor": doctor_page(checked.data.source, heading, checked.findings, texts, {}),
    }
    for name, text in cards_of(run).items():
        rendered = MarkdownIt("commonmark", {"html": True}).enable("table").render(text)
        pages[name] = f"<!doctype html><meta charset=utf-8>{rendered}"
    return pages


def cards_of(run: Path) -> dict[str, str]:
    """Markdown: model cards with every kind of usage, and the first cell of the notebook for Colab."""
    refit = final_fit(run, "tfidf")
    subject = Subject(refit)
    parity = Parity(
        artefact="merged",
        method="tfidf",
        unit="0" * 16,
        rows=2,
        same=1,
        metric="accuracy",
        expected=1.0,
        found=0.5,
        drop=None,
        tolerance=0.02,
        notes=CORPUS,
    )
    usages = {
        "sklearn": EXPORTERS.get("sklearn").usage(subject),
        "decision": EXPORTERS.get("decision").usage(subject),
        "merged": f"```python\n{chat_lines(subject)}\n```",
    }
    prompt = " ".join(CORPUS)
    models = {"decoder": SimpleNamespace(name=f"owner/{FENCE}", digest="a" * 64)}
    unit = refit.unit.model_copy(update={"models": models, "prompt": prompt})
    cards = {
        f"card, {name}": render_card(load_contents(run), "a model", usage, unit, parity).partition("---\n\n")[
            2
        ]
        for name, usage in usages.items()
    }
    for number, title in enumerate((NAME, MARKDOWN, FENCE, f"{STYLE} {{digest}}")):
        cards[f"colab {number}"] = _filled(ABOUT, {"title": escaped(title), "rows": "3", "digest": "no"})
    return cards


def test_no_page_and_no_card_runs_data_or_asks_for_anything(run: Path, browser: Any, tmp_path: Path) -> None:
    for name, content in pages_of(run).items():
        path = tmp_path / f"{re.sub('[^a-z0-9]', '-', name)}.html"
        path.write_text(content, encoding="utf-8")
        asked: list[str] = []
        said: list[str] = []
        page = browser.new_page()
        page.on("request", lambda request, asked=asked: asked.append(request.url))
        page.on("dialog", lambda dialog, said=said: (said.append(dialog.message), dialog.dismiss()))
        page.on("pageerror", lambda error, said=said: said.append(str(error)))
        page.goto(path.as_uri())
        page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
        live = page.evaluate(f"[...document.querySelectorAll({json.dumps(LIVE)})].map(one => one.outerHTML)")
        assert live == [], name
        rules = page.evaluate(
            "[...document.styleSheets].flatMap(sheet => [...sheet.cssRules]).map(rule => rule.cssText).join()"
        )
        assert "far.example" not in rules, name
        assert page.evaluate("window.pwned === undefined"), name
        assert (asked, said) == ([path.as_uri()], []), name
        assert page.url == path.as_uri(), name
        page.close()


def test_a_card_makes_no_link_of_words_of_the_data() -> None:
    for text in (
        MARKDOWN,
        "https://far.example",
        "see www.far.example",
        "me@far.example",
        "MAILTO:x",
        "http://x",
    ):
        shown = MarkdownIt("commonmark").renderInline(escaped(text))
        assert "<a" not in shown and "<img" not in shown
        assert not re.search(r"\w://|www\.|@|mailto:", escaped(text), re.IGNORECASE)


@pytest.mark.parametrize("name", ['x"; import os; y = "', "x'); evil('", "{run}{{digest}}", "a\nb = 1", "\\"])
def test_a_name_is_a_name_in_the_code_of_a_notebook(name: str) -> None:
    first = _filled(SHOW, {"run": repr(name), "digest": "no"}).partition("\nif ")[0]
    known: dict[str, Any] = {"work": Path("work")}
    exec(first, known)
    assert known["folder"] == Path("work") / name
    assert set(known) - {"__builtins__"} == {"work", "folder"}


def test_the_message_of_a_failed_export_has_no_text_of_a_row() -> None:
    first = Difference(
        example_id="a",
        row=7,
        expected="my private answer",
        found="another",
        found_prompt="my private text",
        found_tokens=(1, 2, 3),
    )
    parity = Parity(
        artefact="merged",
        method="lora",
        unit="0" * 16,
        rows=2,
        same=1,
        metric="chrf",
        expected=None,
        found=None,
        drop=None,
        tolerance=0,
        causes=("its prompts differ",),
        first=first,
    )
    assert "private" not in failure(parity)
    assert "first row that differs is 7;" in failure(parity)
    assert "'my private answer' became" in failure(parity, labels=("my private answer", "another"))


def cells_of(path: Path) -> list[str]:
    with path.open(newline="", encoding="utf-8") as file:
        return [cell for row in csv.reader(file) for cell in row]


def live(cells: list[str]) -> list[str]:
    return [cell for cell in cells if cell.startswith(FORMULA) and not NUMBER.fullmatch(cell)]


def test_no_table_that_is_written_to_be_read_holds_a_live_formula(run: Path, tmp_path: Path) -> None:
    rows = [
        {"=text": f"{FORMULAS[number % len(FORMULAS)]} {row['text']}", "@label": f"={row['label']}"}
        for number, row in enumerate(toy_rows(60))
    ]
    rows += [rows[4], *({**row, "@label": " =refund"} for row in rows[6:12:3])]
    table = write_csv(tmp_path / "formulas.csv", rows)
    predict_file(run, table, tmp_path / "out.csv", ("=text",), 0.0, lambda done, total, facts: None)
    fix(
        check_job(make_job(table, {"target": "@label", "input": ("=text",)}, {})[0]),
        tmp_path / "checked",
    )
    written = [tmp_path / "out.csv", *(tmp_path / "checked").glob("*.csv")]
    written = [path for path in written if path.name != "clean.csv"]  # the table itself, as it came
    assert len(written) == 3
    for path in written:
        assert live(cells_of(path)) == [], path
    assert sum("'=" in path.read_text(encoding="utf-8") for path in written) >= 2


def test_numbers_stay_numbers_and_nothing_else_that_looks_like_a_formula_does(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(csv_text(["-1", "=x"], [["-5", "-1.5e-3"], [-2, 0.5], FORMULAS[:2]]), encoding="utf-8")
    assert cells_of(path) == ["-1", "'=x", "-5", "-1.5e-3", "-2", "0.5", "'=1+1", "'+cmd|' /C calc'!A0"]
    assert [cell for cell in FORMULAS if not csv_text([cell], []).lstrip('"').startswith("'")] == []
