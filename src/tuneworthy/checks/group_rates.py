"""TW022: labels that are given to some groups more than to others."""

from collections import Counter, defaultdict

from tuneworthy.checks import Examined, say
from tuneworthy.core.finding import Finding

FEWEST = 10  # rows of a group that is shown
SURE = 0.001


class GroupRates:
    """Label rates by the group column that the user named, and whether chance explains their difference."""

    code = "TW022"
    title = "label rates by group"
    slow = False
    needs = None
    of_labels = True

    def examine(self, data: Examined) -> Finding:
        """A tip with the label and the groups that differ most, with intervals."""
        if data.group is None:
            return say(self, "not_applicable", "No group column was named (--group).")
        by_group: dict[str, Counter[str]] = defaultdict(Counter)
        for row in data.examples:
            if row.group is not None:
                by_group[row.group][str(row.target)] += 1
        shown = {name: counts for name, counts in by_group.items() if counts.total() >= FEWEST}
        if len(shown) < 2:
            return say(self, "not_applicable", f"Fewer than two groups have {FEWEST} rows.")
        from scipy.stats import chi2_contingency

        labels = sorted({label for counts in shown.values() for label in counts})
        if len(labels) < 2:
            return say(self, "passed", "All groups have one label.")
        p = float(chi2_contingency([[counts[label] for label in labels] for counts in shown.values()]).pvalue)
        if p >= SURE:
            return say(
                self, "passed", f"Chance could explain how label rates differ between groups (p = {p:.3f})."
            )
        label, low, high = max(
            (
                (
                    label,
                    min(shown, key=lambda g: shown[g][label] / shown[g].total()),
                    max(shown, key=lambda g: shown[g][label] / shown[g].total()),
                )
                for label in labels
            ),
            key=lambda item: _rate(shown[item[2]], item[0]) - _rate(shown[item[1]], item[0]),
        )
        return say(
            self,
            "tip",
            f"'{label}' has {_interval(shown[low], label)} of the rows of '{low}' and "
            f"{_interval(shown[high], label)} of '{high}' (p < {SURE}).",
            "Ask whether that is the world or the labelling, and compare error rates by group in the report.",
            rows=[row.row for row in data.examples if row.group in (low, high)],
        )


def _rate(counts: Counter[str], label: str) -> float:
    return counts[label] / counts.total()


def _interval(counts: Counter[str], label: str) -> str:
    from scipy.stats import binomtest

    found = binomtest(counts[label], counts.total()).proportion_ci(method="wilson")
    return f"{_rate(counts, label):.0%} ({found.low:.0%} to {found.high:.0%})"


PLUGIN = GroupRates()
