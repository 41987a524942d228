"""The data doctor's findings: in a terminal, as JSON, and as a page with the rows."""

import json
from collections.abc import Mapping, Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from tuneworthy.core.counting import counted
from tuneworthy.core.example import Example
from tuneworthy.core.finding import Finding, RowNote
from tuneworthy.reports.templating import environment, writable

LOUD = ("issue", "tip")
FOLDED = ("passed", "not_applicable")  # outcomes that nobody has to act on
STYLES = {"issue": "red", "tip": "yellow", "passed": "green", "skipped": "dim", "muted": "dim"}
ROWS_IN_TERMINAL = 3
ROWS_ON_PAGE = 50
LONGEST_TEXT = 400


def doctor_text(
    source: str, rows: int, heading: Sequence[str], findings: Sequence[Finding], whole: bool = False
) -> RenderableType:
    """What needs attention, the worst first, each with its first rows; then the codes of all the rest.

    With `whole` the rest has a line each, with what it found or why it does not apply.
    """
    parts: list[RenderableType] = [Text(f"{source}: {counted(rows, 'row')}, {len(findings)} checks")]
    parts += [Text(sentence, style="dim") for sentence in heading]
    for found in ordered(findings):
        if found.outcome not in LOUD:
            continue
        word = "blocks training" if found.blocking else found.outcome
        parts.append(
            Text.assemble("\n", (f"{found.code} {found.title}", "bold"), "  ", (word, STYLES[found.outcome]))
        )
        parts.append(Text(f"  {found.message}"))
        shown = found.notes[:ROWS_IN_TERMINAL]
        for note in shown:
            parts.append(Text(f"    {_row(note)}: {said(note)}", style="dim"))
        left = max(len(found.rows), len(found.notes)) - len(shown)
        if shown and left > 0:
            more = counted(left, "more row")
            parts.append(Text(f"    and {more} (--html FILE shows them)", style="dim"))
        parts.append(Text(f"  {found.advice}"))
    return Group(*parts, Text(""), _quiet(findings, whole))


def _quiet(findings: Sequence[Finding], whole: bool) -> Table:
    """Checks without complaint: a line for each outcome, or for each of them."""
    quiet = Table.grid(padding=(0, 1))
    for outcome in dict.fromkeys(f.outcome for f in findings if f.outcome not in LOUD):
        those = [f for f in findings if f.outcome == outcome]
        title = Text(outcome.replace("_", " "), style=STYLES.get(outcome, "dim"))
        if whole or outcome not in FOLDED:
            for found in those:
                quiet.add_row(title, Text(f"{found.code} {found.title}: {found.message}", style="dim"))
            continue
        tail = " (--all says why)" if outcome == "not_applicable" else ""
        quiet.add_row(title, Text(", ".join(f.code for f in those) + tail, style="dim"))
    return quiet


def ordered(findings: Sequence[Finding]) -> list[Finding]:
    """Blocking first, then issues, tips and the rest; by code among equals."""
    rank = {"issue": 0, "tip": 1, "skipped": 2, "muted": 3, "not_applicable": 4, "passed": 5}
    return sorted(findings, key=lambda found: (not found.blocking, rank[found.outcome], found.code))


def said(note: RowNote) -> str:
    """A note in words: what, compared with which row, and what is proposed."""
    other = f" row {note.other}" if note.other else ""
    change = f" ('{note.before}' to '{note.after}')" if note.column == "label" and note.after else ""
    return f"{note.note}{other}{change}"


def findings_json(findings: Sequence[Finding]) -> str:
    """All findings, as they stand in a run folder."""
    return json.dumps([found.model_dump(mode="json") for found in findings], indent=2, ensure_ascii=False)


def doctor_page(
    source: str,
    heading: Sequence[str],
    findings: Sequence[Finding],
    texts: Mapping[int, Example],
    test: Mapping[int, Example],
) -> str:
    """One self-contained page: every finding with the text of its rows.

    Args:
        source: the file's name.
        heading: sentences on what was read.
        findings: of `run_checks`.
        texts: the labelled rows by source row.
        test: the test rows by source row.
    """
    views = [
        {
            "finding": found,
            "loud": found.outcome in LOUD,
            "rows": [
                {
                    "note": note,
                    "said": said(note),
                    "proposed": _cut(note.after) if note.column == "input" else "",
                    "row": _row(note),
                    "text": _excerpt(test if note.test else texts, note.row),
                    "label": _label(test if note.test else texts, note.row),
                    "other": _excerpt(test if found.code in ("TW003", "TW007") else texts, note.other),
                }
                for note in found.notes[:ROWS_ON_PAGE]
            ],
            "more": max(0, len(found.notes) - ROWS_ON_PAGE),
        }
        for found in ordered(findings)
    ]
    loud = [view for view in views if view["loud"]]
    page = (
        environment()
        .get_template("doctor.html.j2")
        .render(source=source, heading=heading, rows=len(texts), views=views, loud=loud)
    )
    return writable(page)


def _row(note: RowNote) -> str:
    return f"test row {note.row}" if note.test else f"row {note.row}"


def _label(rows: Mapping[int, Example], number: int) -> str:
    return str(rows[number].target) if number in rows else ""


def _excerpt(rows: Mapping[int, Example], number: int) -> str:
    if number not in rows:
        return ""
    return _cut(rows[number].input)


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST_TEXT else f"{text[: LONGEST_TEXT - 1]}\N{HORIZONTAL ELLIPSIS}"
