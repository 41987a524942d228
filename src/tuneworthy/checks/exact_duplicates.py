"""TW001: the same text more than once."""

from tuneworthy.checks import Examined, noted, say
from tuneworthy.core.finding import Finding, RowNote
from tuneworthy.data.repeats import normalised


class ExactDuplicates:
    """Rows whose text is the same but for case and white space; the split keeps them together."""

    code = "TW001"
    title = "exact duplicates"
    slow = False
    needs = None
    of_labels = False

    def examine(self, data: Examined) -> Finding:
        """A tip when there are any: they count double, in training and in the score."""
        first: dict[str, int] = {}
        notes = []
        for example in data.examples:
            key = normalised(example.input)
            if key in first:
                notes.append(RowNote(row=example.row, note="repeats", other=first[key]))
            first.setdefault(key, example.row)
        if not notes:
            return say(self, "passed", "No text occurs twice.")
        return say(
            self,
            "tip",
            f"{noted(notes, 'repeats', 'repeat')} an earlier text, of {len(data.examples):,}.",
            "Remove repeats that are no independent observations; the split keeps them on one side.",
            notes=notes,
        )


PLUGIN = ExactDuplicates()
