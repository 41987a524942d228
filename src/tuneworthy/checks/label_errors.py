"""TW009: labels that are probably wrong."""

import numpy as np
from numpy.typing import NDArray

from tuneworthy.checks import Examined, say
from tuneworthy.checks._measured import Floats
from tuneworthy.core.counting import counted
from tuneworthy.core.example import label_counts
from tuneworthy.core.finding import Finding, RowNote

FEWEST = 40  # rows below which a probe's doubts are guesses
CLEAR = 0.5  # with many labels and few rows of each, a probe that is merely unsure suspects everybody
OFTEN = 0.03  # share of the rows from which the finding is an issue, not a tip
FEW = 10  # rows to look at where the judge is not able
ABLE = 0.5  # the probe's skill below which its word against a label counts for little
BLIND = 0.1  # and below which it counts for nothing


class LabelErrors:
    """Confident learning on a probe's out-of-fold probabilities (Northcutt et al. 2021, arXiv:1911.00068)."""

    code = "TW009"
    title = "probable label errors"
    slow = True
    needs = "embedder"
    of_labels = True

    def examine(self, data: Examined) -> Finding:
        """An issue with the rows to look at, the likeliest error first, and the ceiling that they imply."""
        counts = label_counts(data.examples)
        single = np.array([counts[str(row.target)] < 2 for row in data.examples])
        if (~single).sum() < FEWEST or len(counts) < 2:
            return say(
                self, "not_applicable", f"It takes {FEWEST} rows of labels that have two, and two labels."
            )
        table, labels = data.measured.probabilities, data.measured.labels
        given = np.array([labels.index(str(row.target)) for row in data.examples])
        skill = _skill(table, given)
        if skill < BLIND:
            return say(
                self,
                "not_applicable",
                "A probe cannot tell the labels of these rows apart, so its word against a label is nothing.",
            )
        doubts = label_doubts(table, given)
        flagged = _flagged(table, given)
        order = [int(i) for i in np.argsort(-doubts, kind="stable") if flagged[i] and not single[i]]
        if not order:
            return say(self, "passed", "No label contradicts its text and the other rows.")
        notes = [
            RowNote(
                row=data.examples[i].row,
                note=f"reads like '{labels[int(table[i].argmax())]}'",
                column="label",
                before=labels[given[i]],
                after=labels[int(table[i].argmax())],
                doubt=round(float(doubts[i]), 4),
            )
            for i in order
        ]
        share = len(order) / len(given)
        found = counted(len(order), "label contradicts its", "labels contradict their")
        if skill < ABLE:
            return say(
                self,
                "tip",
                f"{found} text, judging by the other rows ({share:.1%} of all); but the judge, a probe, "
                f"is weak at this task ({skill:.0%} of the way from always guessing the commonest label "
                "to always right), so most of them may be fine.",
                "Look at the first few in review.csv (tuneworthy check --fix).",
                rows=[note.row for note in notes],
                notes=notes[:FEW],
            )
        return say(
            self,
            "issue" if share >= OFTEN else "tip",
            f"{found} text, judging by the other rows ({share:.1%} of all); if all were wrong in a test set "
            f"too, a perfect model would score {1 - share:.1%} there.",
            "Look at them in review.csv (tuneworthy check --fix), the likeliest first; apply what is wrong.",
            notes=notes,
            ceiling=1 - share,
        )


def _skill(table: Floats, given: NDArray[np.intp]) -> float:
    """How far the probe gets from the accuracy of the commonest label (0) to that of always right (1)."""
    floor = np.bincount(given).max() / len(given)
    right = (table.argmax(1) == given).mean()
    return float(max(0.0, (right - floor) / (1 - floor)))


def label_doubts(table: Floats, given: NDArray[np.intp]) -> Floats:
    """How doubtful each label is, 0 to 1: one minus its own out-of-fold probability, cleanlab's default.

    Adjusting for each label's mean confidence, or the margin to the next label, ranked planted errors worse.
    """
    from cleanlab.rank import get_label_quality_scores

    return np.asarray(1.0 - get_label_quality_scores(given, table, method="self_confidence"))


def _flagged(table: Floats, given: NDArray[np.intp]) -> NDArray[np.bool_]:
    """Off the diagonal of the confident joint, and another label is likelier than all the rest together."""
    from cleanlab.filter import find_label_issues

    issues = find_label_issues(given, table, filter_by="confident_learning", n_jobs=1)
    return np.asarray(issues & (table.argmax(1) != given) & (table.max(1) > CLEAR))


PLUGIN = LabelErrors()
