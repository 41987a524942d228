"""TW004: labels too rare to be learned and tested."""

from tuneworthy.checks import Examined, names, say
from tuneworthy.core.counting import counted
from tuneworthy.core.example import label_counts
from tuneworthy.core.finding import Finding

FEWEST = 5  # rows a label on average: with 1 to 4 of 77 labels each, 57 to 63% of intervals held the truth


class RareLabels:
    """Labels with fewer rows than there are folds: some folds test or train without them."""

    code = "TW004"
    title = "rare labels"
    slow = False
    needs = None
    of_labels = True

    def examine(self, data: Examined) -> Finding:
        """A tip that names them."""
        counts = label_counts(data.examples)
        rare = {name: n for name, n in counts.items() if n < data.folds}
        if not rare:
            return say(self, "passed", f"Every label has at least {data.folds} rows.")
        shown = names([f"{name} ({n})" for name, n in rare.items()])
        said = f"{counted(len(rare), 'label has', 'labels have')} fewer than {data.folds} rows: {shown}."
        if len(data.examples) < FEWEST * len(counts):
            said += " With so few rows a label, scores are further off than their intervals say."
        return say(
            self,
            "tip",
            said,
            "Label a few more rows of them, or merge them with a near label.",
            rows=[row.row for row in data.examples if row.target in rare],
        )


PLUGIN = RareLabels()
