"""TW020: the order of the file tells the label."""

import math
from collections import Counter
from itertools import pairwise

from tuneworthy.checks import Examined, say
from tuneworthy.core.finding import Finding

SURE = 8.0  # standard errors fewer changes of label than chance


class FileOrder:
    """Rows sorted by label or by time: the head of such a file is no sample of it."""

    code = "TW020"
    title = "file order"
    slow = False
    needs = None
    of_labels = True

    def examine(self, data: Examined) -> Finding:
        """A tip when neighbours share their label far more often than chance."""
        rows = sorted(data.examples, key=lambda row: row.row)
        targets = [str(row.target) for row in rows]
        n, counts = len(targets), Counter(targets)
        if len(counts) < 2 or n < 20:
            return say(self, "not_applicable", "Too few rows or labels to tell.")
        same = sum(a == b for a, b in pairwise(targets))
        chance = sum(c * (c - 1) for c in counts.values()) / (n * (n - 1))
        expected = (n - 1) * chance
        error = math.sqrt((n - 1) * chance * (1 - chance))
        if same - expected < SURE * error:
            return say(self, "passed", "Neighbouring rows share their label as often as chance has it.")
        return say(
            self,
            "tip",
            f"{same} of {n - 1} neighbouring rows share their label, {expected:.0f} would by chance: "
            "the file is sorted.",
            "Splits are shuffled here; elsewhere, never take the first rows for a sample.",
            rows=[row.row for row in rows],
        )


PLUGIN = FileOrder()
