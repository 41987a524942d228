"""TW013: a chat template's own tokens inside the data."""

from tuneworthy.checks import Examined, names, noted, say
from tuneworthy.core.finding import Finding, RowNote
from tuneworthy.core.turn_marks import KNOWN


class SpecialTokens:
    """Text that a tokenizer reads as the end of a turn: models are given it with a space inside."""

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
            "Remove them: models are given them with a space inside, so that no row ends its own turn.",
            notes=notes,
        )


PLUGIN = SpecialTokens()
