"""TW013: a chat template's own tokens inside the data."""

import re

from tuneworthy.checks import Examined, names, noted, say
from tuneworthy.core.finding import Finding, RowNote

# What the chat templates of the common model families write around turns.
KNOWN = re.compile(
    r"<\|[a-z0-9_]{2,40}\|>|</?s>|\[/?INST\]|<</?SYS>>|<(?:start|end)_of_turn>|<(?:bos|eos|pad|unk)>|<\uff5c.{1,30}?\uff5c>"
)


class SpecialTokens:
    """Text that a tokenizer reads as the end of a turn: what follows is trained, or never read."""

    code = "TW013"
    title = "chat-template tokens in the text"
    slow = False
    needs = None
    of_labels = False

    def examine(self, data: Examined) -> Finding:
        """An issue that names tokens and rows."""
        notes, seen = [], {}
        for row, test in data.both:
            found = KNOWN.findall(row.input) + KNOWN.findall(row.target or "")
            if found:
                notes.append(RowNote(row=row.row, test=test, note=found[0]))
                seen.update(dict.fromkeys(found))
        if not notes:
            return say(self, "passed", "No text holds a chat template's tokens.")
        return say(
            self,
            "issue",
            f"{noted(notes, 'holds', 'hold')} tokens that end or begin a turn for a model: "
            f"{names(list(seen))}.",
            "Remove them, or write them apart, e.g. with a space inside.",
            notes=notes,
        )


def apart(text: str) -> str:
    """The text with a space inside every such token, so that no tokenizer takes it for one."""
    return KNOWN.sub(lambda found: f"{found.group()[0]} {found.group()[1:]}", text)


PLUGIN = SpecialTokens()
