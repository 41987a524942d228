"""TW002: the same text with different labels."""

from collections import defaultdict

from tuneworthy.checks import Examined, say
from tuneworthy.core.counting import counted
from tuneworthy.core.example import Example
from tuneworthy.core.finding import Finding, RowNote
from tuneworthy.data.splits import normalised

BLOCKING_SHARE = 0.05  # of all rows: from here on the labels, not the model, limit every arm


class ConflictingLabels:
    """Texts that carry two labels or more: no model can have them all right."""

    code = "TW002"
    title = "same text, different labels"
    slow = False
    needs = None
    of_labels = True

    def examine(self, data: Examined) -> Finding:
        """An issue when there are any, blocking from 5% of the rows on."""
        same: dict[str, list[Example]] = defaultdict(list)
        for example in data.examples:
            same[normalised(example.input)].append(example)
        found = sorted(
            (row for rows in same.values() if len({str(r.target) for r in rows}) > 1 for row in rows),
            key=lambda row: row.row,
        )
        if not found:
            return say(self, "passed", "No text has two labels.")
        share = len(found) / len(data.examples)
        notes = []
        for row in found:
            others = [r for r in same[normalised(row.input)] if r.target != row.target]
            notes.append(
                RowNote(
                    row=row.row, note=f"'{row.target}' here, '{others[0].target}' there", other=others[0].row
                )
            )
        return say(
            self,
            "issue",
            f"{counted(len(found), 'row shares its', 'rows share their')} text with a row of another label "
            f"({share:.1%} of all).",
            "Decide which label is right, or remove the rows.",
            notes=notes,
            blocking=share >= BLOCKING_SHARE,
        )


PLUGIN = ConflictingLabels()
