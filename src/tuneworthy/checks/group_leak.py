"""TW024: groups that are in the training table and in the test file."""

from tuneworthy.checks import Examined, names, noted, say
from tuneworthy.core.finding import Finding, RowNote


class GroupLeak:
    """Test rows of an author, customer or document that training rows are of too: easier than new ones."""

    code = "TW024"
    title = "groups on both sides"
    slow = False
    needs = None
    of_labels = False

    def examine(self, data: Examined) -> Finding:
        """An issue with the test rows."""
        if not data.test or data.group is None:
            return say(self, "not_applicable", "It takes a test file and a group column (--group).")
        known = {row.group for row in data.examples} - {None}
        shared = [row for row in data.test if row.group in known]
        if not shared:
            return say(self, "passed", "No group of the test file is in the training table.")
        groups = list(dict.fromkeys(str(row.group) for row in shared))
        notes = [RowNote(row=row.row, test=True, note=f"group '{row.group}'") for row in shared]
        return say(
            self,
            "issue",
            f"{noted(notes, 'belongs', 'belong')} to groups that were trained on: {names(groups)}.",
            "Test on groups of their own, or drop --group if new rows will come from the same ones.",
            notes=notes,
        )


PLUGIN = GroupLeak()
