"""TW004: labels too rare to be learned and tested."""

from tuneworthy.checks import Examined, names, say
from tuneworthy.core.counting import counted
from tuneworthy.core.example import label_counts
from tuneworthy.core.finding import Finding


class RareLabels:
    """Labels with fewer rows than there are folds: some folds test or train without them."""

    code = "TW004"
    title = "rare labels"
    slow = False
    needs = None
    of_labels = True

    def examine(self, data: Examined) -> Finding:
        """A tip that names them."""
        rare = {name: n for name, n in label_counts(data.examples).items() if n < data.folds}
        if not rare:
            return say(self, "passed", f"Every label has at least {data.folds} rows.")
        shown = names([f"{name} ({n})" for name, n in rare.items()])
        return say(
            self,
            "tip",
            f"{counted(len(rare), 'label has', 'labels have')} fewer than {data.folds} rows: {shown}.",
            "Label a few more rows of them, or merge them with a near label.",
            rows=[row.row for row in data.examples if row.target in rare],
        )


PLUGIN = RareLabels()
