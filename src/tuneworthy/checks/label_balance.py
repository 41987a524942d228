"""TW010: a metric that rare labels do not move."""

from tuneworthy.checks import Examined, say
from tuneworthy.core.example import label_counts
from tuneworthy.core.finding import Finding

MOST = 0.8  # of the rows in one label: answering it always already scores so much
BLIND = ("accuracy",)  # metrics to which a row is a row, whatever its label


class LabelBalance:
    """Class counts against the metric that arms are compared by."""

    code = "TW010"
    title = "imbalance"
    slow = False
    needs = None
    of_labels = True

    def examine(self, data: Examined) -> Finding:
        """A tip when one label dominates and the metric does not mind."""
        counts = label_counts(data.examples)
        first, n = next(iter(counts.items()))
        share = n / len(data.examples)
        if share < MOST:
            return say(self, "passed", f"The most frequent label has {share:.0%} of the rows.")
        if data.metric not in BLIND:
            return say(self, "passed", f"'{first}' has {share:.0%} of the rows; {data.metric} minds.")
        return say(
            self,
            "tip",
            f"'{first}' has {share:.0%} of the rows, and answering it always scores {share:.2f}.",
            "Compare by macro_f1 (--set metric=macro_f1), and label more rows of the other labels.",
            rows=[row.row for row in data.examples if row.target != first],
        )


PLUGIN = LabelBalance()
