"""TW007: test rows whose edited copy is in the labelled table."""

from tuneworthy.checks import Examined, say
from tuneworthy.checks._similar import near_notes
from tuneworthy.core.counting import counted
from tuneworthy.core.finding import Finding


class NearLeak:
    """Test rows that a model has nearly seen; exact copies are TW003's."""

    code = "TW007"
    title = "test rows nearly inside the training table"
    slow = False
    needs = None
    of_labels = False

    def examine(self, data: Examined) -> Finding:
        """An issue with the pairs."""
        if not data.test:
            return say(self, "not_applicable", "There is no test file.")
        notes = near_notes([*data.examples, *data.test], "like test", test_from=len(data.examples))
        if not notes:
            return say(self, "passed", "No training text is nearly a test text.")
        return say(
            self,
            "issue",
            f"{counted(len(notes), 'test row has', 'test rows have')} an edited copy in the training table.",
            "Remove those rows from the training table, or the score flatters every trained arm.",
            notes=notes,
        )


PLUGIN = NearLeak()
