"""TW027: labels that are several labels in one."""

from collections import Counter

from tuneworthy.checks import Examined, names, say
from tuneworthy.core.counting import counted
from tuneworthy.core.example import label_counts
from tuneworthy.core.finding import Finding
from tuneworthy.metrics._sets import labels_of

OFTEN = 0.05  # share of the rows from which it is how the table was labelled, and no slip


class CombinedLabels:
    """Labels such as "late; damaged" beside "late": every combination is a class of its own to every arm."""

    code = "TW027"
    title = "several labels in one"
    slow = False
    needs = None
    of_labels = True

    def examine(self, data: Examined) -> Finding:
        """An issue when labels share parts with one another, with the rows of the combined ones."""
        parts = {label: labels_of(label) for label in label_counts(data.examples)}
        uses = Counter(part for found in parts.values() for part in found)
        combined = {
            label
            for label, found in parts.items()
            if len(found) > 1 and all(uses[part] > 1 or part in parts for part in found)
        }
        rows = [row.row for row in data.examples if row.target in combined]
        if len(rows) < OFTEN * len(data.examples):
            return say(self, "passed", "No label is made of others.")
        have = counted(len(rows), "row has", "rows have")
        share = len(rows) / len(data.examples)
        return say(
            self,
            "issue",
            f"{have} a label that is made of others ({share:.0%} of all): {names(sorted(combined))}.",
            "If a row may have several labels, run with --task multi-label.",
            rows=rows,
        )


PLUGIN = CombinedLabels()
