"""TW005: labels of the test file that the training table does not have."""

from tuneworthy.checks import Examined
from tuneworthy.core.example import label_counts
from tuneworthy.core.finding import Finding
from tuneworthy.data.splits import normalised


class UnknownTestLabels:
    """Rows that no arm can have right, whatever it learned."""

    code = "TW005"
    title = "test labels that are never trained"

    def examine(self, data: Examined) -> Finding:
        """An issue, blocking: a misspelt label would be taken for a weak model."""
        common = {"code": self.code, "check": "unknown_test_labels", "title": self.title}
        if not data.test:
            return Finding(**common, outcome="not_applicable", message="There is no test file.")
        held = {normalised(row.input) for row in data.test}
        known = {str(row.target) for row in data.examples if normalised(row.input) not in held}
        unknown = {name: n for name, n in label_counts(data.test).items() if name not in known}
        if not unknown:
            return Finding(**common, outcome="passed", message="Every test label has rows to learn from.")
        shown = ", ".join(f"'{name}' ({n})" for name, n in list(unknown.items())[:5])
        return Finding(
            **common,
            outcome="issue",
            message=f"{len(unknown)} labels of the test file have no row to learn from: {shown}; training "
            "rows that are also in the test file do not count.",
            advice="Correct their spelling, add training rows, or remove those test rows; when accepted they "
            "are left out.",
            blocking=True,
            rows=tuple(row.row for row in data.test if row.target in unknown),
        )


PLUGIN = UnknownTestLabels()
