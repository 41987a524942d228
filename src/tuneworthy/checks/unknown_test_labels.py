"""TW005: labels of the test file that the training table does not have."""

from tuneworthy.checks import Examined, names, say
from tuneworthy.core.counting import counted
from tuneworthy.core.example import label_counts
from tuneworthy.core.finding import Finding
from tuneworthy.data.repeats import normalised


class UnknownTestLabels:
    """Rows that no arm can have right, whatever it learned."""

    code = "TW005"
    title = "test labels that are never trained"
    slow = False
    needs = None
    of_labels = True

    def examine(self, data: Examined) -> Finding:
        """An issue, blocking: a misspelt label would be taken for a weak model."""
        if not data.test:
            return say(self, "not_applicable", "There is no test file.")
        held = {normalised(row.input) for row in data.test}
        known = {str(row.target) for row in data.examples if normalised(row.input) not in held}
        unknown = {name: n for name, n in label_counts(data.test).items() if name not in known}
        if not unknown:
            return say(self, "passed", "Every test label has rows to learn from.")
        shown = names([f"{name} ({n})" for name, n in unknown.items()])
        return say(
            self,
            "issue",
            f"{counted(len(unknown), 'label of the test file has', 'labels of the test file have')} no row "
            f"to learn from: {shown}; training rows that are also in the test file do not count.",
            "Correct their spelling, add training rows, or remove those test rows; when accepted they are "
            "left out.",
            rows=[row.row for row in data.test if row.target in unknown],
            blocking=True,
        )


PLUGIN = UnknownTestLabels()
