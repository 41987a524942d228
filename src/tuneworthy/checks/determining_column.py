"""TW017: a column that gives the label away."""

from collections import Counter, defaultdict
from collections.abc import Sequence

from tuneworthy.checks import Examined, names, say
from tuneworthy.core.finding import Finding

RIGHT = 0.95  # of the rows, by the other rows with the same value
GAIN = 0.1  # over answering the most frequent label


class DeterminingColumn:
    """Columns whose value tells the label: a source file, an annotator, a status set by the label itself."""

    code = "TW017"
    title = "a column that determines the label"
    slow = False
    needs = None
    of_labels = True

    def examine(self, data: Examined) -> Finding:
        """A tip that names the columns."""
        if not data.columns:
            return say(self, "not_applicable", "There is no other column.")
        targets = [str(row.target) for row in data.examples]
        usual = max(Counter(targets).values()) / len(targets)
        telling = [
            f"{name} ({score:.0%})"
            for name, cells in data.columns.items()
            if (score := _by_the_others(cells, targets)) >= max(RIGHT, usual + GAIN)
        ]
        if not telling:
            return say(self, "passed", f"None of {len(data.columns)} other columns tells the label.")
        return say(
            self,
            "tip",
            f"The label follows from {names(telling)} alone, by the other rows with the same value.",
            "Find out how that column came about; if rows were labelled by it, a model may learn its traces.",
            rows=[row.row for row in data.examples],
        )


def _by_the_others(cells: Sequence[str | None], targets: Sequence[str]) -> float:
    """Share of rows whose label is the most frequent among the other rows with the same value.

    A value that stands alone says nothing, so a column of ids scores 0.
    """
    by_value: dict[str, Counter[str]] = defaultdict(Counter)
    for cell, target in zip(cells, targets, strict=True):
        if cell is not None:
            by_value[cell][target] += 1
    right = 0
    for cell, target in zip(cells, targets, strict=True):
        if cell is None:
            continue
        others = by_value[cell] - Counter([target])
        if others:
            best = max(others.values())
            right += others[target] == best and list(others.values()).count(best) == 1
    return right / len(targets)


PLUGIN = DeterminingColumn()
