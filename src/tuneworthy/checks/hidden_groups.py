"""TW019: rows that come in groups which the split does not know of."""

import numpy as np

from tuneworthy.checks import Examined, say
from tuneworthy.core.finding import Finding

FEWEST = 60
SMALLEST, FEWEST_GROUPS = 2.0, 10  # rows in a group on average, and groups
WORTH = 0.02


class HiddenGroups:
    """Columns such as an author or a document: rows of one are alike, and a random split lets them leak."""

    code = "TW019"
    title = "rows that come in groups"
    slow = True
    needs = "embedder"
    of_labels = True

    def examine(self, data: Examined) -> Finding:
        """A tip with the column and the points that a grouped split takes off the probe's score."""
        if data.group is not None:
            return say(self, "not_applicable", f"The split keeps equal values of '{data.group}' together.")
        if len(data.examples) < FEWEST:
            return say(self, "not_applicable", f"It takes {FEWEST} rows.")
        found = []
        for name, cells in data.columns.items():
            groups = [cell if cell is not None else f"\0{i}" for i, cell in enumerate(cells)]
            distinct = len(set(groups))
            if distinct >= FEWEST_GROUPS and len(groups) >= SMALLEST * distinct:
                found.append((name, distinct, *_lost(data, groups)))
        leaking = [item for item in found if item[2] - 1.96 * item[3] > 0 and item[2] >= WORTH]
        if not leaking:
            return say(self, "passed", "No column was found whose rows leak into each other.")
        name, distinct, lost, error = max(leaking, key=lambda item: item[2])
        return say(
            self,
            "tip",
            f"Rows with the same '{name}' ({distinct} values) are alike: a split that keeps them together "
            f"takes {100 * lost:.1f} points ({100 * (lost - 1.96 * error):.1f} to "
            f"{100 * (lost + 1.96 * error):.1f}) off a probe's accuracy.",
            f"Use --group {name}: new rows will come with values of '{name}' that no model has seen.",
            rows=[row.row for row in data.examples],
        )


def _lost(data: Examined, groups: list[str]) -> tuple[float, float]:
    """Accuracy under a random split minus that under a grouped one, and the standard error of the pairs."""
    from tuneworthy.checks._measured import FOLDS, out_of_fold

    labels = data.measured.labels
    targets = np.array([str(row.target) for row in data.examples])
    vectors = data.measured.vectors[: len(targets)]
    given = np.array([labels.index(target) for target in targets])
    loose = data.measured.probabilities.argmax(1) == given
    numbers = np.unique(groups, return_inverse=True)[1]
    if len(set(groups)) < FOLDS:
        return 0.0, 0.0
    held = out_of_fold(vectors, targets, numbers, labels, seed=0).argmax(1) == given
    pairs = loose.astype(float) - held.astype(float)
    by_group = np.bincount(numbers, weights=pairs)
    error = float(np.sqrt((by_group**2).sum()) / len(pairs))
    return float(pairs.mean()), error


PLUGIN = HiddenGroups()
