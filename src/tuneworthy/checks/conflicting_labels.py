"""TW002: the same text with different labels."""

from collections import defaultdict

from tuneworthy.checks import Examined, noted, say
from tuneworthy.core.example import Example
from tuneworthy.core.finding import Finding, RowNote
from tuneworthy.data.repeats import normalised

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
        same: dict[str, list[tuple[Example, bool]]] = defaultdict(list)
        for row, test in data.both:
            same[normalised(row.input)].append((row, test))
        clashes = [rows for rows in same.values() if len({str(row.target) for row, _ in rows}) > 1]
        found = sorted((item for rows in clashes for item in rows), key=lambda item: (item[1], item[0].row))
        if not found:
            return say(self, "passed", "No text has two labels.")
        share = sum(not test for _, test in found) / len(data.examples)
        notes = []
        for row, test in found:
            other, elsewhere = next(r for r in same[normalised(row.input)] if r[0].target != row.target)
            there = "in the test file" if elsewhere and not test else "there"
            notes.append(
                RowNote(
                    row=row.row,
                    test=test,
                    note=f"'{row.target}' here, '{other.target}' {there},",
                    other=other.row,
                    column="label",
                    before=str(row.target),
                )
            )
        return say(
            self,
            "issue",
            f"{noted(notes, 'shares its', 'share their')} text with a row of another label "
            f"({share:.1%} of the table).",
            "Run tuneworthy check --fix and write into the decision column of review.csv the right label, or "
            "delete.",
            notes=notes,
            blocking=share >= BLOCKING_SHARE,
        )


PLUGIN = ConflictingLabels()
