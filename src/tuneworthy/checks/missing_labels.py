"""TW026: labels that are how a program writes a missing one."""

from tuneworthy.checks import Examined, names, noted, say
from tuneworthy.core.finding import Finding, RowNote
from tuneworthy.tasks import TASKS, form_of

MISSING = frozenset(("na", "n/a", "n.a.", "#n/a", "nan", "<na>", "nat", "null", "-", "--", "?", "missing"))
PYTHONS = "None"  # "none" is a class like any other; with a capital it is one where other labels have one too


class MissingLabels:
    """NA, nan, null and the like: a class to every arm, though the row may simply have no label."""

    code = "TW026"
    title = "labels that look like missing data"
    slow = False
    needs = None
    of_labels = False

    def examine(self, data: Examined) -> Finding:
        """A tip with the rows; they keep their label."""
        labels = {str(row.target) for row, _ in data.both}
        capitals = any(label[:1].isupper() for label in labels - {PYTHONS})
        wrong = {
            label
            for label in labels
            if label.strip().casefold() in MISSING or (label == PYTHONS and not capitals)
        }
        notes = [
            RowNote(row=row.row, test=test, note="missing?", column="label", before=str(row.target))
            for row, test in data.both
            if str(row.target) in wrong
        ]
        if not notes:
            return say(self, "passed", "No label looks like missing data.")
        kept = "left out"
        if form_of(TASKS.get(data.task)).nothing is not None:
            kept = "left out, or kept as ones with nothing to find (--set data.blank_means_none=true)"
        return say(
            self,
            "tip",
            f"{noted(notes, 'has', 'have')} the label {names(sorted(wrong))}, which often stands for none.",
            f"Empty these cells if nothing was labelled: such rows are {kept}. Where it is a class, give it "
            "a name that says so.",
            notes=notes,
        )


PLUGIN = MissingLabels()
