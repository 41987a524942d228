"""TW012: text that was broken on its way here."""

import html
import re
from typing import Any

import ftfy

from tuneworthy.checks import Examined, noted, say
from tuneworthy.core.example import Example
from tuneworthy.core.finding import Finding, RowNote

TAG = re.compile(
    r"</?(?:a|b|br|div|em|font|h[1-6]|hr|i|img|li|ol|p|pre|script|span|strong|style|table|td|th|tr|u|ul)\b[^<>]*>",
    re.I,
)
ENTITY = re.compile(r"&(?:[a-z]{2,8}|#\d{2,6}|#x[0-9a-f]{2,5});", re.I)
CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\u200b\ufeff]")
OFTEN = 0.02


class TextDamage:
    """Encodings read as another one, characters that were lost, markup and control characters."""

    code = "TW012"
    title = "encoding damage and markup"
    slow = False
    needs = None
    of_labels = False

    def examine(self, data: Examined) -> Finding:
        """An issue from 2% of the rows on, else a tip; each row with what is wrong and how it would read."""
        notes = [note for row, test in data.both if (note := _note(row, test))]
        if not notes:
            return say(self, "passed", "No text is damaged or holds markup.")
        kinds = {
            kind: sum(note.note == kind for note in notes) for kind in dict.fromkeys(n.note for n in notes)
        }
        shown = ", ".join(f"{kind} ({n})" for kind, n in sorted(kinds.items(), key=lambda item: -item[1]))
        return say(
            self,
            "issue" if len(notes) >= OFTEN * len(data.examples) else "tip",
            f"{noted(notes, 'is', 'are')} damaged: {shown}.",
            "tuneworthy check --fix mends all but markup, which is left to review.csv.",
            notes=notes,
        )


def repaired(text: str) -> str:
    """The text with its encoding mended, control characters gone and, where it holds no "<" and so is no
    markup, entities resolved (ftfy's rule); nothing else changes.
    """
    mended = CONTROL.sub("", ftfy.fix_encoding(text))
    while "<" not in mended and ENTITY.search(mended):
        before, mended = mended, ENTITY.sub(lambda found: html.unescape(found.group()), mended)
        if mended == before:  # an entity that there is not
            break
    return mended


def without_markup(text: str) -> str:
    """The text without tags and entities, a line break for each <br>."""
    plain = re.sub(r"<br\s*/?>", "\n", text, flags=re.I)
    return html.unescape(TAG.sub(" ", plain)).strip()


def _note(row: Example, test: bool) -> RowNote | None:
    text = row.input
    common: dict[str, Any] = {"row": row.row, "test": test, "column": "input"}
    if "\ufffd" in text:
        return RowNote(row=row.row, test=test, note="lost characters")
    if not text.isascii() and ftfy.fix_encoding(text) != text:
        return RowNote(**common, note="wrong encoding", before=text, after=repaired(text))
    if CONTROL.search(text):
        return RowNote(**common, note="control characters", before=text, after=repaired(text))
    if repaired(text) != text:
        return RowNote(**common, note="entities", before=text, after=repaired(text))
    if TAG.search(text) or ENTITY.search(text):
        return RowNote(**common, note="markup", before=text, after=without_markup(text))
    return None


PLUGIN = TextDamage()
